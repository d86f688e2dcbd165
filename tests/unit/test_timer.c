/* Deadlines on a real loop: order, lateness, and callbacks that change other deadlines. */
#include "unit.h"

#include <stdlib.h>

#include "base/mem.h"
#include "base/timer.h"

struct thing {
	struct deadline deadline;
	int fired;
	struct thing *other;
};

static struct ev_loop *loop;
static struct timers *timers;
static struct thing *order[64];
static size_t fired;

static struct thing *thing_of(struct deadline *d)
{
	return container_of(d, struct thing, deadline);
}

static void note(struct deadline *d)
{
	assert_false(deadline_is_set(d));
	thing_of(d)->fired++;
	order[fired++] = thing_of(d);
}

static int set_up(void **state)
{
	(void)state;
	fired = 0;
	loop = ev_loop_new(EVFLAG_AUTO);
	timers = timers_new(loop);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	timers_free(timers);
	ev_loop_destroy(loop);
	return 0;
}

static void ends_the_loop_when_nothing_is_set(void **state)
{
	(void)state;
	ev_run(loop, 0);
}

static void fires_once_and_never_early(void **state)
{
	struct thing a = {0};
	double begin, took;

	(void)state;
	deadline_init(&a.deadline, note);
	ev_now_update(loop);
	begin = ev_time();
	deadline_set(timers, &a.deadline, 60);
	assert_true(deadline_is_set(&a.deadline));
	ev_run(loop, 0);
	took = ev_time() - begin;
	assert_int_equal(a.fired, 1);
	assert_true(took >= 0.0595);
	assert_true(took < 1.0);
}

static void fires_by_time_whatever_the_duration(void **state)
{
	static const uint64_t ms[] = {400, 100, 300, 200, 1, 201};
	static const size_t want[] = {4, 1, 3, 5, 2, 0};
	struct thing a[6];

	(void)state;
	for (size_t i = 0; i < 6; i++) {
		deadline_init(&a[i].deadline, note);
		deadline_set(timers, &a[i].deadline, ms[i]);
	}
	ev_run(loop, 0);
	assert_int_equal(fired, 6);
	for (size_t i = 0; i < 6; i++)
		assert_ptr_equal(order[i], &a[want[i]]);
}

static void is_set_anew_and_cleared(void **state)
{
	struct thing a = {0}, b = {0}, c = {0};

	(void)state;
	deadline_init(&a.deadline, note);
	deadline_init(&b.deadline, note);
	deadline_init(&c.deadline, note);
	deadline_clear(&a.deadline);
	deadline_set(timers, &a.deadline, 20);
	deadline_set(timers, &b.deadline, 20);
	deadline_set(timers, &c.deadline, 20);
	deadline_set(timers, &a.deadline, 120);
	deadline_clear(&b.deadline);
	deadline_set(timers, &c.deadline, 0);
	assert_false(deadline_is_set(&b.deadline));
	assert_false(deadline_is_set(&c.deadline));
	ev_run(loop, 0);
	assert_int_equal(fired, 1);
	assert_int_equal(a.fired, 1);
}

static void free_other(struct deadline *d)
{
	struct thing *t = thing_of(d);

	note(d);
	deadline_clear(&t->other->deadline);
	free(t->other);
}

static void a_callback_may_free_others(void **state)
{
	struct thing a = {0};

	(void)state;
	a.other = calloc(1, sizeof(*a.other));
	deadline_init(&a.deadline, free_other);
	deadline_init(&a.other->deadline, note);
	deadline_set(timers, &a.deadline, 10);
	deadline_set(timers, &a.other->deadline, 10);
	ev_run(loop, 0);
	assert_int_equal(fired, 1);
}

/* New durations grow and shift the queues while these are walked over. */
static void set_many(struct deadline *d)
{
	static struct thing many[20];

	note(d);
	for (size_t i = 0; i < 20; i++) {
		deadline_init(&many[i].deadline, note);
		deadline_set(timers, &many[i].deadline, 1 + i * 2);
	}
}

static void a_callback_may_set_others(void **state)
{
	struct thing a = {0}, b = {0};

	(void)state;
	deadline_init(&a.deadline, set_many);
	deadline_init(&b.deadline, note);
	deadline_set(timers, &a.deadline, 10);
	deadline_set(timers, &b.deadline, 12);
	ev_run(loop, 0);
	assert_int_equal(fired, 22);
	assert_int_equal(b.fired, 1);
}

static void again(struct deadline *d)
{
	note(d);
	if (thing_of(d)->fired < 3)
		deadline_set(timers, d, 5);
}

static void a_callback_may_set_itself(void **state)
{
	struct thing a = {0};

	(void)state;
	deadline_init(&a.deadline, again);
	deadline_set(timers, &a.deadline, 5);
	ev_run(loop, 0);
	assert_int_equal(a.fired, 3);
}

static void freeing_forgets_what_is_set(void **state)
{
	struct thing a = {0};
	struct timers *t = timers_new(loop);

	(void)state;
	deadline_init(&a.deadline, note);
	deadline_set(t, &a.deadline, 5);
	timers_free(t);
	assert_false(deadline_is_set(&a.deadline));
	ev_run(loop, 0);
	assert_int_equal(fired, 0);
}

#define test(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(ends_the_loop_when_nothing_is_set),   test(fires_once_and_never_early),
		test(fires_by_time_whatever_the_duration), test(is_set_anew_and_cleared),
		test(a_callback_may_free_others),          test(a_callback_may_set_others),
		test(a_callback_may_set_itself),           test(freeing_forgets_what_is_set),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
