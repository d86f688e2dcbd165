/* exchange, seen from inside its files: exchange.c (life, request, log), exchange_page.c (what the proxy answers
   itself), exchange_client.c (what TLS asks of it) and dispatch.c (origin, retries, waiting). */
#ifndef KP_PROXY_EXCHANGE_INTERNAL_H
#define KP_PROXY_EXCHANGE_INTERNAL_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/list.h"
#include "base/timer.h"
#include "proxy/accesslog.h"
#include "proxy/exchange.h"
#include "proxy/origin.h"
#include "service/gate.h"
#include "service/service.h"

enum half {
	HALF_IDLE, /* nothing of it has passed yet */
	HALF_OPEN,
	HALF_DONE,
};

struct exchange {
	struct list free_node;
	struct proxy *proxy;
	struct front *front;
	struct service *service; /* held; NULL until routed */
	struct origin *origin;   /* NULL while waiting */
	struct origin_user user;
	struct waiter waiter;
	struct deadline deadline; /* target_timeout */
	enum half request, answer;

	/* toward the app */
	struct str head; /* without X-Kamal-Target, in the arena */
	enum method method;
	enum body_kind kind;
	uint64_t length;
	struct buf replay;   /* request payload taken so far, while it may have to be sent again */
	struct str trailers; /* of a complete chunked request, in the arena */
	bool replayable;     /* replay holds all that was taken */
	bool fresh;          /* no pooled connection any more: one has just failed */
	uint64_t inode;      /* of the socket it was sent to last */
	uint64_t avoid;      /* inode of a socket that has had its chance; 0: none */
	unsigned resent;     /* attempts after bytes had been written */
	unsigned unwritten;  /* attempts that failed before */
	bool wants_upgrade, upgraded, tunnel;
	bool expects;        /* the client waits for a 100 with its body */
	bool canary;         /* goes to the canary, if that can take it */
	bool secure;         /* the host has TLS, however this request came */
	struct str location; /* of a redirect, in the arena */
	struct str hsts;     /* for the answer; in the arena */

	/* for the log line */
	uint64_t started_ns; /* monotonic */
	struct logged_request log;
	struct str target;
	struct arena arena;
};

/* dispatch.c: sends it to an instance or lets it wait; may end the exchange. */
void exchange_dispatch(struct exchange *x);
void exchange_dispatch_init(struct exchange *x);
/* Sets or clears target_timeout: whose turn is it? */
void exchange_watch_app(struct exchange *x);

/* exchange_client.c: the status that answers a request which must not come this way (301, 421, 503); 0: it may.
   prefix: the length of the path prefix that matched. */
int exchange_judge_tls(struct exchange *x, const struct head *h, size_t prefix);
void exchange_add_tls_fields(const struct exchange *x, struct head *h);
/* Are the client's forwarding fields believed? */
bool exchange_trusts(const struct exchange *x);

/* exchange_page.c: a health check of a service that is paused or stopped is answered by its proxy. True: it has been,
   and x is gone. path: as the app would see it. */
bool exchange_answer_health(struct exchange *x, struct str path);

/* exchange.c */
void exchange_end(struct exchange *x, bool whole);
void exchange_log_fields(struct exchange *x, const struct head *h, bool answer);

#endif
