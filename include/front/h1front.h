/* h1front: a client's HTTP/1.1 (or 1.0) connection: keep-alive, pipelining, framing toward the client, all
 * time-outs of the client's side (RFC 9112). */
#ifndef KP_FRONT_H1FRONT_H
#define KP_FRONT_H1FRONT_H

#include <sys/socket.h>

#include "base/buf.h"

struct conn;
struct front;
struct proxy;

/* Takes a just accepted connection over. */
void h1front_accept(struct proxy *p, int fd, const struct sockaddr_storage *from,
		    unsigned server_port);
/* Takes a connection over from another front, within its conn's data(), with the bytes that it was lent. */
void h1front_take(struct proxy *p, struct conn *conn, const struct front *front, struct slice in);
/* Closes connections that carry no request; the others go when theirs is done. With proxy->retiring set. */
void h1front_close_idle(struct proxy *p);
/* Closes all, whatever they carry. */
void h1front_close_all(struct proxy *p);

#endif
