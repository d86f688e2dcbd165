/* The gate: order, release, and waiters that leave at awkward moments. */
#include "unit.h"

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
	if (v->drop != NULL)
		gate_leave(&v->drop->waiter);
	if (v->again)
		gate_release(&gate, true, 9);
	if (v->leaves_itself)
		gate_leave(w);
	if (v->pass)
		v->place = ++passed;
	return v->pass;
}

static void expired(struct waiter *w, enum wait_end why)
{
	assert_false(waiter_waits(w));
	assert_int_equal(why, WAIT_HELD);
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
	assert_false(gate_has_queue(&gate));
	for (size_t i = 0; i < n; i++) {
		waiter_init(&v[i].waiter, &ops);
		assert_false(waiter_waits(&v[i].waiter));
		gate_push(&gate, &v[i].waiter, i);
		assert_true(waiter_waits(&v[i].waiter));
	}
	assert_true(gate_has_queue(&gate));
}

static void releases_in_order_until_one_stays(void **state)
{
	struct visitor v[4] = {{.pass = true}, {.pass = true}, {.pass = false}, {.pass = true}};

	(void)state;
	wait_all(v, 4);
	assert_false(gate_release(&gate, true, 9));
	assert_int_equal(v[0].place, 1);
	assert_int_equal(v[1].place, 2);
	assert_int_equal(v[2].tried, 1);
	assert_int_equal(v[3].tried, 0);
	assert_int_equal(left, 2);
	assert_false(waiter_waits(&v[0].waiter));
	assert_true(waiter_waits(&v[2].waiter));
	v[2].pass = true;
	assert_false(gate_release(&gate, true, 9));
	assert_int_equal(v[2].place, 3);
	assert_int_equal(v[3].place, 4);
	assert_int_equal(left, 4);
	assert_false(gate_has_queue(&gate));
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
	gate_release(&gate, true, 9);
	assert_int_equal(v[2].tried, 0);
	assert_int_equal(v[1].tried, 1);
	assert_int_equal(v[3].place, 3);
	assert_int_equal(left, 4);
	gate_leave(&v[3].waiter);
	assert_int_equal(left, 4);
}

static void a_release_ends_after_so_many_and_goes_on_behind_them(void **state)
{
	struct visitor v[3] = {{.pass = true}, {.pass = true}, {.pass = true}};

	(void)state;
	wait_all(v, 3);
	assert_true(gate_release(&gate, true, 2));
	assert_int_equal(v[1].place, 2);
	assert_int_equal(v[2].tried, 0);
	assert_false(gate_release(&gate, true, 1));
	assert_int_equal(v[2].place, 3);
}

static void who_was_released_goes_first_and_is_not_caught_again(void **state)
{
	struct visitor v[4] = {{.pass = true}, {.pass = true}, {.pass = true}, {.pass = true}};

	(void)state;
	wait_all(v, 2);
	assert_int_equal(gate_free(&gate, 70), 2);
	assert_int_equal(v[1].waiter.since, 70);
	for (size_t i = 2; i < 4; i++) {
		waiter_init(&v[i].waiter, &ops);
		gate_push(&gate, &v[i].waiter, 80);
	}
	gate_catch(&gate, 90);
	assert_int_equal(v[1].waiter.since, 70);
	assert_int_equal(v[2].waiter.since, 90);
	assert_ptr_equal(gate_first(&gate, true), &v[0].waiter);
	assert_ptr_equal(gate_first(&gate, false), &v[2].waiter);
	assert_true(gate_has_released(&gate));
	/* One comes back: the app hung up on it. It goes before those who were never let go. */
	gate_leave(&v[0].waiter);
	gate_push(&gate, &v[0].waiter, 95);
	gate_release(&gate, false, 9);
	assert_int_equal(v[1].place, 1);
	assert_int_equal(v[0].place, 2);
	assert_int_equal(v[2].tried + v[3].tried, 0);
	assert_false(gate_has_released(&gate));
	assert_int_equal(gate_free(&gate, 99), 2);
	gate_release(&gate, false, 9);
	assert_int_equal(v[3].place, 4);
}

static void who_is_ended_is_told_why(void **state)
{
	struct visitor v[2] = {{.pass = true}, {.pass = true}};

	(void)state;
	wait_all(v, 2);
	gate_end(gate_first(&gate, false), WAIT_HELD);
	assert_int_equal(v[0].expired, 1);
	assert_int_equal(v[1].expired, 0);
	assert_int_equal(left, 1);
	gate_leave(&v[0].waiter);
	assert_int_equal(left, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(releases_in_order_until_one_stays),
		cmocka_unit_test(a_waiter_may_leave_or_make_others_leave_within),
		cmocka_unit_test(a_release_ends_after_so_many_and_goes_on_behind_them),
		cmocka_unit_test(who_was_released_goes_first_and_is_not_caught_again),
		cmocka_unit_test(who_is_ended_is_told_why),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
