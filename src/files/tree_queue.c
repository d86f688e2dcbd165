/* Which directories are to be looked at, and when: at once, unless one keeps changing (then at most
 * BURST looks in ten milliseconds, fewer if looks are dear), and never for more than a slice of the
 * loop. */
#include <time.h>

#include "base/mem.h"
#include "tree_internal.h"

#define WINDOW 0.010
#define BURST 8
#define DEAR_TIMES 10 /* a dear look may take a tenth of the time */

double tree_now(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

int64_t tree_real_ns(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_REALTIME, &ts);
	return tree_ns(ts);
}

void tree_unqueue(struct node *n)
{
	list_remove(&n->queue);
	n->place = QUEUE_NONE;
}

static void enqueue(struct tree *t, struct node *n)
{
	list_remove(&n->queue);
	list_push_back(&t->pending, &n->queue);
	n->place = QUEUE_PENDING;
}

/* Asks for a look soon; the loop does it. */
void tree_queue(struct tree *t, struct node *n)
{
	if (n->place != QUEUE_PENDING)
		enqueue(t, n);
	if (t->loop != NULL)
		ev_idle_start(t->loop, &t->more);
}

static void wait_until(struct tree *t, struct node *n, double due)
{
	double now = tree_now();
	list_remove(&n->queue);
	list_push_back(&t->waiting, &n->queue);
	n->place = QUEUE_WAITING;
	n->due = due;
	double after = due > now ? due - now : 0;
	if (ev_is_active(&t->later) && ev_timer_remaining(t->loop, &t->later) <= after)
		return;
	ev_timer_stop(t->loop, &t->later);
	ev_now_update(t->loop);
	ev_timer_set(&t->later, after, 0.);
	ev_timer_start(t->loop, &t->later);
}

/* Has this one used up its looks for now? */
static bool must_wait(struct tree *t, struct node *n, double now)
{
	if (t->loop == NULL || now >= n->window_until) {
		n->window = now;
		n->window_until = now + WINDOW;
		n->looks = 0;
	}
	return n->looks >= BURST;
}

static void look_timed(struct tree *t, struct node *n, double start)
{
	n->looks++;
	if (!tree_look_at(t, n) || t->loop == NULL)
		return;
	double cost = tree_now() - start;
	if (cost * DEAR_TIMES > WINDOW / BURST) {
		n->looks = BURST;
		n->window_until = start + (cost * DEAR_TIMES > WINDOW ? cost * DEAR_TIMES : WINDOW);
	}
	if (n->moving && n->place == QUEUE_NONE)
		wait_until(t, n, n->due);
}

void tree_run_pending(struct tree *t, double budget)
{
	double start = tree_now(), now = start;
	struct list *first;
	while (now - start <= budget && (first = list_first(&t->pending)) != NULL) {
		struct node *n = container_of(first, struct node, queue);
		tree_unqueue(n);
		if (must_wait(t, n, now))
			wait_until(t, n, n->window_until);
		else
			look_timed(t, n, now);
		now = tree_now();
	}
	if (t->loop == NULL)
		return;
	if (list_empty(&t->pending))
		ev_idle_stop(t->loop, &t->more);
	else
		ev_idle_start(t->loop, &t->more);
}

static void on_more(struct ev_loop *loop, ev_idle *more, int revents)
{
	(void)loop;
	(void)revents;
	tree_run_pending(container_of(more, struct tree, more), TREE_SLICE);
}

static void on_later(struct ev_loop *loop, ev_timer *later, int revents)
{
	struct tree *t = container_of(later, struct tree, later);
	double now = tree_now(), next = 0;
	(void)revents;
	list_for_each_safe (it, &t->waiting) {
		struct node *n = container_of(it, struct node, queue);
		if (n->due <= now)
			enqueue(t, n);
		else if (next == 0 || n->due < next)
			next = n->due;
	}
	if (next != 0) {
		ev_timer_set(later, next - now, 0.);
		ev_timer_start(loop, later);
	}
	tree_run_pending(t, TREE_SLICE);
}

