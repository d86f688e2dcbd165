/* The intrusive list. */
#include "unit.h"

#include "base/list.h"
#include "base/mem.h"

struct item {
	int n;
	struct list node;
};

static struct item *item_of(struct list *l)
{
	return container_of(l, struct item, node);
}

static void fill(struct list *l, struct item *items, int n)
{
	list_init(l);
	for (int i = 0; i < n; i++) {
		items[i].n = i;
		list_push_back(l, &items[i].node);
	}
}

static void keeps_order(void **state)
{
	struct item items[3], front = {.n = -1};
	struct list l;
	int want = -1;

	(void)state;
	fill(&l, items, 3);
	list_push_front(&l, &front.node);
	list_for_each (it, &l)
		assert_int_equal(item_of(it)->n, want++);
	assert_int_equal(want, 3);
	assert_int_equal(item_of(list_first(&l))->n, -1);
}

static void removes(void **state)
{
	struct item items[3];
	struct list l;

	(void)state;
	fill(&l, items, 3);
	list_remove(&items[1].node);
	list_remove(&items[1].node);
	assert_true(list_empty(&items[1].node));
	assert_ptr_equal(list_pop_front(&l), &items[0].node);
	assert_ptr_equal(list_pop_front(&l), &items[2].node);
	assert_null(list_pop_front(&l));
	assert_null(list_first(&l));
	assert_true(list_empty(&l));
}

static void removes_while_walking(void **state)
{
	struct item items[5];
	struct list l;
	int seen = 0;

	(void)state;
	fill(&l, items, 5);
	list_for_each_safe (it, &l) {
		seen++;
		if (item_of(it)->n % 2 == 0)
			list_remove(it);
	}
	assert_int_equal(seen, 5);
	assert_ptr_equal(list_pop_front(&l), &items[1].node);
	assert_ptr_equal(list_pop_front(&l), &items[3].node);
	assert_true(list_empty(&l));
}

static void takes_all(void **state)
{
	struct item items[3];
	struct list from, to;

	(void)state;
	fill(&from, items, 3);
	list_take(&to, &from);
	assert_true(list_empty(&from));
	for (int i = 0; i < 3; i++)
		assert_ptr_equal(list_pop_front(&to), &items[i].node);
	list_take(&to, &from);
	assert_true(list_empty(&to));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keeps_order),
		cmocka_unit_test(removes),
		cmocka_unit_test(removes_while_walking),
		cmocka_unit_test(takes_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
