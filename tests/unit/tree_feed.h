/* A tree over a scratch directory "s", a loop to drive it, and a record of what it told. */
#ifndef KP_TESTS_TREE_FEED_H
#define KP_TESTS_TREE_FEED_H

#include "scratch.h"

#include <errno.h>
#include <ev.h>
#include <time.h>

#include "files/tree.h"

static struct scratch tmp;
static struct ev_loop *loop;
static struct tree *tree;
static unsigned told, changes, gone;
static double told_at;
static void (*also)(struct site *site); /* what the user does in the callback */

static inline double now(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void on_changed(void *user, struct site *site, unsigned what)
{
	assert_ptr_equal(user, &tmp);
	told |= what;
	told_at = now();
	changes++;
	if (also != NULL)
		also(site);
}

static void on_gone(void *user, struct site *site)
{
	assert_ptr_equal(user, &tmp);
	assert_null(tree_find(tree, site->name));
	gone++;
}

static const struct tree_events tree_events = {.changed = on_changed, .gone = on_gone};

static inline void forget(void)
{
	told = changes = gone = 0;
}

static inline int setup(void **state)
{
	(void)state;
	also = NULL;
	forget();
	scratch_init(&tmp);
	make_dir(&tmp, "s");
	make_dir(&tmp, "s/blog");
	loop = ev_loop_new(EVFLAG_AUTO);
	return 0;
}

static inline int teardown(void **state)
{
	(void)state;
	tree_close(tree);
	tree = NULL;
	ev_loop_destroy(loop);
	scratch_fini(&tmp);
	return 0;
}

static inline struct site *start(void)
{
	tree = tree_open(loop, at(&tmp, "s"), &tree_events, &tmp);
	assert_non_null(tree);
	forget();
	return tree_find(tree, "blog");
}

static void on_time(struct ev_loop *l, ev_timer *t, int revents)
{
	(void)t;
	(void)revents;
	ev_break(l, EVBREAK_ALL);
}

/* Runs the loop for so long. */
static inline void run_for(double seconds)
{
	ev_timer t;
	ev_now_update(loop);
	ev_timer_init(&t, on_time, seconds, 0.);
	ev_timer_start(loop, &t);
	ev_run(loop, 0);
	ev_timer_stop(loop, &t);
}

/* Runs the loop until all of `what` was told; how long it took. */
static inline double run_until(unsigned what, double seconds)
{
	double start_at = now();
	while ((told & what) != what) {
		if (now() - start_at > seconds)
			fail_msg("not told within %.1f s: want %u, have %u", seconds, what, told);
		run_for(0.002);
	}
	return told_at - start_at;
}

static inline void run_until_gone(unsigned count, double seconds)
{
	for (double start_at = now(); gone < count;) {
		assert_true(now() - start_at < seconds);
		run_for(0.002);
	}
}

#endif