/* Of the names in a service's directory only some mean anything: an app that logs there costs
   nothing. */
static bool matters(const struct node *n, const char *name, unsigned what)
{
	static const char *const names[] = {"service.ini", "hosts",   "pause",       "stop",
					    "read",        "rollout", "rollout.ini", "tls.pem"};
	if (name[0] == '\0')
		return true;
	/* What an instance's link points to may lie here under any name. */
	if (n->links && (what & (WATCH_CREATED | WATCH_MOVED_IN | WATCH_REMOVED)) != 0)
		return true;
	if (name[0] == '.')
		return false;
	struct str s = str_of(name);
	if (str_has_suffix(s, STR(".sock")) || str_has_suffix(s, STR(".tcp")))
		return true;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(name, names[i]) == 0)
			return true;
	}
	return false;
}

static bool is_whole(unsigned what)
{
	return (what & (WATCH_REMOVED | WATCH_MOVED_IN | WATCH_WRITTEN)) != 0;
}

static void note_writing(struct draft *d, unsigned what)
{
	if ((what & WATCH_CREATED) != 0)
		d->writing = true;
	if (is_whole(what))
		d->writing = false;
	if ((what & (WATCH_MOVED_IN | WATCH_WRITTEN)) != 0)
		d->closed = true;
}

static void note_draft(struct node *n, const char *name, unsigned what)
{
	for (int i = 0; i < SETTINGS_FILES; i++) {
		if (strcmp(name, tree_settings_names[i]) == 0)
			note_writing(&n->drafts[i], what);
	}
	if (strcmp(name, TREE_CERTIFICATE) == 0)
		note_writing(&n->tls_pem, what);
	for (int i = 0; i < HOLDS; i++) {
		if (strcmp(name, tree_hold_names[i]) != 0)
			continue;
		n->holds.of[i].writing |= (what & WATCH_CREATED) != 0;
		n->holds.of[i].writing &= !is_whole(what);
	}
}

static void on_entry(void *user, struct watch_dir *dir, const char *name, unsigned what)
{
	struct tree *t = user;
	if (dir == &t->parent_watch || (dir == &t->root_watch && (what & WATCH_SELF) != 0)) {
		if (dir == &t->root_watch || strcmp(name, t->base) == 0)
			t->root_stale = true;
		return;
	}
	struct node *n;
	if (dir == &t->root_watch) {
		n = tree_node(t, name);
		if (n == NULL)
			return;
		n->rewatch = true;
	} else {
		struct place *p = container_of(dir, struct place, watch);
		n = p->node;
		if (p->group == GROUP_MAIN) {
			n->rewatch |= (what & WATCH_SELF) != 0;
			note_draft(n, name, what);
		}
		if (!matters(n, name, what))
			return;
	}
	tree_queue(t, n);
}

static void on_lost(void *user)
{
	struct tree *t = user;
	t->stats.overflows++;
	t->root_stale = true;
	for (size_t i = 0; i < t->sites.cap; i++) {
		struct node *n = t->sites.slots[i].value;
		if (n == NULL)
			continue;
		n->rewatch = true;
		tree_forget_drafts(n);
		tree_queue(t, n);
	}
	tree_round_begin(t);
}

static void on_done(void *user)
{
	struct tree *t = user;
	if (t->root_stale)
		tree_check_root(t);
	tree_run_pending(t, TREE_SLICE);
}

const struct watch_events tree_watch_events = {.entry = on_entry, .lost = on_lost, .done = on_done};

void tree_queue_init(struct tree *t)
{
	list_init(&t->pending);
	list_init(&t->waiting);
	ev_idle_init(&t->more, on_more);
	ev_set_priority(&t->more, EV_MAXPRI); /* not put off by a busy loop */
	ev_timer_init(&t->later, on_later, 0., 0.);
}

void tree_queue_fini(struct tree *t)
{
	if (t->loop == NULL)
		return;
	ev_idle_stop(t->loop, &t->more);
	ev_timer_stop(t->loop, &t->later);
}
