/*
 * How long a handoff takes: from the rename of a new socket over the old name
 * to the first request that arrives on the new one. The clients and the app on
 * both sockets live in this one loop, so that one clock sees both ends.
 */
#include "load.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define CLIENTS 4
#define ENDS 1024

enum end_kind { END_LISTENER, END_SERVER, END_CLIENT };

/* One descriptor in the loop; what arrives is only looked at for its end. */
struct end {
	enum end_kind kind;
	int fd;
	unsigned generation;
	size_t len;
	char in[4096];
};

struct swap {
	const char *dir;
	unsigned generation, lost;
	uint64_t arrived;
	struct end *listener;
};

static struct end ends[ENDS]; /* by descriptor */
static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nOK\n";

static struct end *end_add(enum end_kind kind, int fd, unsigned generation)
{
	struct epoll_event ev = {.events = EPOLLIN};
	struct end *e;

	if (fd < 0 || fd >= ENDS) {
		perror("load: swap");
		exit(1);
	}
	e = &ends[fd];
	e->kind = kind;
	e->fd = fd;
	e->generation = generation;
	e->len = 0;
	ev.data.ptr = e;
	epoll_ctl(load.epfd, EPOLL_CTL_ADD, fd, &ev);
	return e;
}

static void say(struct swap *s, struct end *e, const char *text, size_t n)
{
	if (send(e->fd, text, n, MSG_NOSIGNAL) != (ssize_t)n && e->kind == END_CLIENT)
		s->lost++;
}

static void ask(struct swap *s, struct end *e)
{
	char text[512];
	int n = snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", load.path,
			 load.host);

	say(s, e, text, (size_t)n);
}

static void client_new(struct swap *s)
{
	int fd = socket(load.addr.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (connect(fd, (struct sockaddr *)&load.addr, load.addr_len) < 0) {
		perror("load: connect");
		exit(1);
	}
	ask(s, end_add(END_CLIENT, fd, 0));
}

/* Binds and listens at a hidden name, which is not yet the service's. */
static void listener_new(struct swap *s, char *path, size_t cap)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	snprintf(path, cap, "%s/.swap.%u", s->dir, ++s->generation);
	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s", path);
	unlink(path);
	if (bind(fd, (struct sockaddr *)&sun, sizeof(sun)) < 0 || chmod(path, 0666) < 0 ||
	    listen(fd, 1024) < 0) {
		perror(path);
		exit(1);
	}
	s->listener = end_add(END_LISTENER, fd, s->generation);
}

static void end_read(struct swap *s, struct end *e)
{
	ssize_t n = recv(e->fd, e->in + e->len, sizeof(e->in) - 1 - e->len, 0);

	if (n <= 0) {
		if (e->kind == END_CLIENT) {
			s->lost++;
			client_new(s);
		}
		close(e->fd);
		return;
	}
	e->len += (size_t)n;
	e->in[e->len] = '\0';
	if (e->kind == END_SERVER && strstr(e->in, "\r\n\r\n") != NULL) {
		if (e->generation == s->generation && s->arrived == 0)
			s->arrived = now_ns();
		e->len = 0;
		say(s, e, answer, sizeof(answer) - 1);
	} else if (e->kind == END_CLIENT && strstr(e->in, "\r\n\r\nOK\n") != NULL) {
		e->len = 0;
		ask(s, e);
	} else if (e->len == sizeof(e->in) - 1 || strncmp(e->in, "HTTP/1.1 5", 10) == 0) {
		fprintf(stderr, "load: unexpected: %.80s\n", e->in);
		exit(1);
	}
}

/* Goes round until the newest socket has had a request; false: 10 s were not enough. */
static bool turn(struct swap *s)
{
	struct epoll_event evs[32];
	uint64_t give_up = now_ns() + 10000000000U;
	struct end *e;
	int n, fd;

	while (s->arrived == 0 && now_ns() < give_up) {
		n = epoll_wait(load.epfd, evs, 32, 1000);
		for (int i = 0; i < n; i++) {
			e = evs[i].data.ptr;
			if (e->kind != END_LISTENER) {
				end_read(s, e);
				continue;
			}
			while ((fd = accept4(e->fd, NULL, NULL, SOCK_CLOEXEC)) >= 0)
				end_add(END_SERVER, fd, e->generation);
		}
	}
	return s->arrived != 0;
}

static int by_size(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static int swap_report(const struct swap *s, uint64_t *ns, size_t count)
{
	qsort(ns, count, sizeof(*ns), by_size);
	printf("handoffs=%zu lost=%u p10_us=%llu p50_us=%llu p90_us=%llu p99_us=%llu max_us=%llu\n",
	       count, s->lost, (unsigned long long)ns[count / 10] / 1000,
	       (unsigned long long)ns[count / 2] / 1000,
	       (unsigned long long)ns[count * 9 / 10] / 1000,
	       (unsigned long long)ns[count * 99 / 100] / 1000,
	       (unsigned long long)ns[count - 1] / 1000);
	free(ns);
	return s->lost > 0;
}

int swap(const char *dir, unsigned times)
{
	struct swap s = {.dir = dir};
	uint64_t *ns = calloc(times, sizeof(*ns)), renamed;
	char path[sizeof(((struct sockaddr_un *)NULL)->sun_path)], name[256];

	load.epfd = epoll_create1(EPOLL_CLOEXEC);
	snprintf(name, sizeof(name), "%s/app.sock", dir);
	for (unsigned i = 0; i <= times; i++) {
		struct end *old = s.listener;

		listener_new(&s, path, sizeof(path));
		s.arrived = 0;
		renamed = now_ns();
		if (ns == NULL || rename(path, name) < 0) {
			perror("load: rename");
			return 1;
		}
		for (int n = 0; i == 0 && n < CLIENTS; n++)
			client_new(&s);
		if (!turn(&s)) {
			fputs("load: no request came to the new socket within 10 s\n", stderr);
			return 1;
		}
		if (i > 0)
			ns[i - 1] = s.arrived - renamed;
		if (old != NULL)
			close(old->fd);
	}
	return swap_report(&s, ns, times);
}
