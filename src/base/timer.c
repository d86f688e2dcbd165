/* timer: a queue a duration, one ev_timer for the earliest of all queue heads. Clearing a deadline
   only takes it off its queue: a timer armed for it fires in vain, and is then set for the next. */
#include "base/timer.h"

#include <stddef.h>
#include <string.h>

#include "base/mem.h"

#define GRID (TIMER_SLACK_MS / 1000.0)
#define EPOCH 1e9 /* seconds the clock timer is set for: it never fires */

struct queue {
	uint64_t ms;
	struct list deadlines; /* in the order they expire */
};

struct timers {
	struct ev_loop *loop;
	ev_timer clock; /* runs for ever; what is left of it tells the loop's monotonic time */
	ev_timer alarm;
	ev_tstamp alarm_at;    /* while it is active */
	struct queue **queues; /* by ms; apart from each other, as deadlines point into them */
	size_t n, cap;
};

/* ev_now is wall time, which somebody may set: every request would time out or none ever. */
static ev_tstamp loop_time(struct timers *t)
{
	return EPOCH - ev_timer_remaining(t->loop, &t->clock);
}

static void arm(struct timers *t, ev_tstamp at, ev_tstamp now)
{
	ev_tstamp rounded = ((double)(uint64_t)(at / GRID) + 1) * GRID;

	ev_timer_stop(t->loop, &t->alarm);
	ev_timer_set(&t->alarm, rounded - now, 0.);
	ev_timer_start(t->loop, &t->alarm);
	t->alarm_at = rounded;
}

static struct deadline *queue_head(struct queue *q)
{
	struct list *first = list_first(&q->deadlines);

	return first == NULL ? NULL : container_of(first, struct deadline, node);
}

static void arm_for_earliest(struct timers *t, ev_tstamp now)
{
	const struct deadline *earliest = NULL;

	for (size_t i = 0; i < t->n; i++) {
		const struct deadline *d = queue_head(t->queues[i]);

		if (d != NULL && (earliest == NULL || d->at < earliest->at))
			earliest = d;
	}
	if (earliest != NULL)
		arm(t, earliest->at, now);
}

static void on_alarm(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct timers *t = container_of(w, struct timers, alarm);
	ev_tstamp now = loop_time(t);

	(void)loop;
	(void)revents;
	/* A callback may add a queue before this one: then the same one is looked at twice. */
	for (size_t i = 0; i < t->n; i++) {
		struct deadline *d;

		while ((d = queue_head(t->queues[i])) != NULL && d->at <= now) {
			list_remove(&d->node);
			d->cb(d);
		}
	}
	arm_for_earliest(t, now);
}

static void on_clock(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop;
	(void)w;
	(void)revents;
}

struct timers *timers_new(struct ev_loop *loop)
{
	struct timers *t = mem_new(struct timers);

	t->loop = loop;
	ev_timer_init(&t->alarm, on_alarm, 0., 0.);
	ev_timer_init(&t->clock, on_clock, EPOCH, 0.);
	ev_timer_start(loop, &t->clock);
	ev_unref(loop); /* the clock alone is no reason to stay in the loop */
	return t;
}

void timers_free(struct timers *t)
{
	if (t == NULL)
		return;
	ev_ref(t->loop);
	ev_timer_stop(t->loop, &t->clock);
	ev_timer_stop(t->loop, &t->alarm);
	for (size_t i = 0; i < t->n; i++) {
		while (list_pop_front(&t->queues[i]->deadlines) != NULL)
			;
		mem_free(t->queues[i]);
	}
	mem_free(t->queues);
	mem_free(t);
}

static struct queue *add_queue(struct timers *t, size_t i, uint64_t ms)
{
	struct queue *q = mem_new(struct queue);

	q->ms = ms;
	list_init(&q->deadlines);
	if (t->n == t->cap) {
		t->cap = t->cap == 0 ? 8 : t->cap * 2;
		t->queues = mem_grow(t->queues, t->cap * sizeof(struct queue *));
	}
	memmove(t->queues + i + 1, t->queues + i, (t->n - i) * sizeof(struct queue *));
	t->queues[i] = q;
	t->n++;
	return q;
}

static struct queue *queue_of(struct timers *t, uint64_t ms)
{
	size_t low = 0, high = t->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (t->queues[mid]->ms < ms)
			low = mid + 1;
		else
			high = mid;
	}
	if (low < t->n && t->queues[low]->ms == ms)
		return t->queues[low];
	return add_queue(t, low, ms);
}

void deadline_init(struct deadline *d, deadline_cb *cb)
{
	list_init(&d->node);
	d->at = 0;
	d->cb = cb;
}

void deadline_set(struct timers *t, struct deadline *d, uint64_t ms)
{
	ev_tstamp now;

	list_remove(&d->node);
	if (ms == 0)
		return;
	now = loop_time(t);
	d->at = now + (ev_tstamp)ms / 1000.;
	list_push_back(&queue_of(t, ms)->deadlines, &d->node);
	if (!ev_is_active(&t->alarm) || d->at + GRID < t->alarm_at)
		arm(t, d->at, now);
}

void deadline_clear(struct deadline *d)
{
	list_remove(&d->node);
}
