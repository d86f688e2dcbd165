/* exchange: one request and its answer, from the head to the log line, whatever protocol the client speaks.
 *
 * Calls go down (exchange_*), answers come up (front_ops). Two half-states, request and answer, each open or
 * done; an upgraded exchange is one whose both bodies are raw. It ends itself, by front_ops.done, when the
 * answer is complete or has failed; exchange_abort ends it from the client's side. */
#ifndef KP_PROXY_EXCHANGE_H
#define KP_PROXY_EXCHANGE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"
#include "http/message.h"
#include "net/sock.h"

struct exchange;
struct front;
struct proxy;
struct tls_cert;

/* What the client's side must do. exchange_start, exchange_refuse and exchange_body may call `done` before they
   return; the others come from the app's side. */
struct front_ops {
	/* An interim answer (100, 103). */
	void (*interim)(struct front *f, const struct head *h);
	/* The final head (its hop-by-hop fields are gone) and how its body will come; 101 with BODY_CLOSE: raw
	   both ways from here on. */
	void (*head)(struct front *f, const struct head *h, enum body_kind kind, uint64_t length);
	/* Payload; fin: the last. May write into the slice's room. */
	void (*body)(struct front *f, struct slice data, bool fin, struct str trailers);
	/* Send what waits: nothing more comes just now. */
	void (*flush)(struct front *f);
	/* exchange_wants_body has become true. */
	void (*want)(struct front *f);
	/* Does the client lag behind? Then nothing more is read for it until exchange_resume. */
	bool (*is_full)(const struct front *f);
	/* Takes back a head of which nothing was sent yet: the app broke its word right behind it. False when it
	   is too late. */
	bool (*take_back)(struct front *f);
	/* The exchange is over and freed. whole: the answer was sent in full; otherwise it must be broken off so
	   that the client notices. */
	void (*done)(struct front *f, bool whole);
};

/* The client's connection as the exchange sees it; embedded in the front. */
struct front {
	const struct front_ops *ops;
	char client_ip[SOCK_ADDR_TEXT];
	unsigned client_port, server_port;
	bool trusted; /* in trusted_proxies */
	const struct tls_cert
		*cert; /* what the handshake chose; NULL: no TLS. Lives as long as the connection */
	bool h2;       /* the client speaks HTTP/2: the log says so */
};

/* Fills in who the client is. */
void front_init(struct front *f, const struct proxy *p, const struct sockaddr_storage *from,
		unsigned server_port);

struct exchange *exchange_new(struct proxy *p, struct front *f);

/* Routes the request and sends it on its way. h was parsed from raw; both may be gone after the call. The
   head waits for body bytes until exchange_flush. May end the exchange (front_ops.done). */
void exchange_start(struct exchange *x, struct head *h, struct str raw);
/* A request that cannot be served: answers with the page for `status`, or breaks the answer off if it has begun. */
void exchange_refuse(struct exchange *x, int status);

/* Does it wait, for the end of a pause or for a socket? Then nothing of its request is taken, and its
   client is late with nothing. */
bool exchange_is_held(const struct exchange *x);
/* True while request payload will be taken. */
bool exchange_wants_body(const struct exchange *x);
/* All of it is taken; fin: the request is complete. */
void exchange_body(struct exchange *x, struct slice data, bool fin, struct str trailers);
void exchange_flush(struct exchange *x);

/* The client has taken everything sent so far. */
void exchange_resume(struct exchange *x);
/* The client is gone: cut the app's request, log 499. No front op is called. */
void exchange_abort(struct exchange *x);

/* Frees what exchange_new keeps for reuse. */
void exchange_free_all(struct proxy *p);

#endif
