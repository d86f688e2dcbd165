/* gate: the queue of waiting requests of one service, and its release in order. */
#include "service/gate.h"

#include "base/mem.h"

static struct waiter *waiter_of(struct list *node)
{
	return node == NULL ? NULL : container_of(node, struct waiter, node);
}

void gate_init(struct gate *g)
{
	*g = (struct gate){.left = NULL};
	list_init(&g->released);
	list_init(&g->queue);
}

void waiter_init(struct waiter *w, const struct waiter_ops *ops)
{
	*w = (struct waiter){.ops = ops};
	list_init(&w->node);
}

void gate_push(struct gate *g, struct waiter *w, uint64_t now)
{
	w->gate = g;
	w->since = now;
	list_push_back(w->released ? &g->released : &g->queue, &w->node);
}

void gate_leave(struct waiter *w)
{
	struct gate *g = w->gate;

	if (g == NULL)
		return;
	if (g->retrying == w)
		g->retrying = NULL;
	list_remove(&w->node);
	w->gate = NULL;
	if (g->left != NULL)
		g->left(g);
}

struct waiter *gate_first(struct gate *g, bool released)
{
	return waiter_of(list_first(released ? &g->released : &g->queue));
}

static struct waiter *next_to_try(struct gate *g, bool all)
{
	struct waiter *w = gate_first(g, true);

	return w == NULL && all ? gate_first(g, false) : w;
}

bool gate_release(struct gate *g, bool all, size_t most)
{
	struct waiter *w = NULL;
	bool go = !g->releasing;

	if (!go)
		return false;
	g->releasing = true;
	for (size_t i = 0; go && (w = next_to_try(g, all)) != NULL && i < most; i++) {
		g->retrying = w;
		go = w->ops->retry(w);
		/* Unless it has left by itself it is alive: who frees a waiter takes it out
		   first. */
		if (go && g->retrying == w)
			gate_leave(w);
		g->retrying = NULL;
	}
	g->releasing = false;
	return go && w != NULL;
}

void gate_catch(struct gate *g, uint64_t now)
{
	list_for_each (node, &g->queue)
		waiter_of(node)->since = now;
}

size_t gate_free(struct gate *g, uint64_t now)
{
	struct list *node;
	size_t n = 0;

	for (; (node = list_pop_front(&g->queue)) != NULL; n++) {
		waiter_of(node)->released = true;
		waiter_of(node)->since = now;
		list_push_back(&g->released, node);
	}
	return n;
}

void gate_end(struct waiter *w, enum wait_end why)
{
	gate_leave(w);
	w->ops->expired(w, why);
}
