/* tlsfront: a client's connection until its TLS handshake is done and its first bytes are there; then the front
 * of the protocol that was agreed on (ALPN) takes it over. */
#ifndef KP_FRONT_TLSFRONT_H
#define KP_FRONT_TLSFRONT_H

#include <sys/socket.h>

struct proxy;

/* Takes a just accepted connection over; proxy->tls must be there. */
void tlsfront_accept(struct proxy *p, int fd, const struct sockaddr_storage *from,
		     unsigned server_port);
/* Closes those whose handshake has not begun, or was not followed by anything. */
void tlsfront_close_idle(struct proxy *p);
/* Closes all that have got no further. */
void tlsfront_close_all(struct proxy *p);

#endif
