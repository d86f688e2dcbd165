/* gate: where a service's requests wait: for a live socket, or for the end of a pause. The waiter
 * is embedded in the exchange, so that holding a request allocates nothing.
 *
 * Order is kept: what comes while others wait goes behind them. When a pause ends its requests are
 * released: they go before all others, and no later pause catches them. Since each half of the
 * queue waits equally long from its `since`, the first is always the one whose time is over first:
 * the owner needs one timer for all. */
#ifndef KP_SERVICE_GATE_H
#define KP_SERVICE_GATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"

enum wait_end {
	WAIT_NO_SOCKET, /* nothing took it in its time */
	WAIT_HELD,      /* the pause lasts longer than it may be held */
	WAIT_STOPPED,   /* the service has been stopped */
	WAIT_GIVEN_UP,  /* the worker ends */
};

struct waiter;
struct waiter_ops {
	/* Try again now. True: it no longer waits (sent, or answered). False: nothing has
	   changed for it; it stays at its place. While this runs it still waits; returning true
	   (or service_unwait within) takes it out of the queue, and what is freed within must
	   have been taken out, as anywhere. */
	bool (*retry)(struct waiter *w);
	/* Its time is over; it no longer waits. */
	void (*expired)(struct waiter *w, enum wait_end why);
};

struct waiter {
	struct list node;
	const struct waiter_ops *ops;
	struct gate *gate; /* NULL while it does not wait */
	uint64_t since;    /* ms of the owner's clock, when its time began to run */
	bool released;     /* by the end of a pause */
};

struct gate {
	struct list released; /* they go first */
	struct list queue;
	struct waiter *retrying; /* whose retry() is running */
	/* One stopped waiting, for whatever reason; before its callback. */
	void (*left)(struct gate *g);
	bool releasing;
};

void waiter_init(struct waiter *w, const struct waiter_ops *ops);
static inline bool waiter_waits(const struct waiter *w)
{
	return w->gate != NULL;
}

/* For the owner, the service, which also takes and gives back the places over all workers. */
void gate_init(struct gate *g);
/* Behind the others of its kind. */
void gate_push(struct gate *g, struct waiter *w, uint64_t now);
/* Out of the queue, wherever in it; nothing when it does not wait. */
void gate_leave(struct waiter *w);
/* Tries the waiting ones in order, released only or all, until one stays where it is, at most
   `most` of them. True: that many were tried, and there are more. */
bool gate_release(struct gate *g, bool all, size_t most);
/* A pause begins: from now on runs the time of what waits and was not released. */
void gate_catch(struct gate *g, uint64_t now);
/* A pause is over: all that waits is released. Returns how many have become so. */
size_t gate_free(struct gate *g, uint64_t now);
/* Ends the wait of this one. */
void gate_end(struct waiter *w, enum wait_end why);

/* The one that has waited longest, of the released or of the others; NULL: none. */
struct waiter *gate_first(struct gate *g, bool released);

static inline bool gate_has_released(const struct gate *g)
{
	return !list_empty(&g->released);
}

static inline bool gate_has_queue(const struct gate *g)
{
	return !list_empty(&g->queue) || gate_has_released(g);
}

#endif
