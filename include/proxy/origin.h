/* origin: the HTTP/1.1 client's side toward the app: one connection, leased from a peer, carrying one
 * request at a time (RFC 9112). Between requests it lies in the peer's pool, its read watcher armed, and
 * closes itself when the app hangs up. */
#ifndef KP_PROXY_ORIGIN_H
#define KP_PROXY_ORIGIN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "http/message.h"
#include "service/peer.h"

struct origin;
struct origin_user;
struct proxy;
struct service;

enum origin_failure {
	ORIGIN_UNWRITTEN, /* no byte of the request was written: always safe to send again */
	ORIGIN_SILENT,    /* written, but no byte of an answer came */
	ORIGIN_BROKEN,    /* broke off, or talked nonsense, after the first byte of its answer */
	ORIGIN_CUT,       /* drain_timeout was over */
};

/* What the user of an origin is told; embedded in the exchange. */
struct origin_user {
	const struct origin_events *events;
};
struct origin_events {
	/* A head: interim (status 1xx but 101) or final. The head may be changed; it dies with the call.
	   kind and length: how the body that follows is framed. */
	void (*head)(struct origin_user *u, struct head *h, enum body_kind kind, uint64_t length);
	/* Payload; fin: the answer is complete. The user may call origin_release then. */
	void (*body)(struct origin_user *u, struct slice data, bool fin, struct str trailers);
	/* End of what came in one go: send what waits. Not after fin or failed. */
	void (*flush)(struct origin_user *u);
	/* More of the request's body can be taken, or none ever will be: ask origin_wants_body. */
	void (*want)(struct origin_user *u);
	/* The request will get no (whole) answer. The origin is gone already. */
	void (*failed)(struct origin_user *u, enum origin_failure why);
};

struct origin_demand {
	bool fresh; /* not a pooled connection */
	bool idempotent; /* otherwise only a pooled one that was idle for less than 500 ms and is alive just now */
	bool canary; /* to one of the canary's instances, else to a main one */
};
/* A connection to the service's best instance. NULL: nothing can be connected to now. */
struct origin *origin_lease(struct proxy *p, struct service *s, const struct origin_demand *d);

/* Begins a request. head: without X-Kamal-Target and the empty line, which the origin adds. It must stay valid
   until origin_flush. */
void origin_begin(struct origin *o, struct origin_user *u, enum method method, struct str head,
		  enum body_kind kind, uint64_t length);
/* True while a body slice will be taken without piling up. */
bool origin_wants_body(const struct origin *o);
/* It will never take anything more (it may still answer). */
bool origin_is_deaf(const struct origin *o);
/* Sends request payload (all of it is taken). A failure is told later through `failed`, never from within:
   the app's answer may already be there to be read. */
void origin_body(struct origin *o, struct slice data, bool fin, struct str trailers);
void origin_flush(struct origin *o);

/* Back-pressure from the client. */
void origin_pause(struct origin *o);
void origin_resume(struct origin *o);
/* From now on it is a tunnel: counted apart, raw both ways if the head was a 101. */
void origin_tunnel(struct origin *o);

/* The user is done with it: into the pool if both messages are complete and the connection may be used again,
   else closed. No event comes after. */
void origin_release(struct origin *o);

struct peer *origin_peer(const struct origin *o);

#endif
