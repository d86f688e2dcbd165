/* handoff: how long after the rename does the first request reach the new socket? Renames fresh listening
 * sockets over DIR/app.sock, N times, under the requests of a few keep-alive clients through the proxy, and
 * prints the distribution.
 *
 *   handoff DIR PORT [N]     e.g. handoff services/web 8080 1000
 *
 * One thread is all the apps, some are clients, the main one renames. */
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define CLIENTS 4
#define PAUSE_US 20000 /* between handoffs: the proxy takes its time with storms of renames */
#define NEWEST_WAIT_NS 5000000000LL /* a handoff that takes longer has failed */
#define ANSWER "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

struct app_socket {
	int fd;
	int generation;
	bool listens;
};

static int epoll_fd;
static unsigned port;
static _Atomic int64_t *first_request_ns; /* of each generation; 0: not yet */
static _Atomic bool over, served;         /* clients stop; then apps stop */
static _Atomic unsigned failures;

static int64_t now_ns(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static void die(const char *what)
{
	fprintf(stderr, "handoff: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void watch(int fd, int generation, bool listens)
{
	struct app_socket *s = malloc(sizeof(*s));
	if (s == NULL)
		die("malloc");
	*s = (struct app_socket){.fd = fd, .generation = generation, .listens = listens};
	struct epoll_event ev = {.events = EPOLLIN, .data.ptr = s};
	if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &ev) < 0)
		die("epoll_ctl");
}

static void serve(struct app_socket *s)
{
	char request[8192];
	if (s->listens) {
		int fd = accept(s->fd, NULL, NULL);
		if (fd >= 0)
			watch(fd, s->generation, false);
		return;
	}
	ssize_t n = read(s->fd, request, sizeof(request));
	if (n <= 0) {
		close(s->fd);
		free(s);
		return;
	}
	int64_t none = 0;
	atomic_compare_exchange_strong(&first_request_ns[s->generation], &none, now_ns());
	if (write(s->fd, ANSWER, sizeof(ANSWER) - 1) < 0)
		failures++;
}

static void *apps(void *unused)
{
	(void)unused;
	while (!served) {
		struct epoll_event ev[16];
		int n = epoll_wait(epoll_fd, ev, 16, 100);
		for (int i = 0; i < n; i++)
			serve(ev[i].data.ptr);
	}
	return NULL;
}

static void *client(void *unused)
{
	static const char request[] = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
	struct sockaddr_in sin = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	(void)unused;
	if (connect(fd, (struct sockaddr *)&sin, sizeof(sin)) < 0)
		die("connect to the proxy");
	while (!over) {
		char answer[4096] = {0};
		ssize_t n = -1;
		if (write(fd, request, sizeof(request) - 1) > 0)
			n = read(fd, answer, sizeof(answer) - 1);
		if (n <= 0 || strncmp(answer, "HTTP/1.1 200", 12) != 0) {
			failures++;
			break;
		}
	}
	close(fd);
	return NULL;
}

static int listen_at(const char *path)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s", path);
	unlink(path);
	if (bind(fd, (struct sockaddr *)&sun, sizeof(sun)) < 0 || listen(fd, 128) < 0 ||
	    chmod(path, 0666) < 0)
		die(path);
	return fd;
}

/* Nanoseconds from the rename to the first request; −1 when none came. */
static int64_t hand_over(const char *fresh, const char *live, int generation)
{
	int fd = listen_at(fresh);
	watch(fd, generation, true);
	int64_t start = now_ns();
	if (rename(fresh, live) < 0)
		die(live);
	while (first_request_ns[generation] == 0) {
		if (now_ns() - start > NEWEST_WAIT_NS)
			return -1;
		usleep(50);
	}
	return first_request_ns[generation] - start;
}

static int by_size(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a;
	int64_t y = *(const int64_t *)b;
	return (x > y) - (x < y);
}

static void print(int64_t *ns, size_t n)
{
	static const struct {
		const char *name;
		double at;
	} points[] = {{"min", 0}, {"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"max", 1}};
	qsort(ns, n, sizeof(*ns), by_size);
	printf("rename to first request on the new socket, %zu handoffs, in ms:", n);
	for (size_t i = 0; i < sizeof(points) / sizeof(points[0]); i++)
		printf("  %s %.3f", points[i].name,
		       (double)ns[(size_t)(points[i].at * (double)(n - 1))] / 1e6);
	printf("  failed requests %u\n", failures);
}

int main(int argc, char **argv)
{
	char live[100];
	char fresh[100];
	pthread_t threads[CLIENTS + 1];
	if (argc < 3) {
		fprintf(stderr, "usage: handoff DIR PORT [N]\n");
		return 2;
	}
	size_t n = argc > 3 ? (size_t)atoi(argv[3]) : 1000;
	port = (unsigned)atoi(argv[2]);
	snprintf(live, sizeof(live), "%s/app.sock", argv[1]);
	snprintf(fresh, sizeof(fresh), "%s/app.sock.new", argv[1]);
	int64_t *ns = calloc(n + 1, sizeof(*ns));
	first_request_ns = calloc(n + 1, sizeof(*first_request_ns));
	epoll_fd = epoll_create1(0);
	watch(listen_at(live), 0, true);
	pthread_create(&threads[0], NULL, apps, NULL);
	for (size_t i = 1; i <= CLIENTS; i++)
		pthread_create(&threads[i], NULL, client, NULL);
	for (size_t i = 0; i < n; i++) {
		usleep(PAUSE_US);
		ns[i] = hand_over(fresh, live, (int)i + 1);
		if (ns[i] < 0) {
			fprintf(stderr, "handoff: no request on the new socket after 5 s\n");
			return 1;
		}
	}
	over = true;
	for (size_t i = 1; i <= CLIENTS; i++)
		pthread_join(threads[i], NULL);
	served = true;
	pthread_join(threads[0], NULL);
	print(ns, n);
	free(ns);
	return failures != 0;
}
