/* service: one service in one process: its settings in force, its peers now and those still
 * draining, its gate, its line in the scoreboard. The seam between the file system's view and
 * the requests. The master has services too (without traffic), to know names, settings and
 * conflicts. */
#ifndef KP_SERVICE_SERVICE_H
#define KP_SERVICE_SERVICE_H

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "base/timer.h"
#include "files/scoreboard.h"
#include "files/settings.h"
#include "files/tree.h"
#include "service/cert.h"
#include "service/gate.h"
#include "service/peer.h"

struct routes;
struct service;

/* What all services of a process share; filled in by the process and constant. */
struct service_env {
	struct ev_loop *loop;
	struct timers *timers;
	const struct settings *settings; /* .service: defaults; .proxy: max_idle_upstream */
	struct board *board;             /* NULL in commands */
	struct board_region *region;     /* this worker's; NULL elsewhere: nothing is accounted */
	struct tls *tls; /* NULL: nobody shakes hands here, certificates are not read */
	/* Something the master should publish at once has changed (NULL in commands). */
	void (*news)(void *user, const char *service);
	/* A socket refused: look at the directory again (worker only; else NULL). */
	void (*look)(void *user, struct site *site);
	void *user;
};

/* References: registry and each exchange hold one. A service that was removed lives on, taking no
   new requests, until its last exchange is done. */
void service_hold(struct service *s);
void service_drop(struct service *s);

const char *service_name(const struct service *s);
/* Read what you need at once: a change of service.ini frees the old ones. Never NULL for a
 * routed one. */
const struct service_settings *service_settings(const struct service *s);
/* The counters to raise; never NULL (a scratch one where nothing is accounted). */
struct board_service *service_board(struct service *s);

/* Has it https for its hosts? */
bool service_has_tls(const struct service *s);
/* Its certificate for a handshake, as cert_get; and whether that is a real one. */
struct tls_cert *service_certificate(struct service *s);
bool service_has_certificate(struct service *s);

/* What the files `pause` and `stop` say to a request that has just come. */
enum service_door { DOOR_OPEN, DOOR_PAUSED, DOOR_STOPPED };
enum service_door service_door(const struct service *s);
/* The maintenance message of `stop`; "" when it says nothing. */
struct str service_stop_message(const struct service *s);
/* The content of errors/<status>.html, or of length 0: there is none. Valid within the callback. */
struct str service_error_page(struct service *s, int status);

/* May a request pass the gate at once? False while it is paused or others wait. */
bool service_is_open(const struct service *s);
/* Does rollout.ini say that who bears this value in the cookie kamal-rollout meets the canary? */
bool service_has_rollout(const struct service *s);
bool service_in_rollout(const struct service *s, struct str value);
/* The peer for the next request: least in flight among those that may be tried now, ties in
   turn; of the canary's only for canary. NULL: none now (no socket, refused lately, backlog full). */
struct peer *service_pick(struct service *s, bool canary);
/* Waits behind the others: for the end of the pause, at most as long as that holds a request, or for
   a live socket, at most socket_timeout (target_timeout, if longer, while one listens but is busy). False: max_held are waiting over all workers; answer 503. */
bool service_wait(struct service *s, struct waiter *w);
/* The worker ends: what is still held is given up (waiter_ops.expired). True: something was. */
bool service_give_up(struct service *s);
/* The client has left, or it was answered otherwise, or it has become a tunnel: no pause needs to wait
   for it any more. */
void service_unwait(struct service *s, struct waiter *w);
/* Was the service removed? Then what waits is answered 503. */
bool service_is_removed(const struct service *s);

/* What the master publishes of its own view. */
struct service_view {
	enum { VIEW_OK, VIEW_CONFLICT, VIEW_INVALID } kind;
	const char *error; /* NULL: none; also with VIEW_OK (an older state is still in force) */
	uint64_t stamp;    /* of the settings in force, as board_service.ini_stamp; 0: none */
	const struct cert *cert;
	const struct site *site;
};
/* v->error lives until the next change of, or view at, this service. */
void service_view(const struct service *s, struct service_view *v);

/* ---- for the registry ---- */

/* What the services of a registry share. */
struct service_book {
	const struct service_env *env;
	struct routes *routes;
	struct list touched; /* services whose conflicts may have begun or ended */
	struct list removed; /* services that live on for their last requests */
	struct list secure;  /* services with TLS */
	struct cert_book certs;
	bool closing; /* no news any more */
};

void service_book_init(struct service_book *b, const struct service_env *env);
void service_book_fini(struct service_book *b);

/* The caller's reference. One of that name that was removed but is still draining comes back. */
struct service *service_new(struct service_book *b, struct site *site);
/* Takes in what the tree has seen (an or of tree_change): settings and claims, peers,
   scoreboard, news; what waits is tried again. elder: whom to ask for the last good settings;
   NULL: nobody. */
void service_update(struct service *s, struct site *site, unsigned what,
		    const struct service *elder);
/* The first by name of those with TLS, one whose certificate is there before others. NULL: none has TLS. */
struct service *service_first_secure(struct service_book *b);
/* Out of the routes; what waits is told; its peers drain. Drops the caller's reference. */
void service_remove(struct service *s);

#endif
