/* gate: the queue of waiting requests of one service, and its release in order. */
#include "service/gate.h"

#include "base/mem.h"

void gate_init(struct gate *g)
{
	*g = (struct gate){.left = NULL};
	list_init(&g->queue);
}

static void on_expired(struct deadline *d)
{
	struct waiter *w = container_of(d, struct waiter, deadline);

	gate_leave(w);
	w->ops->expired(w);
}

void waiter_init(struct waiter *w, const struct waiter_ops *ops)
{
	list_init(&w->node);
	deadline_init(&w->deadline, on_expired);
	w->ops = ops;
	w->gate = NULL;
}

void gate_push(struct gate *g, struct waiter *w, struct timers *timers, uint64_t ms)
{
	w->gate = g;
	list_push_back(&g->queue, &w->node);
	if (timers != NULL)
		deadline_set(timers, &w->deadline, ms == 0 ? 1 : ms);
}

void gate_leave(struct waiter *w)
{
	struct gate *g = w->gate;

	if (g == NULL)
		return;
	if (g->retrying == w)
		g->retrying = NULL;
	list_remove(&w->node);
	deadline_clear(&w->deadline);
	w->gate = NULL;
	if (g->left != NULL)
		g->left(g);
}

void gate_release(struct gate *g)
{
	bool go = !g->releasing;

	if (!go)
		return;
	g->releasing = true;
	while (go && gate_has_queue(g)) {
		struct waiter *w = container_of(list_first(&g->queue), struct waiter, node);
		g->retrying = w;
		go = w->ops->retry(w);
		/* Unless it has left by itself it is alive: who frees a waiter takes it out
		   first. */
		if (go && g->retrying == w)
			gate_leave(w);
		g->retrying = NULL;
	}
	g->releasing = false;
}
