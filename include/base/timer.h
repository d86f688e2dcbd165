/* timer: coarse deadlines over one libev timer a loop.
 *
 * Deadlines of one duration expire in the order they were set, so each duration has a plain list and
 * setting one is a move to the list's end: no heap, no syscall. They fire up to TIMER_SLACK late,
 * never early. For a few exact milliseconds (back-off) use ev_timer itself. */
#ifndef KP_BASE_TIMER_H
#define KP_BASE_TIMER_H

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"

#define TIMER_SLACK_MS 50

struct deadline;
typedef void deadline_cb(struct deadline *d);

/* Embedded in its owner; deadline_init once, deadline_clear before the owner goes. */
struct deadline {
	struct list node;
	ev_tstamp at; /* private: the loop's monotonic time, seconds */
	deadline_cb *cb;
};

struct timers;
struct timers *timers_new(struct ev_loop *loop);
void timers_free(struct timers *t);

void deadline_init(struct deadline *d, deadline_cb *cb);
/* (Re)sets it to fire `ms` after the loop's now; 0 clears it (no time-out). */
void deadline_set(struct timers *t, struct deadline *d, uint64_t ms);
void deadline_clear(struct deadline *d);
static inline bool deadline_is_set(const struct deadline *d)
{
	return !list_empty(&d->node);
}

#endif
