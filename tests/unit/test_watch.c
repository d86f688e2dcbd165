/* inotify in a loop: which events come as what, several owners of one directory, overflow. */
#include "scratch.h"

#include <errno.h>
#include <ev.h>

#include "files/watch.h"

static struct scratch tmp;
static struct ev_loop *loop;
static struct watch *watch;
static struct watch_dir one, two;
static unsigned seen_one, seen_two, lost, batches;
static char last[256];

static void on_entry(void *user, struct watch_dir *dir, const char *name, unsigned what)
{
	(void)user;
	if (dir == &one)
		seen_one |= what;
	if (dir == &two)
		seen_two |= what;
	snprintf(last, sizeof(last), "%s", name);
}

static void on_lost(void *user)
{
	(void)user;
	lost++;
}

static void on_done(void *user)
{
	(void)user;
	batches++;
}

static const struct watch_events events = {.entry = on_entry, .lost = on_lost, .done = on_done};

static int setup(void **state)
{
	(void)state;
	scratch_init(&tmp);
	make_dir(&tmp, "d");
	loop = ev_loop_new(EVFLAG_AUTO);
	watch = watch_new(loop, &events, NULL);
	watch_dir_init(&one);
	watch_dir_init(&two);
	return watch == NULL ? -1 : 0;
}

static int teardown(void **state)
{
	(void)state;
	watch_free(watch);
	ev_loop_destroy(loop);
	scratch_fini(&tmp);
	return 0;
}

/* What came since the last call, for the first owner. */
static unsigned turn(void)
{
	seen_one = seen_two = lost = batches = 0;
	ev_run(loop, EVRUN_NOWAIT);
	return seen_one;
}

static void test_meanings(void **state)
{
	(void)state;
	assert_true(watch_add(watch, &one, at(&tmp, "d"), true));
	put(&tmp, "d/a", "x");
	assert_int_equal(turn(), WATCH_CREATED | WATCH_WRITTEN);
	assert_string_equal(last, "a");
	assert_int_equal(batches, 1);
	move(&tmp, "d/a", "d/b");
	assert_int_equal(turn(), WATCH_REMOVED | WATCH_MOVED_IN);
	assert_string_equal(last, "b");
	assert_int_equal(chmod(at(&tmp, "d/b"), 0600), 0);
	assert_int_equal(turn(), WATCH_CHANGED);
	assert_int_equal(unlink(at(&tmp, "d/b")), 0);
	assert_int_equal(turn(), WATCH_REMOVED);
	make_socket(&tmp, "d/app.sock");
	assert_int_equal(turn(), WATCH_CREATED);
	move(&tmp, "d", "e");
	assert_int_equal(turn(), WATCH_SELF);
	assert_string_equal(last, "");
	assert_int_equal(turn(), 0);
	assert_int_equal(batches, 0);
}

static void test_names_only(void **state)
{
	(void)state;
	assert_true(watch_add(watch, &one, at(&tmp, "d"), false));
	put(&tmp, "d/a", "x");
	assert_int_equal(turn(), WATCH_CREATED);
	assert_int_equal(chmod(at(&tmp, "d/a"), 0600), 0);
	assert_int_equal(turn(), 0);
}

static void test_two_owners(void **state)
{
	(void)state;
	assert_int_equal(symlink("d", at(&tmp, "link")), 0);
	assert_true(watch_add(watch, &one, at(&tmp, "d"), true));
	assert_true(watch_add(watch, &two, at(&tmp, "link"), true));
	put(&tmp, "d/a", "x");
	turn();
	assert_int_equal(seen_one, seen_two);
	watch_drop(watch, &one);
	put(&tmp, "d/b", "x");
	assert_int_equal(turn(), 0);
	assert_int_not_equal(seen_two, 0);
	watch_drop(watch, &two);
	put(&tmp, "d/c", "x");
	turn();
	assert_int_equal(seen_two, 0);
}

/* The same name, another directory: adding again moves the watch. */
static void test_replaced(void **state)
{
	(void)state;
	assert_true(watch_add(watch, &one, at(&tmp, "d"), true));
	make_dir(&tmp, "new");
	move(&tmp, "d", "old");
	move(&tmp, "new", "d");
	assert_true(watch_add(watch, &one, at(&tmp, "d"), true));
	turn();
	put(&tmp, "old/a", "x");
	assert_int_equal(turn(), 0);
	put(&tmp, "d/a", "x");
	assert_int_not_equal(turn(), 0);
}

static void test_deleted(void **state)
{
	(void)state;
	assert_true(watch_add(watch, &one, at(&tmp, "d"), true));
	assert_int_equal(rmdir(at(&tmp, "d")), 0);
	assert_int_equal(turn() & WATCH_SELF, WATCH_SELF);
	assert_int_equal(one.wd, -1);
	errno = 0;
	assert_false(watch_add(watch, &one, at(&tmp, "d"), true));
	assert_int_equal(errno, ENOENT);
	put(&tmp, "file", "");
	assert_false(watch_add(watch, &one, at(&tmp, "file"), true));
	assert_int_equal(errno, ENOTDIR);
}

static void test_overflow(void **state)
{
	(void)state;
	if (queue_limit() > 60000)
		skip();
	assert_true(watch_add(watch, &one, at(&tmp, "d"), true));
	put(&tmp, "d/a", "x");
	for (int i = 0; i < 20000; i++) {
		assert_int_equal(rename(at(&tmp, "d/a"), at(&tmp, "d/b")), 0);
		assert_int_equal(rename(at(&tmp, "d/b"), at(&tmp, "d/a")), 0);
	}
	unsigned total = 0;
	for (int i = 0; i < 100; i++) {
		turn();
		total += lost;
	}
	assert_int_equal(total, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_meanings, setup, teardown),
		cmocka_unit_test_setup_teardown(test_names_only, setup, teardown),
		cmocka_unit_test_setup_teardown(test_two_owners, setup, teardown),
		cmocka_unit_test_setup_teardown(test_replaced, setup, teardown),
		cmocka_unit_test_setup_teardown(test_deleted, setup, teardown),
		cmocka_unit_test_setup_teardown(test_overflow, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
