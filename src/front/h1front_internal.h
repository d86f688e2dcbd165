/* h1front, seen from inside its two files: h1front.c (what the client sends) and h1answer.c (what it gets). */
#ifndef KP_FRONT_H1FRONT_INTERNAL_H
#define KP_FRONT_H1FRONT_INTERNAL_H

#include "base/timer.h"
#include "front/h1front.h"
#include "http/h1.h"
#include "net/conn.h"
#include "proxy/exchange.h"
#include "proxy/h1send.h"
#include "proxy/proxy.h"

#define H1FRONT_HEAD_SPARE 4096 /* a read for a head brings this much more than the longest one */

enum h1_phase {
	H1_PHASE_HEAD,    /* between requests, or in a head */
	H1_PHASE_REQUEST, /* an exchange is under way */
	H1_PHASE_SKIP,    /* answered before its body was read: the rest is thrown away */
	H1_PHASE_LINGER, /* the last answer is sent; what still comes is thrown away, then closed */
};

struct h1front {
	struct list node; /* in proxy->fronts */
	struct front front;
	struct conn conn;
	struct proxy *proxy;
	struct exchange *exchange; /* in H1_PHASE_REQUEST */
	struct h1_body in;
	struct h1send out;
	struct deadline deadline;
	uint64_t sent_mark; /* conn.sent when the deadline was set: has a slow client moved? */
	size_t seen;        /* bytes of a partial head that were parsed already */
	size_t in_hand;     /* bytes behind the head that are here already */
	enum h1_phase phase;
	int minor;
	bool keep; /* another request may follow */
	bool asked_to_close;
	bool used; /* has carried a request */
};

extern const struct front_ops h1front_ops;

/* The deadline for what is being waited for just now. */
void h1front_set_deadline(struct h1front *f);
/* Closes in the middle of an answer, so that the client notices: a missing end shows by itself, except where
   the end of the connection is the end. */
void h1front_break_off(struct h1front *f);
/* After the last answer: half-close, and close once the client has too. */
void h1front_linger(struct h1front *f);

#endif
