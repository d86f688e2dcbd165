/* A stage for tests of the way of a request: the stage of services, a proxy on it, a client's end and an
 * app's end of real sockets. The test plays both by hand; the loop runs only while it listens. */
#ifndef KP_TESTS_PROXY_STAGE_H
#define KP_TESTS_PROXY_STAGE_H

#include "service_stage.h"

#include "front/h1front.h"
#include "proxy/exchange.h"
#include "proxy/proxy.h"

#define HEAR_SECONDS 0.03

static struct proxy proxy;
static struct site *site;
static struct service *service;

static inline int proxy_up(void **state)
{
	stage_up(state);
	proxy = (struct proxy){
		.loop = stage.loop,
		.timers = stage.timers,
		.settings = &stage.settings->proxy,
		.registry = stage.registry,
		.log = accesslog_new(stage.loop, -1, NULL),
		.request_limits = {.head = 32768, .line = 8192, .fields = 100},
		.answer_limits = {.head = 65536, .line = 65536, .fields = HEAD_FIELDS_MAX},
		.head_memory = mem_alloc(PROXY_HEAD_MAX),
		.head = mem_alloc(sizeof(struct head)),
	};
	conn_io_init(&proxy.io, stage.loop);
	list_init(&proxy.free_exchanges);
	list_init(&proxy.fronts);
	site = site_new("blog", 1);
	stage_write("blog/service.ini", "socket_timeout = 1s\ntarget_timeout = 300ms\n");
	service = site_changed(site, TREE_NEW | TREE_SETTINGS | TREE_SOCKETS);
	return 0;
}

static inline int proxy_down(void **state)
{
	h1front_close_all(&proxy);
	assert_int_equal(proxy.nfronts, 0);
	site_gone(site);
	exchange_free_all(&proxy);
	accesslog_free(proxy.log);
	conn_io_fini(&proxy.io);
	mem_free(proxy.head_memory);
	mem_free(proxy.head);
	return stage_down(state);
}

/* ---- the app ---- */

/* An app listens at that name of the service; the service has seen it. */
static inline int app_at(const char *name)
{
	int fd = listen_at(name);

	service = site_changed(site, TREE_SOCKETS);
	return fd;
}

/* The connection that waits to be accepted; −1: none. */
static inline int app_accept(int listener)
{
	stage_run(HEAR_SECONDS);
	return accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

/* ---- both ---- */

static inline void say(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* What has come after a while; "" for nothing, NULL at the end or after a reset. */
static inline const char *hear(int fd)
{
	static char text[8][1 << 16];
	static unsigned turn;
	char *got = text[turn++ % 8];
	ssize_t n;

	stage_run(HEAR_SECONDS);
	n = recv(fd, got, sizeof(text[0]) - 1, 0);
	if (n == 0 || (n < 0 && errno != EAGAIN))
		return NULL;
	got[n < 0 ? 0 : n] = '\0';
	return got;
}

static inline bool begins(const char *text, const char *with)
{
	return text != NULL && strncmp(text, with, strlen(with)) == 0;
}

/* ---- the client ---- */

static inline int client(void)
{
	struct sockaddr_storage from = {.ss_family = AF_UNIX};
	int fd[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd), 0);
	h1front_accept(&proxy, fd[0], &from, 80);
	return fd[1];
}

static inline int client_that_says(const char *text)
{
	int fd = client();

	say(fd, text);
	return fd;
}

static inline void assert_nothing_counted(void)
{
	const struct board_service *b = service_board(service);

	assert_int_equal(b->in_flight, 0);
	assert_int_equal(b->draining, 0);
	assert_int_equal(b->tunnels, 0);
	assert_int_equal(b->held, 0);
}

#define GET "GET /x HTTP/1.1\r\nHost: a\r\n\r\n"
#define POST "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi"
#define ANSWER "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
#define EVENTS                                                                                     \
	"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
#define UPGRADE "GET /x HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n"
#define SWITCHED "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n"

/* The app answers a request of which this is the beginning; both hang up. */
static inline void assert_answers(int client, int app, const char *what)
{
	assert_true(app >= 0);
	assert_true(begins(hear(app), what));
	say(app, ANSWER);
	assert_true(begins(hear(client), "HTTP/1.1 200"));
	close(app);
	close(client);
}

#endif
