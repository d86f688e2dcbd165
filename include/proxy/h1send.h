/* h1send: writes one HTTP/1 message to a connection, so that its head and the first of its body leave in
 * one send: the head waits (in the caller's memory) until a body slice comes, whose room it is put into. */
#ifndef KP_PROXY_H1SEND_H
#define KP_PROXY_H1SEND_H

#include "base/buf.h"
#include "http/message.h"
#include "net/conn.h"

struct h1send {
	struct conn *conn;
	struct str head; /* not sent yet; empty when it is */
	enum body_kind kind;
	uint64_t left; /* with BODY_LENGTH: bytes still to come */
	bool ended;
};

/* head must stay valid until the next h1send_body or h1send_flush. BODY_CLOSE: raw, the end is a
   half-close. */
void h1send_begin(struct h1send *s, struct conn *c, struct str head, enum body_kind kind,
		  uint64_t length);
/* Sends payload; `fin`: it is the last, trailers ("Name: value\r\n"…) follow if chunked. May write into the
   slice's room. 0, or −1 with errno when the connection takes no more. */
int h1send_body(struct h1send *s, struct slice data, bool fin, struct str trailers);
/* Sends a head that is still waiting. */
int h1send_flush(struct h1send *s);
/* Is the message whole on the wire (or kept in the conn)? */
static inline bool h1send_ended(const struct h1send *s)
{
	return s->ended;
}

#endif
