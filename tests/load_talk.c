/*
 * A client for bytes written by hand: sends standard input, then closes its
 * sending half (unless told to hold it open) and prints all that comes back.
 */
#include "load.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static bool send_whole(int fd, const char *p, size_t n)
{
	while (n > 0) {
		ssize_t sent = send(fd, p, n, MSG_NOSIGNAL);

		if (sent < 0)
			return false;
		p += sent;
		n -= (size_t)sent;
	}
	return true;
}

static bool pass_input(int fd, bool hold)
{
	char text[65536];
	ssize_t n = read(STDIN_FILENO, text, sizeof(text));

	if (n <= 0) {
		if (!hold)
			shutdown(fd, SHUT_WR);
		return false;
	}
	return send_whole(fd, text, (size_t)n);
}

int talk(bool hold)
{
	struct pollfd fds[2] = {{.events = POLLIN}, {.fd = STDIN_FILENO, .events = POLLIN}};
	char text[65536];
	ssize_t n;

	fds[0].fd = socket(load.addr.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (connect(fds[0].fd, (struct sockaddr *)&load.addr, load.addr_len) < 0) {
		fprintf(stderr, "load: connect: %s\n", strerror(errno));
		return 1;
	}
	for (;;) {
		if (poll(fds, 2, -1) < 0)
			return 1;
		if (fds[1].fd >= 0 && fds[1].revents != 0 && !pass_input(fds[0].fd, hold))
			fds[1].fd = -1;
		if (fds[0].revents == 0)
			continue;
		n = recv(fds[0].fd, text, sizeof(text), 0);
		if (n < 0)
			fprintf(stderr, "load: %s\n", strerror(errno));
		if (n <= 0)
			return n == 0 ? 0 : 1;
		if (write(STDOUT_FILENO, text, (size_t)n) != n)
			return 1;
	}
}
