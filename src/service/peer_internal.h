/* peer_internal: the inside of a peer, shared by the files of this room. */
#ifndef KP_SERVICE_PEER_INTERNAL_H
#define KP_SERVICE_PEER_INTERNAL_H

#include "base/mem.h"
#include "base/str.h"
#include "service/peer.h"

#define PEER_IDLE_MS 60000 /* a pooled connection unused for longer is closed */

struct peer {
	struct list node; /* in home's current or replaced */
	struct peer_home *home;
	char *name;
	uint64_t dev, ino;
	struct list idle; /* the most recently used first */
	struct list busy, tunnel;
	uint32_t nidle, nbusy, ntunnel;
	uint32_t holds;           /* it is being worked on: not to be freed */
	struct deadline deadline; /* current: idle ones grow old; replaced: the drain's end */
	ev_tstamp tunnels_since;  /* when closing tunnels began; 0: not yet */
	uint32_t tunnels_then;    /* how many there were */
	uint32_t slot;            /* in the scoreboard, or PEER_NO_SLOT */
	uint32_t backoff_ms;      /* the last one; 0: none since the last success */
	uint64_t try_at;          /* peer_clock; 0: now */
	uint64_t refused_at;      /* peer_clock */
	int pin;                  /* O_PATH, or −1 */
	enum board_peer_state state;
	enum peer_connect failure; /* of the last attempt: what backoff_ms is for */
	enum tree_group group;
	bool current;
};

static inline bool peer_has_leases(const struct peer *p)
{
	return p->nidle + p->nbusy + p->ntunnel != 0;
}

/* Closes the pin if no connection needs it. */
void peer_unpin(struct peer *p);
/* After anything that may have been the last use of it: frees a replaced one without leases. */
void peer_settle(struct peer *p);
ev_tstamp peer_loop_now(const struct peer_home *h);
/* At least 1 ms; nothing where there are no timers. */
void peer_set_deadline(struct peer *p, uint64_t ms);
/* in_flight and draining go to the scoreboard. */
void peer_tell_busy(const struct peer *p);

struct lease *lease_first(struct list *l); /* NULL: none */
void lease_detach(struct lease *l);

#endif
