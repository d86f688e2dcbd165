/* sock: every socket option and address format of the program, once. */
#ifndef KP_NET_SOCK_H
#define KP_NET_SOCK_H

#include <stdbool.h>
#include <sys/socket.h>

#include "base/str.h"

#define SOCK_ADDR_TEXT 64 /* "ffff:…%scope" with its NUL */

struct sock_addr {
	struct sockaddr_storage ss;
	socklen_t len;
};

/* "1.2.3.4", "::1" or "[::1]" and a port. False when it is no numeric address. */
bool sock_addr_parse(const char *ip, unsigned port, struct sock_addr *out);
/* The numeric host without brackets (an IPv4-mapped one as IPv4; "" for a Unix socket) and the port. */
void sock_addr_text(const struct sockaddr_storage *ss, char host[SOCK_ADDR_TEXT], unsigned *port);

/* A listening TCP socket: non-blocking, CLOEXEC, SO_REUSEADDR, TCP_NODELAY (inherited by what is
   accepted), IPV6_V6ONLY as asked. −1 with errno. `probe`: bind only, without SO_REUSEPORT, to learn
   whether somebody else has the port; otherwise SO_REUSEPORT is set. */
int sock_listen(const struct sock_addr *addr, bool v6only, bool probe);

/* A listening Unix socket at `path`, which must be free; everybody may connect. −1 with errno. */
int sock_listen_unix(const char *path);

/* A non-blocking Unix stream socket connected to `path`; −1 with errno (EAGAIN: backlog full). */
int sock_connect_unix(const char *path);
/* The same to what an O_PATH descriptor pins, through /proc/self/fd. */
int sock_connect_pinned(int path_fd);

int sock_accept(int listener, struct sockaddr_storage *from); /* non-blocking, CLOEXEC */
bool sock_set_cloexec(int fd, bool on);
/* The next close of it resets the connection: for an answer that must not look complete. */
void sock_reset_on_close(int fd);
/* Has the other side closed, or said that it sends no more? Whatever is still to be read. */
bool sock_is_hung_up(int fd);

#endif
