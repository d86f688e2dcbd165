/* sock: the only file that names socket options and address formats. */
#include "net/sock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define LISTEN_BACKLOG 4096

bool sock_addr_parse(const char *ip, unsigned port, struct sock_addr *out)
{
	char bare[SOCK_ADDR_TEXT];
	struct str s = str_of(ip);
	if (s.n >= 2 && s.p[0] == '[' && s.p[s.n - 1] == ']')
		s = str_make(s.p + 1, s.n - 2);
	if (port > UINT16_MAX || !str_copy(bare, sizeof(bare), s))
		return false;

	memset(out, 0, sizeof(*out));
	struct sockaddr_in *v4 = (struct sockaddr_in *)&out->ss;
	if (inet_pton(AF_INET, bare, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons((uint16_t)port);
		out->len = sizeof(*v4);
		return true;
	}
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&out->ss;
	if (inet_pton(AF_INET6, bare, &v6->sin6_addr) == 1) {
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons((uint16_t)port);
		out->len = sizeof(*v6);
		return true;
	}
	return false;
}

void sock_addr_text(const struct sockaddr_storage *ss, char host[SOCK_ADDR_TEXT], unsigned *port)
{
	host[0] = '\0';
	*port = 0;
	if (ss->ss_family == AF_INET) {
		const struct sockaddr_in *v4 = (const struct sockaddr_in *)ss;
		inet_ntop(AF_INET, &v4->sin_addr, host, SOCK_ADDR_TEXT);
		*port = ntohs(v4->sin_port);
	} else if (ss->ss_family == AF_INET6) {
		const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)ss;
		if (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr))
			inet_ntop(AF_INET, &v6->sin6_addr.s6_addr[12], host, SOCK_ADDR_TEXT);
		else
			inet_ntop(AF_INET6, &v6->sin6_addr, host, SOCK_ADDR_TEXT);
		*port = ntohs(v6->sin6_port);
	}
}

static int close_keeping_errno(int fd)
{
	int err = errno;
	close(fd);
	errno = err;
	return -1;
}

static int set_int(int fd, int level, int option, int value)
{
	return setsockopt(fd, level, option, &value, sizeof(value));
}

int sock_listen(const struct sock_addr *addr, bool v6only, bool probe)
{
	int fd = socket(addr->ss.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	if (set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1) < 0)
		return close_keeping_errno(fd);
	if (addr->ss.ss_family == AF_INET6 && set_int(fd, IPPROTO_IPV6, IPV6_V6ONLY, v6only) < 0)
		return close_keeping_errno(fd);
	if (!probe && set_int(fd, SOL_SOCKET, SO_REUSEPORT, 1) < 0)
		return close_keeping_errno(fd);
	if (bind(fd, (const struct sockaddr *)&addr->ss, addr->len) < 0)
		return close_keeping_errno(fd);
	/* SO_REUSEADDR lets two sockets bind while neither listens: only listen() proves the port free. */
	if (listen(fd, probe ? 1 : LISTEN_BACKLOG) < 0)
		return close_keeping_errno(fd);
	if (set_int(fd, IPPROTO_TCP, TCP_NODELAY, 1) < 0)
		return close_keeping_errno(fd);
	return fd;
}

/* An unconnected Unix socket and the address of `path`. */
static int unix_socket(const char *path, struct sockaddr_un *sun)
{
	*sun = (struct sockaddr_un){.sun_family = AF_UNIX};
	if (!str_copy(sun->sun_path, sizeof(sun->sun_path), str_of(path))) {
		errno = ENAMETOOLONG;
		return -1;
	}
	return socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

int sock_listen_unix(const char *path)
{
	struct sockaddr_un sun;
	int fd = unix_socket(path, &sun);
	if (fd < 0)
		return -1;
	if (bind(fd, (const struct sockaddr *)&sun, sizeof(sun)) < 0 || chmod(path, 0666) < 0 ||
	    listen(fd, LISTEN_BACKLOG) < 0)
		return close_keeping_errno(fd);
	return fd;
}

int sock_connect_unix(const char *path)
{
	struct sockaddr_un sun;
	int fd = unix_socket(path, &sun);
	if (fd < 0)
		return -1;
	if (connect(fd, (const struct sockaddr *)&sun, sizeof(sun)) < 0)
		return close_keeping_errno(fd);
	return fd;
}

int sock_connect_pinned(int path_fd)
{
	char path[32];
	snprintf(path, sizeof(path), "/proc/self/fd/%d", path_fd);
	return sock_connect_unix(path);
}

int sock_accept(int listener, struct sockaddr_storage *from)
{
	socklen_t len = sizeof(*from);
	from->ss_family = AF_UNSPEC;
	return accept4(listener, (struct sockaddr *)from, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

bool sock_set_cloexec(int fd, bool on)
{
	int flags = fcntl(fd, F_GETFD);
	if (flags < 0)
		return false;
	return fcntl(fd, F_SETFD, on ? flags | FD_CLOEXEC : flags & ~FD_CLOEXEC) == 0;
}

void sock_reset_on_close(int fd)
{
	struct linger now = {.l_onoff = 1, .l_linger = 0};
	(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
}

bool sock_is_hung_up(int fd)
{
	struct pollfd pfd = {.fd = fd, .events = POLLRDHUP};
	return poll(&pfd, 1, 0) == 1;
}
