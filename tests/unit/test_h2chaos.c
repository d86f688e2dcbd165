/* Clients and apps of HTTP/2 that do anything at any time: nobody crashes, nothing stays counted. */
#include "h2_stage.h"

#include <poll.h>

#define APPS_MAX 64

static unsigned seed;
static int apps[APPS_MAX];

static unsigned chance(unsigned n)
{
	seed = seed * 1664525U + 1013904223U;
	return (seed >> 8) % n;
}

struct talker {
	struct h2_client *c;
	unsigned next; /* stream */
	unsigned open; /* one whose request is not whole; 0: none */
};

static void begin_anything(struct talker *t)
{
	static const char *const methods[] = {":method|GET", ":method|POST", ":method|CONNECT",
					      ":method|HEAD"};
	static const char *const paths[] = {":path|/x", ":path|/y", ":path|/z", ":path|bad"};
	static const char *const more[] = {"x|y", "a|b", "te|gzip", "expect|100-continue",
					   ":protocol|websocket"};
	uint8_t fin = chance(2) == 0 ? FIN : 0;

	send_head(t->c, t->next, fin,
		  F(":scheme|http", ":authority|a", paths[chance(4)], methods[chance(4)],
		    more[chance(5)]));
	if (fin == 0)
		t->open = t->next;
	t->next += 2;
}

static void go_on(struct talker *t)
{
	static const char payload[16384];
	uint8_t fin = chance(3) == 0 ? FIN : 0;

	if (t->open == 0)
		return;
	if (chance(8) == 0)
		send_head(t->c, t->open, FIN, F("x-sum|42"));
	else
		send_frame(t->c, NGHTTP2_DATA, fin, t->open, payload, chance(sizeof(payload)));
	if (fin != 0 || chance(20) == 0)
		t->open = 0;
}

static void say_anything(struct talker *t)
{
	uint32_t any = t->next == 1 ? 1 : 2 * chance(t->next / 2) + 1;
	uint8_t nothing[8] = {0};

	switch (chance(12)) {
	case 0:
	case 1:
	case 2:
	case 3: begin_anything(t); break;
	case 4:
	case 5:
	case 6:
	case 7: go_on(t); break;
	case 8:
		send_number(t->c, NGHTTP2_RST_STREAM, any, NGHTTP2_CANCEL);
		t->open = t->open == any ? 0 : t->open;
		break;
	case 9:
		send_number(t->c, NGHTTP2_WINDOW_UPDATE, chance(2) == 0 ? 0 : any,
			    1 + chance(70000));
		break;
	case 10: send_frame(t->c, NGHTTP2_PING, (uint8_t)chance(2), 0, nothing, 8); break;
	default:
		if (chance(50) == 0)
			send_frame(t->c, (uint8_t)chance(12), (uint8_t)chance(64), any, nothing,
				   chance(9));
	}
}

static void answer_anything(int app)
{
	static char large[100000];
	static const char *const answers[] = {
		ANSWER,
		"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
		"0\r\nX-Sum: 1\r\n\r\n",
		"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n",
		"HTTP/1.1 204 No Content\r\n\r\n",
		"HTTP/1.1 413 Too much\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
		"nonsense\r\n\r\n",
		SWITCHED,
		EVENTS "1\r\nx\r\n",
	};
	const char *text = answers[chance(sizeof(answers) / sizeof(answers[0]))];

	(void)recv(app, large, chance(3) * sizeof(large) / 2, 0);
	if (chance(4) == 0)
		(void)send(app, large, chance(sizeof(large)), MSG_NOSIGNAL);
	else
		(void)send(app, text, strlen(text), MSG_NOSIGNAL);
}

/* Anything is accepted, answered or dropped. */
static void play_apps(int listener)
{
	for (int i = 0; i < APPS_MAX; i++) {
		if (apps[i] < 0) {
			apps[i] = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		} else if (chance(8) == 0) {
			close(apps[i]);
			apps[i] = -1;
		} else if (chance(2) == 0) {
			answer_anything(apps[i]);
		}
	}
}

static void one_client(int listener)
{
	struct h2_client *c = h2_client_with(chance(3) == 0 ? 100 : 65535);
	struct talker t = {.c = c, .next = 1};

	for (int i = 0; i < 40; i++) {
		for (unsigned n = chance(8); n > 0; n--)
			say_anything(&t);
		stage_run(0.0005);
		play_apps(listener);
		while (chance(3) == 0 && recv(c->fd, c->in, sizeof(c->in), 0) > 0)
			;
	}
	if (chance(4) == 0)
		h2front_retire(&proxy);
	h2_client_free(c);
}

static void nothing_breaks(void **state)
{
	int listener = app_at("blog/app.sock");
	unsigned clients = getenv("TORTURE") != NULL ? 1000 : 40;

	(void)state;
	fcntl(listener, F_SETFL, O_NONBLOCK);
	memset(apps, -1, sizeof(apps));
	for (seed = 1; clients > 0; clients--)
		one_client(listener);
	for (int i = 0; i < APPS_MAX; i++) {
		if (apps[i] >= 0)
			close(apps[i]);
	}
	close(listener);
	h2front_close_all(&proxy);
	stage_run(0.05);
	assert_nothing_counted();
	assert_int_equal(proxy.nfronts, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(nothing_breaks, proxy_up, h2_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
