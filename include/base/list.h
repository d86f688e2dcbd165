/* list: an intrusive, circular, doubly linked list. A node that is in no list points to itself. */
#ifndef KP_BASE_LIST_H
#define KP_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list {
	struct list *next, *prev;
};

static inline void list_init(struct list *l)
{
	l->next = l->prev = l;
}

static inline bool list_empty(const struct list *l)
{
	return l->next == l;
}

static inline void list_insert_between(struct list *n, struct list *before, struct list *after)
{
	n->prev = before;
	n->next = after;
	before->next = n;
	after->prev = n;
}

static inline void list_push_back(struct list *l, struct list *n)
{
	list_insert_between(n, l->prev, l);
}

static inline void list_push_front(struct list *l, struct list *n)
{
	list_insert_between(n, l, l->next);
}

/* Safe on a node that is in no list, if it was initialised. */
static inline void list_remove(struct list *n)
{
	n->prev->next = n->next;
	n->next->prev = n->prev;
	list_init(n);
}

static inline struct list *list_first(struct list *l)
{
	return l->next == l ? NULL : l->next;
}

static inline struct list *list_pop_front(struct list *l)
{
	struct list *n = list_first(l);
	if (n != NULL)
		list_remove(n);
	return n;
}

/* Moves all of `from` to the (initialised) empty list `to`. */
static inline void list_take(struct list *to, struct list *from)
{
	list_init(to);
	if (list_empty(from))
		return;
	*to = *from;
	to->next->prev = to;
	to->prev->next = to;
	list_init(from);
}

#define list_for_each(it, l) for (struct list *it = (l)->next; it != (l); it = it->next)
/* `it` may be removed (nothing else may). */
#define list_for_each_safe(it, l)                                                                  \
	for (struct list *it = (l)->next, *it##_next = it->next; it != (l);                        \
	     it = it##_next, it##_next = it->next)

#endif
