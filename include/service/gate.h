/* gate: where a service's requests wait: now for a live socket, later also for the end of a
 * pause. The waiter is embedded in the exchange, so that holding a request allocates nothing.
 * Order is kept: what comes while others wait goes behind them. */
#ifndef KP_SERVICE_GATE_H
#define KP_SERVICE_GATE_H

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "base/timer.h"

struct waiter;
struct waiter_ops {
	/* Try again now. True: it no longer waits (sent, or answered). False: nothing has
	   changed for it; it stays at its place. While this runs it still waits; returning true
	   (or service_unwait within) takes it out of the queue, and what is freed within must
	   have been taken out, as anywhere. */
	bool (*retry)(struct waiter *w);
	/* Its time is over; it no longer waits. */
	void (*expired)(struct waiter *w);
};

struct waiter {
	struct list node;
	struct deadline deadline;
	const struct waiter_ops *ops;
	struct gate *gate; /* NULL while it does not wait */
};

struct gate {
	struct list queue;
	struct waiter *retrying; /* whose retry() is running */
	void (*left)(
		struct gate *g); /* one stopped waiting, for whatever reason; before its callback */
	bool releasing;
};

void waiter_init(struct waiter *w, const struct waiter_ops *ops);
static inline bool waiter_waits(const struct waiter *w)
{
	return w->gate != NULL;
}

/* For the owner, the service, which also takes and gives back the places over all workers. */
void gate_init(struct gate *g);
/* Behind the others, for at most ms (at least 1). timers NULL: for ever. */
void gate_push(struct gate *g, struct waiter *w, struct timers *timers, uint64_t ms);
/* Out of the queue, wherever in it; nothing when it does not wait. */
void gate_leave(struct waiter *w);
/* Tries the waiting ones in order until one stays where it is. */
void gate_release(struct gate *g);

static inline bool gate_has_queue(const struct gate *g)
{
	return !list_empty(&g->queue);
}

/* May a request pass? Nobody waits, or it is the first of the queue, whose turn has come. */
static inline bool gate_is_open(const struct gate *g)
{
	return !gate_has_queue(g) || g->retrying != NULL;
}

#endif
