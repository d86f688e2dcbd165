/* balance: the list of current peers is kept in the order of their last turn, so that the first
 * of the least busy ones is always the one that has waited longest. */
#include "service/balance.h"

static struct peer *find(struct list *l, const struct file_id *id)
{
	list_for_each (n, l) {
		if (peer_is(peer_of(n), id))
			return peer_of(n);
	}
	return NULL;
}

bool balance_update(struct peer_home *h, const struct tree_socket *sockets, size_t n)
{
	uint32_t slot = 0;
	bool differs = false;

	list_for_each (node, &h->current)
		peer_unplace(peer_of(node));
	for (size_t i = 0; i < n && slot < PEER_NO_SLOT; i++) {
		struct peer *p = find(&h->current, &sockets[i].id);
		if (p == NULL)
			p = find(&h->replaced, &sockets[i].id);
		if (p == NULL)
			p = peer_new(h, &sockets[i].id);
		/* Two names of one socket are one instance. */
		if (peer_slot(p) == PEER_NO_SLOT || !peer_is_current(p))
			differs |= peer_place(p, &sockets[i], slot++);
	}
	list_for_each_safe (node, &h->current) {
		struct peer *p = peer_of(node);
		if (peer_slot(p) != PEER_NO_SLOT)
			continue;
		peer_replace(p);
		differs = true;
	}
	return differs;
}

struct peer *balance_pick(struct peer_home *h, enum tree_group group)
{
	struct peer *best = NULL;
	bool best_lately = false;
	uint64_t now = 0;

	list_for_each (node, &h->current) {
		struct peer *p = peer_of(node);
		bool lately = false;
		if (peer_group(p) != group)
			continue;
		if (peer_is_doubtful(p)) {
			now = now == 0 ? peer_clock() : now;
			if (peer_try_at(p) > now)
				continue;
			lately = peer_refused_lately(p, now);
		}
		if (best == NULL || lately < best_lately ||
		    (lately == best_lately && peer_in_flight(p) < peer_in_flight(best))) {
			best = p;
			best_lately = lately;
		}
	}
	if (best != NULL)
		peer_to_back(best);
	return best;
}

void balance_forget(struct peer_home *h)
{
	list_for_each (node, &h->current)
		peer_try_now(peer_of(node), true);
}

void balance_wake(struct peer_home *h, uint64_t until)
{
	list_for_each (node, &h->current) {
		if (peer_try_at(peer_of(node)) <= until)
			peer_try_now(peer_of(node), false);
	}
}

/* A canary that may be tried is no reason to try again: whom it takes has tried it. */
static bool counts_as_due(const struct peer *p, bool canary)
{
	return peer_group(p) == GROUP_MAIN || (canary && peer_try_at(p) != 0);
}

bool balance_earliest(const struct peer_home *h, bool canary, uint64_t *at)
{
	*at = UINT64_MAX;
	for (struct list *n = h->current.next; n != &h->current; n = n->next) {
		const struct peer *p = peer_of(n);
		if (counts_as_due(p, canary) && peer_try_at(p) < *at)
			*at = peer_try_at(p);
	}
	return *at != UINT64_MAX;
}

bool balance_listens(const struct peer_home *h)
{
	for (struct list *n = h->current.next; n != &h->current; n = n->next) {
		if (peer_group(peer_of(n)) == GROUP_MAIN && peer_listens(peer_of(n)))
			return true;
	}
	return false;
}
