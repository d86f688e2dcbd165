/* peer: one generation of an instance's socket: an inode, the connections to it, what is in
 * flight.
 *
 * From its first connection on it pins the socket by an O_PATH descriptor: the inode number
 * cannot recur while it is held, and connecting to /proc/self/fd/N reaches that very listener
 * even after its name has gone to another. A replaced peer takes nothing new, closes its idle
 * connections, and frees itself when the last lease ends. Idle peers hold no descriptor. */
#ifndef KP_SERVICE_PEER_H
#define KP_SERVICE_PEER_H

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "base/timer.h"
#include "files/scoreboard.h"
#include "files/tree.h"

struct peer;

enum lease_state {
	LEASE_NONE,   /* belongs to no peer */
	LEASE_IDLE,   /* a pooled connection */
	LEASE_BUSY,   /* carries a request: counted in in_flight, or draining once replaced */
	LEASE_TUNNEL, /* upgraded, or text/event-stream: counted in tunnels only */
};

struct lease;
struct lease_ops {
	/* Close this idle connection (it has been taken off the peer already: LEASE_NONE). */
	void (*close_idle)(struct lease *l);
	/* drain_timeout is over: end it now. The callee calls lease_end. */
	void (*cut)(struct lease *l);
};

/* A connection's tie to its peer; embedded in what owns the connection. */
struct lease {
	struct list node;
	struct peer *peer;
	const struct lease_ops *ops;
	ev_tstamp since; /* loop time of the last change of state */
	enum lease_state state;
};

enum peer_connect {
	PEER_CONNECTED,
	PEER_NOT_LISTENING, /* refused, gone: marked, and tried again after a back-off */
	PEER_BACKLOG_FULL,  /* EAGAIN: likewise, with a shorter back-off */
	PEER_NO_PERMISSION, /* EACCES: likewise; logged with the command that mends it */
	PEER_NO_RESOURCES,  /* EMFILE and the like: ours, not the app's */
};

/* A fresh connection: *fd is connected on PEER_CONNECTED. Any other result makes service_pick
   pass this peer over until its back-off is over (or the tree has seen a change). */
enum peer_connect peer_connect(struct peer *p, int *fd);

/* The most recently used idle connection that was idle for less than max_idle_ms (0: any age), or
   NULL. It is LEASE_BUSY then. */
struct lease *peer_take_idle(struct peer *p, uint64_t max_idle_ms);

void lease_init(struct lease *l, const struct lease_ops *ops);
/* A fresh connection begins to carry a request. */
void lease_begin(struct lease *l, struct peer *p);
void lease_to_tunnel(struct lease *l);
/* Request done, connection reusable: back to the pool. False (and LEASE_NONE) when the peer was
   replaced or its pool is full: close it. */
bool lease_park(struct lease *l);
/* Done with, in whatever state; LEASE_NONE after. May free the peer. */
void lease_end(struct lease *l);

const char *peer_name(const struct peer *p); /* "app.sock" */
bool peer_is_current(const struct peer *p);  /* not replaced */

/* ---- for the service they belong to ---- */

struct peer_home;
struct peer_home_ops {
	/* A peer's state has changed (enum board_peer_state). */
	void (*changed)(struct peer_home *h);
	/* A connect was refused: is the name still the same socket? Must not look at once, as
	   its caller still uses the peer. */
	void (*refused)(struct peer_home *h);
	/* A connection went back to the pool while requests are wanting one. */
	void (*parked)(struct peer_home *h);
	/* draining or tunnels has reached 0; or in_flight while `closed`. */
	void (*emptied)(struct peer_home *h);
	/* The last reference is gone. */
	void (*unused)(struct peer_home *h);
};

/* What peers share; embedded in the service. Peers hold a reference each. */
struct peer_home {
	const struct peer_home_ops *ops;
	struct ev_loop *loop; /* NULL: nobody connects */
	struct timers *timers;
	struct board_service *board;
	const char *name; /* of the service */
	const char *dir;  /* its directory; NULL when it is gone */
	uint64_t drain_ms, max_idle;
	struct list current, replaced; /* of peers; current: the next in turn first */
	uint32_t in_flight, draining, tunnels;
	uint32_t refs;
	bool wanting; /* requests wait: parked() is to be told */
	bool closed;  /* paused or stopped: somebody waits for in_flight to reach 0 */
};

void peer_home_hold(struct peer_home *h);
void peer_home_drop(struct peer_home *h);

#define PEER_NO_SLOT BOARD_PEERS

/* A new current peer that is in no slot yet. */
struct peer *peer_new(struct peer_home *h, const struct file_id *id);
struct peer *peer_of(struct list *node);
bool peer_is(const struct peer *p, const struct file_id *id);
/* Its name now, whom it is for, and its index in the scoreboard; a replaced one is current again.
   True: something differs. */
bool peer_place(struct peer *p, const struct tree_socket *socket, uint32_t slot);
/* Takes its slot away. */
void peer_unplace(struct peer *p);
/* Gives a replaced one that still has requests a slot behind the current ones. False: it has none. */
bool peer_list_drain(struct peer *p, uint32_t slot);
/* Its idle connections are closed; what is in flight drains. Frees it when there is nothing. */
void peer_replace(struct peer *p);
/* Cuts the requests (not the tunnels) that have been in flight for at least ms. May free it. False:
   others are in flight. */
bool peer_cut(struct peer *p, uint64_t ms);
void peer_tell(const struct peer *p, struct board_peer *entry);
uint32_t peer_slot(const struct peer *p);
uint32_t peer_in_flight(const struct peer *p);
enum tree_group peer_group(const struct peer *p);
/* The last in turn, as it has just been picked. */
void peer_to_back(struct peer *p);

/* Microseconds of a clock that nobody sets, for back-offs. */
uint64_t peer_clock(void);
/* When it may be connected to again; 0: now. */
uint64_t peer_try_at(const struct peer *p);
/* It may be tried now; all_forgotten: and the next back-off is a first one. */
void peer_try_now(struct peer *p, bool all_forgotten);
/* It must not be tried yet, or its last connect was refused. */
bool peer_is_doubtful(const struct peer *p);
bool peer_refused_lately(const struct peer *p, uint64_t now);
/* Did it listen when it was last tried, even if it (or we) could take no more just then? */
bool peer_listens(const struct peer *p);

#endif
