/* peer: its life from current to replaced, and what ends its connections: age, replacement, the
 * drain's end. Leases are in peer_lease.c, connecting is in peer_connect.c. */
#include "service/peer.h"

#include <time.h>
#include <unistd.h>

#include "peer_internal.h"

#define TUNNELS_MS 3000 /* closing the tunnels of a replaced peer takes this long */
#define TUNNELS_STEP_MS 100

static void on_deadline(struct deadline *d);

void peer_home_hold(struct peer_home *h)
{
	h->refs++;
}

void peer_home_drop(struct peer_home *h)
{
	if (--h->refs == 0)
		h->ops->unused(h);
}

uint64_t peer_clock(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

ev_tstamp peer_loop_now(const struct peer_home *h)
{
	return h->loop == NULL ? 0. : ev_now(h->loop);
}

void peer_set_deadline(struct peer *p, uint64_t ms)
{
	if (p->home->timers != NULL)
		deadline_set(p->home->timers, &p->deadline, ms == 0 ? 1 : ms);
}

struct peer *peer_new(struct peer_home *h, const struct file_id *id)
{
	struct peer *p = mem_new(struct peer);

	p->home = h;
	p->dev = id->dev;
	p->ino = id->ino;
	p->name = str_dup(STR(""));
	p->pin = -1;
	p->slot = PEER_NO_SLOT;
	p->state = PEER_UNTRIED;
	p->current = true;
	list_init(&p->idle);
	list_init(&p->busy);
	list_init(&p->tunnel);
	deadline_init(&p->deadline, on_deadline);
	list_push_back(&h->current, &p->node);
	peer_home_hold(h);
	return p;
}

void peer_unpin(struct peer *p)
{
	if (p->pin < 0 || peer_has_leases(p))
		return;
	close(p->pin);
	p->pin = -1;
}

void peer_settle(struct peer *p)
{
	struct peer_home *h = p->home;

	if (p->holds != 0)
		return;
	peer_unpin(p);
	if (p->current || peer_has_leases(p))
		return;
	list_remove(&p->node);
	deadline_clear(&p->deadline);
	mem_free(p->name);
	mem_free(p);
	peer_home_drop(h);
}

static void close_idle(struct peer *p, struct lease *l)
{
	lease_detach(l);
	p->nidle--;
	l->ops->close_idle(l);
}

/* Idle connections keep descriptors here and in the app: a service that nobody asks gives them
 * back. */
static void sweep_idle(struct peer *p)
{
	ev_tstamp now = peer_loop_now(p->home);

	while (p->nidle != 0) {
		struct lease *oldest = container_of(p->idle.prev, struct lease, node);
		ev_tstamp age = now - oldest->since;
		if (age >= 0. && age * 1000. < PEER_IDLE_MS)
			break;
		close_idle(p, oldest);
	}
	if (p->nidle != 0)
		peer_set_deadline(p, PEER_IDLE_MS);
}

/* Cuts up to n of the leases in `from` behind the first `skip`, whether or not they end at once. */
static void cut(struct list *from, uint32_t skip, uint32_t n)
{
	struct list todo;
	struct lease *l;

	list_take(&todo, from);
	while ((l = lease_first(&todo)) != NULL) {
		list_remove(&l->node);
		list_push_back(from, &l->node);
		if (skip != 0) {
			skip--;
		} else if (n != 0) {
			n--;
			l->ops->cut(l);
		}
	}
}

/* How many tunnels must have been closed by now. */
static uint32_t tunnels_due(struct peer *p)
{
	ev_tstamp now = peer_loop_now(p->home);
	ev_tstamp gone;

	if (p->tunnels_since == 0.) {
		p->tunnels_since = now;
		p->tunnels_then = p->ntunnel;
	}
	gone = (now - p->tunnels_since) * 1000. / TUNNELS_MS;
	if (gone < 0. || gone >= 1.)
		return p->tunnels_then;
	return (uint32_t)(gone * p->tunnels_then);
}

bool peer_cut(struct peer *p, uint64_t ms)
{
	ev_tstamp now = peer_loop_now(p->home);
	uint32_t due = 0;
	bool all;

	/* Those that began first are at the end; a clock that was set back tells nothing. */
	for (struct list *n = p->busy.prev; n != &p->busy; n = n->prev) {
		ev_tstamp age = now - container_of(n, struct lease, node)->since;
		if (age >= 0. && age * 1000. < (ev_tstamp)ms)
			break;
		due++;
	}
	all = due == p->nbusy;
	if (due == 0)
		return all;
	board_raise(p->home->board->cut_off, due);
	p->holds++;
	cut(&p->busy, p->nbusy - due, due);
	p->holds--;
	peer_settle(p);
	return all;
}

static void drain_over(struct peer *p)
{
	uint32_t due, left;

	board_raise(p->home->board->cut_off, p->nbusy);
	cut(&p->busy, 0, p->nbusy);
	due = tunnels_due(p);
	left = p->tunnels_then > due ? p->tunnels_then - due : 0;
	if (p->ntunnel > left)
		cut(&p->tunnel, 0, p->ntunnel - left);
	if (p->ntunnel != 0)
		peer_set_deadline(p, TUNNELS_STEP_MS);
}

static void on_deadline(struct deadline *d)
{
	struct peer *p = container_of(d, struct peer, deadline);

	p->holds++;
	if (p->current)
		sweep_idle(p);
	else
		drain_over(p);
	p->holds--;
	peer_settle(p);
}

struct peer *peer_of(struct list *node)
{
	return container_of(node, struct peer, node);
}

bool peer_is(const struct peer *p, const struct file_id *id)
{
	return p->dev == id->dev && p->ino == id->ino;
}

static void revive(struct peer *p)
{
	struct peer_home *h = p->home;

	p->current = true;
	list_remove(&p->node);
	list_push_back(&h->current, &p->node);
	deadline_clear(&p->deadline);
	p->tunnels_since = 0.;
	h->draining -= p->nbusy;
	h->in_flight += p->nbusy;
	peer_tell_busy(p);
}

bool peer_place(struct peer *p, const struct tree_socket *socket, uint32_t slot)
{
	bool renamed = strcmp(p->name, socket->name) != 0;
	bool differs = !p->current || renamed;

	if (!p->current)
		revive(p);
	if (renamed) {
		mem_free(p->name);
		p->name = str_dup(str_of(socket->name));
	}
	p->group = socket->group;
	p->slot = slot;
	return differs;
}

void peer_unplace(struct peer *p)
{
	p->slot = PEER_NO_SLOT;
}

bool peer_list_drain(struct peer *p, uint32_t slot)
{
	bool listed = p->nbusy != 0 && slot < PEER_NO_SLOT;

	p->slot = listed ? slot : PEER_NO_SLOT;
	return listed;
}

void peer_replace(struct peer *p)
{
	struct peer_home *h = p->home;
	struct lease *l;

	p->holds++;
	p->current = false;
	p->slot = PEER_NO_SLOT;
	list_remove(&p->node);
	list_push_back(&h->replaced, &p->node);
	h->in_flight -= p->nbusy;
	h->draining += p->nbusy;
	peer_tell_busy(p);
	deadline_clear(&p->deadline);
	while ((l = lease_first(&p->idle)) != NULL)
		close_idle(p, l);
	if (peer_has_leases(p))
		peer_set_deadline(p, h->drain_ms);
	p->holds--;
	peer_settle(p);
}

void peer_tell(const struct peer *p, struct board_peer *entry)
{
	*entry = (struct board_peer){
		.dev = p->dev,
		.ino = p->ino,
		.in_flight = p->nbusy,
		.state = (uint8_t)p->state,
	};
}

uint32_t peer_slot(const struct peer *p)
{
	return p->slot;
}

uint32_t peer_in_flight(const struct peer *p)
{
	return p->nbusy;
}

enum tree_group peer_group(const struct peer *p)
{
	return p->group;
}

void peer_to_back(struct peer *p)
{
	list_remove(&p->node);
	list_push_back(&p->home->current, &p->node);
}

const char *peer_name(const struct peer *p)
{
	return p->name;
}

bool peer_is_current(const struct peer *p)
{
	return p->current;
}
