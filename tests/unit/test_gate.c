/* The gate: order, release, and waiters that leave at awkward moments. */
#include "unit.h"

#include <ev.h>

#include "base/mem.h"
#include "service/gate.h"

struct visitor {
	struct waiter waiter;
	struct visitor *drop; /* leaves together with this one */
	bool leaves_itself;
	bool pass;
	bool again; /* releases the gate from within */
	int tried, expired;
	size_t place; /* in the order of passing, from 1 */
};

static struct gate gate;
static size_t passed, left;

static bool retry(struct waiter *w)
{
	struct visitor *v = container_of(w, struct visitor, waiter);

	v->tried++;
	assert_true(gate_is_open(&gate));
	if (v->drop != NULL)
		gate_leave(&v->drop->waiter);
	if (v->again)
		gate_release(&gate);
	if (v->leaves_itself)
		gate_leave(w);
	if (v->pass)
		v->place = ++passed;
	return v->pass;
}

static void expired(struct waiter *w)
{
	assert_false(waiter_waits(w));
	container_of(w, struct visitor, waiter)->expired++;
}

static const struct waiter_ops ops = {.retry = retry, .expired = expired};

static void on_left(struct gate *g)
{
	assert_ptr_equal(g, &gate);
	left++;
}

static void wait_all(struct visitor *v, size_t n)
{
	passed = left = 0;
	gate_init(&gate);
	gate.left = on_left;
	assert_true(gate_is_open(&gate));
	for (size_t i = 0; i < n; i++) {
		waiter_init(&v[i].waiter, &ops);
		assert_false(waiter_waits(&v[i].waiter));
		gate_push(&gate, &v[i].waiter, NULL, 1);
		assert_true(waiter_waits(&v[i].waiter));
	}
	assert_false(gate_is_open(&gate));
}

static void releases_in_order_until_one_stays(void **state)
{
	struct visitor v[4] = {{.pass = true}, {.pass = true}, {.pass = false}, {.pass = true}};

	(void)state;
	wait_all(v, 4);
	gate_release(&gate);
	assert_int_equal(v[0].place, 1);
	assert_int_equal(v[1].place, 2);
	assert_int_equal(v[2].tried, 1);
	assert_int_equal(v[3].tried, 0);
	assert_int_equal(left, 2);
	assert_false(waiter_waits(&v[0].waiter));
	assert_true(waiter_waits(&v[2].waiter));
	assert_false(gate_is_open(&gate));
	v[2].pass = true;
	gate_release(&gate);
	assert_int_equal(v[2].place, 3);
	assert_int_equal(v[3].place, 4);
	assert_int_equal(left, 4);
	assert_true(gate_is_open(&gate));
}

static void a_waiter_may_leave_or_make_others_leave_within(void **state)
{
	struct visitor v[4] = {{.pass = true},
			       {.pass = true, .leaves_itself = true},
			       {.pass = true},
			       {.pass = true}};

	(void)state;
	v[0].drop = &v[2];
	v[1].again = true;
	wait_all(v, 4);
	gate_release(&gate);
	assert_int_equal(v[2].tried, 0);
	assert_int_equal(v[1].tried, 1);
	assert_int_equal(v[3].place, 3);
	assert_int_equal(left, 4);
	gate_leave(&v[3].waiter);
	assert_int_equal(left, 4);
}

static void a_time_that_is_over_ends_the_wait(void **state)
{
	struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);
	struct timers *timers = timers_new(loop);
	struct visitor v[2] = {{.pass = true}, {.pass = true}};

	(void)state;
	wait_all(v, 1);
	waiter_init(&v[1].waiter, &ops);
	gate_push(&gate, &v[1].waiter, timers, 0);
	ev_run(loop, 0);
	assert_int_equal(v[1].expired, 1);
	assert_int_equal(v[0].expired, 0);
	assert_int_equal(left, 1);
	timers_free(timers);
	ev_loop_destroy(loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(releases_in_order_until_one_stays),
		cmocka_unit_test(a_waiter_may_leave_or_make_others_leave_within),
		cmocka_unit_test(a_time_that_is_over_ends_the_wait),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
