/* The slow round: every two seconds all is compared with what is there, in slices of a millisecond,
 * for file systems that lose events and directories for which no watch could be had. */
#include <dirent.h>
#include <errno.h>
#include <unistd.h>

#include "base/mem.h"
#include "tree_internal.h"

#define ROUND_EVERY 2.
#define SLICE_GAP 0.010

/* Some hundred names; false at the end. */
static bool list_some(struct tree *t)
{
	_Alignas(struct dirent64) char room[8192];
	ssize_t n = getdents64(t->root, room, sizeof(room));
	for (char *p = room; n > 0 && p < room + n;) {
		const struct dirent64 *e = (const struct dirent64 *)(void *)p;
		p += e->d_reclen;
		bool perhaps = e->d_type == DT_DIR || e->d_type == DT_LNK ||
			       e->d_type == DT_UNKNOWN;
		struct node *found = perhaps ? tree_node(t, e->d_name) : NULL;
		if (found != NULL && !found->known)
			tree_queue(t, found);
	}
	return n > 0;
}

static bool list_start(struct tree *t)
{
	struct stat st;
	if (t->root < 0 || fstat(t->root, &st) < 0)
		return false;
	int64_t mtime = tree_ns(st.st_mtim);
	if (t->root_settled && mtime == t->root_mtime_ns)
		return false; /* no name has come or gone */
	t->root_mtime_ns = mtime;
	t->root_settled = tree_real_ns() - mtime > TREE_RACY_NS;
	return lseek(t->root, 0, SEEK_SET) == 0;
}

void tree_list_all(struct tree *t)
{
	if (!list_start(t))
		return;
	while (list_some(t))
		;
}

/* True when all sites were compared. */
static bool compare_some(struct tree *t, double until)
{
	void *value;
	for (unsigned i = 0; map_next(&t->sites, &t->cursor, &value); i++) {
		struct node *n = value;
		if (n->place == QUEUE_NONE && !tree_is_same(t, n)) {
			n->rewatch = true;
			tree_queue(t, n);
		} else {
			tree_watch_missing(t, n);
		}
		if (tree_now() > until)
			return false;
	}
	return true;
}

static void next_slice(struct tree *t)
{
	ev_timer_stop(t->loop, &t->slice);
	ev_timer_set(&t->slice, SLICE_GAP, 0.);
	ev_timer_start(t->loop, &t->slice);
}

static void on_slice(struct ev_loop *loop, ev_timer *slice, int revents)
{
	struct tree *t = container_of(slice, struct tree, slice);
	double until = tree_now() + TREE_SLICE;
	(void)loop;
	(void)revents;
	while (t->listing && tree_now() < until)
		t->listing = list_some(t);
	if (!t->listing && t->rounding)
		t->rounding = !compare_some(t, until);
	if (t->listing || t->rounding)
		next_slice(t);
}

void tree_round_begin(struct tree *t)
{
	tree_check_root(t);
	t->listing = list_start(t);
	t->rounding = true;
	t->cursor = 0;
	on_slice(t->loop, &t->slice, 0);
}

static void on_tick(struct ev_loop *loop, ev_timer *tick, int revents)
{
	struct tree *t = container_of(tick, struct tree, tick);
	(void)loop;
	(void)revents;
	if (!t->listing && !t->rounding)
		tree_round_begin(t);
}

void tree_round_init(struct tree *t)
{
	ev_timer_init(&t->slice, on_slice, 0., 0.);
	ev_timer_init(&t->tick, on_tick, ROUND_EVERY, ROUND_EVERY);
	if (t->loop != NULL)
		ev_timer_start(t->loop, &t->tick);
}

void tree_round_fini(struct tree *t)
{
	if (t->loop == NULL)
		return;
	ev_timer_stop(t->loop, &t->slice);
	ev_timer_stop(t->loop, &t->tick);
}
