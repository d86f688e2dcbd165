/*
 * A small HTTP/1.1 app for the tests: one epoll loop on a Unix socket (or a
 * local TCP port), every behaviour a proxy may meet behind a path of its own.
 * It is also a witness: what it is sent must be well-formed to the letter,
 * otherwise it answers 599 and says why.
 */
#include "app.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

struct app app = {.version = "v1", .malformed_last = "-", .listener = -1, .logfd = -1};

uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000U + (uint64_t)t.tv_nsec;
}

static void die(const char *what)
{
	fprintf(stderr, "app: %s: %s\n", what, strerror(errno));
	exit(1);
}

__attribute__((format(printf, 2, 3))) void log_line(unsigned id, const char *fmt, ...)
{
	char line[1024];
	va_list ap;
	int n = snprintf(line, 64, "%llu %u ", (unsigned long long)now_ns(), id);

	va_start(ap, fmt);
	n += vsnprintf(line + n, sizeof(line) - 66, fmt, ap);
	va_end(ap);
	if (n > (int)sizeof(line) - 2)
		n = (int)sizeof(line) - 2;
	line[n] = '\n';
	if (app.logfd >= 0 && write(app.logfd, line, (size_t)n + 1) < 0)
		die("log");
}

static void listener_accept(void)
{
	int fd;

	while ((fd = accept4(app.listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0)
		conn_accept(fd);
}

static void leave(void)
{
	struct conn *next;

	app.leaving = true;
	close(app.listener);
	for (struct conn *c = app.conns; c != NULL; c = next) {
		next = c->next;
		conn_run(c);
	}
}

/* Fires what is due; returns the milliseconds to the next, −1 for none. */
static int timers_run(void)
{
	uint64_t now = now_ns(), first = 0;
	struct conn *next;

	if (app.armed == 0)
		return -1;
	for (struct conn *c = app.conns; c != NULL; c = next) {
		next = c->next;
		if (c->due != 0 && c->due <= now) {
			timer_clear(c);
			c->stalled = false;
			conn_run(c);
		} else if (c->due != 0 && (first == 0 || c->due < first)) {
			first = c->due;
		}
	}
	if (app.armed == 0)
		return -1;
	return first == 0 ? 0 : (int)((first - now) / 1000000) + 1;
}

static int listen_unix(const char *path, bool unlink_first)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (strlen(path) >= sizeof(sun.sun_path)) {
		errno = ENAMETOOLONG;
		die(path);
	}
	memcpy(sun.sun_path, path, strlen(path));
	if (unlink_first)
		unlink(path);
	if (bind(fd, (struct sockaddr *)&sun, sizeof(sun)) < 0 || chmod(path, 0666) < 0)
		die(path);
	return fd;
}

static int listen_tcp(int port)
{
	struct sockaddr_in sin = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), one = 1;

	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&sin, sizeof(sin)) < 0)
		die("bind");
	return fd;
}

static void crash(int sig)
{
	(void)sig;
	_exit(3);
}

static void serve(int sigfd)
{
	struct epoll_event evs[256];
	struct signalfd_siginfo info;
	struct conn *c;
	bool asked = false;
	int n;

	while (!app.leaving || app.conns != NULL) {
		n = epoll_wait(app.epfd, evs, 256, timers_run());
		for (int i = 0; i < n; i++) {
			c = evs[i].data.ptr;
			if (c == NULL) {
				asked = read(sigfd, &info, sizeof(info)) > 0;
			} else if (evs[i].data.ptr == &app.listener) {
				listener_accept();
			} else {
				if (evs[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR))
					conn_read(c);
				conn_run(c);
			}
		}
		if (asked && !app.leaving)
			leave();
	}
}

static int usage(void)
{
	fprintf(stderr,
		"usage: app (--socket PATH | --tcp PORT) [--version v1] [--log FILE]\n"
		"  [--delay-listen MS] [--backlog N] [--unlink-bind]\n"
		"prints \"ready\" once it listens; SIGTERM: finish and go; SIGUSR1: crash\n");
	return 2;
}

static void start(int backlog, long delay)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.ptr = &app.listener};
	struct timespec pause = {delay / 1000, delay % 1000 * 1000000};
	sigset_t set;
	int sigfd;

	nanosleep(&pause, NULL);
	if (listen(app.listener, backlog) < 0)
		die("listen");
	signal(SIGUSR1, crash);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	sigfd = signalfd(-1, &set, SFD_CLOEXEC);
	app.epfd = epoll_create1(EPOLL_CLOEXEC);
	epoll_ctl(app.epfd, EPOLL_CTL_ADD, app.listener, &ev);
	ev.data.ptr = NULL;
	epoll_ctl(app.epfd, EPOLL_CTL_ADD, sigfd, &ev);
	route_init();
	puts("ready");
	fclose(stdout);
	serve(sigfd);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"socket", required_argument, NULL, 's'},
		{"tcp", required_argument, NULL, 't'},
		{"version", required_argument, NULL, 'v'},
		{"log", required_argument, NULL, 'l'},
		{"delay-listen", required_argument, NULL, 'd'},
		{"backlog", required_argument, NULL, 'b'},
		{"unlink-bind", no_argument, NULL, 'u'},
		{NULL, 0, NULL, 0},
	};
	const char *path = NULL;
	int opt, port = 0, backlog = 4096;
	bool unlink_first = false;
	long delay = 0;

	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (opt) {
		case 's': path = optarg; break;
		case 't': port = atoi(optarg); break;
		case 'v': app.version = optarg; break;
		case 'd': delay = atol(optarg); break;
		case 'b': backlog = atoi(optarg); break;
		case 'u': unlink_first = true; break;
		case 'l':
			app.logfd = open(optarg, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
			if (app.logfd < 0)
				die(optarg);
			break;
		default: return usage();
		}
	}
	if (optind != argc || (path == NULL) == (port == 0))
		return usage();
	app.listener = path != NULL ? listen_unix(path, unlink_first) : listen_tcp(port);
	start(backlog, delay);
	return 0;
}
