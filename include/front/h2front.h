/* h2front: a client's HTTP/2 connection (RFC 9113), over TLS (ALPN h2) or in the clear by prior knowledge. Each of
 * its streams is an exchange with a front of its own. What all streams of a connection have to say in one turn of
 * the loop leaves in one send. The sole user of nghttp2. */
#ifndef KP_FRONT_H2FRONT_H
#define KP_FRONT_H2FRONT_H

#include <stdbool.h>

#include "base/buf.h"
#include "net/conn.h"
#include "proxy/exchange.h"

struct proxy;

/* Do these first bytes of a connection ask for HTTP/2 by prior knowledge? To be asked when they are no request of
   HTTP/1: all that tells has come by then. */
bool h2front_is_preface(struct str in);

/* Takes a connection over from its owner, who is told closed(). client: the address and what else the exchanges
   shall know of it. first: what of it was read already; it lies in the conn's read buffer. */
void h2front_take(struct proxy *p, struct conn *from, const struct front *client,
		  struct slice first);

/* Tells all clients to go: no new stream, those that are open are finished, then each connection is closed. With
   proxy->retiring set; connections that come later are told by themselves. */
void h2front_retire(struct proxy *p);
/* Closes all, whatever they carry, and frees what they share. */
void h2front_close_all(struct proxy *p);

#endif
