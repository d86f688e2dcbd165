/* peer_lease: connections leased from a peer: begun, parked, taken again, ended. Every change is
 * counted at once, in the peer, in its home and in the scoreboard. */
#include "peer_internal.h"

void peer_tell_busy(const struct peer *p)
{
	const struct peer_home *h = p->home;
	struct board_service *b = h->board;

	atomic_store_explicit(&b->in_flight, h->in_flight, memory_order_relaxed);
	atomic_store_explicit(&b->draining, h->draining, memory_order_relaxed);
	if (p->slot != PEER_NO_SLOT)
		__atomic_store_n(&b->peers[p->slot].in_flight, p->nbusy, __ATOMIC_RELAXED);
}

static void busy_more(struct peer *p)
{
	p->nbusy++;
	if (p->current)
		p->home->in_flight++;
	else
		p->home->draining++;
	peer_tell_busy(p);
}

static void busy_less(struct peer *p)
{
	struct peer_home *h = p->home;

	p->nbusy--;
	if (p->current)
		h->in_flight--;
	else
		h->draining--;
	peer_tell_busy(p);
	if (p->current ? h->closed && h->in_flight == 0 : h->draining == 0)
		h->ops->emptied(h);
}

static void tunnels_change(struct peer *p, bool more)
{
	struct peer_home *h = p->home;

	p->ntunnel = more ? p->ntunnel + 1 : p->ntunnel - 1;
	h->tunnels = more ? h->tunnels + 1 : h->tunnels - 1;
	atomic_store_explicit(&h->board->tunnels, h->tunnels, memory_order_relaxed);
	if (h->tunnels == 0)
		h->ops->emptied(h);
}

void lease_init(struct lease *l, const struct lease_ops *ops)
{
	*l = (struct lease){.ops = ops, .state = LEASE_NONE};
	list_init(&l->node);
}

struct lease *lease_first(struct list *l)
{
	struct list *n = list_first(l);

	return n == NULL ? NULL : container_of(n, struct lease, node);
}

static void lease_change(struct lease *l, enum lease_state state, struct list *into)
{
	list_remove(&l->node);
	list_push_front(into, &l->node);
	l->state = state;
	l->since = peer_loop_now(l->peer->home);
}

void lease_detach(struct lease *l)
{
	list_remove(&l->node);
	l->state = LEASE_NONE;
	l->peer = NULL;
}

void lease_begin(struct lease *l, struct peer *p)
{
	l->peer = p;
	lease_change(l, LEASE_BUSY, &p->busy);
	busy_more(p);
	if (!p->current && !deadline_is_set(&p->deadline))
		peer_set_deadline(p, p->home->drain_ms);
}

struct lease *peer_take_idle(struct peer *p, uint64_t max_idle_ms)
{
	struct lease *l = lease_first(&p->idle);
	ev_tstamp age;

	if (l == NULL)
		return NULL;
	/* The loop's time is the wall clock, which may have been set back: then nobody knows the
	   age. */
	age = peer_loop_now(p->home) - l->since;
	if (max_idle_ms != 0 && (age < 0. || age * 1000. >= (ev_tstamp)max_idle_ms))
		return NULL;
	p->nidle--;
	lease_change(l, LEASE_BUSY, &p->busy);
	busy_more(p);
	return l;
}

void lease_to_tunnel(struct lease *l)
{
	struct peer *p = l->peer;

	lease_change(l, LEASE_TUNNEL, &p->tunnel);
	tunnels_change(p, true);
	busy_less(p);
}

bool lease_park(struct lease *l)
{
	struct peer *p = l->peer;
	bool was_tunnel = l->state == LEASE_TUNNEL; /* an event stream that has ended */

	if (!p->current || p->nidle >= p->home->max_idle) {
		lease_end(l);
		return false;
	}
	lease_change(l, LEASE_IDLE, &p->idle);
	p->nidle++;
	if (was_tunnel)
		tunnels_change(p, false);
	else
		busy_less(p);
	if (!deadline_is_set(&p->deadline))
		peer_set_deadline(p, PEER_IDLE_MS);
	if (p->home->wanting) {
		peer_try_now(p, false);
		p->home->ops->parked(p->home);
	}
	return true;
}

void lease_end(struct lease *l)
{
	struct peer *p = l->peer;
	enum lease_state was = l->state;

	if (was == LEASE_NONE)
		return;
	lease_detach(l);
	if (was == LEASE_IDLE)
		p->nidle--;
	else if (was == LEASE_BUSY)
		busy_less(p);
	else
		tunnels_change(p, false);
	peer_settle(p);
}
