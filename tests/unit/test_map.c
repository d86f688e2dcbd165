/* The map, compared with a plain table over many random steps. */
#include "unit.h"

#include <stdio.h>

#include "base/map.h"

static struct str key_of(int i, char *room)
{
	return str_make(room, (size_t)sprintf(room, "key-%d", i));
}

static void is_empty_at_first(void **state)
{
	struct map m = {0};
	size_t i = 0;
	void *v;

	(void)state;
	assert_null(map_get(&m, STR("a")));
	assert_null(map_remove(&m, STR("a")));
	assert_false(map_next(&m, &i, &v));
	map_free(&m);
}

static void puts_and_replaces(void **state)
{
	struct map m = {0};
	int one, two;

	(void)state;
	assert_null(map_put(&m, STR("a"), &one));
	assert_ptr_equal(map_put(&m, STR("a"), &two), &one);
	assert_ptr_equal(map_get(&m, STR("a")), &two);
	assert_null(map_put(&m, STR(""), &one));
	assert_ptr_equal(map_get(&m, str_make(NULL, 0)), &one);
	assert_int_equal(m.count, 2);
	assert_ptr_equal(map_remove(&m, STR("a")), &two);
	assert_null(map_get(&m, STR("a")));
	map_free(&m);
	assert_null(map_get(&m, STR("")));
}

static void keeps_its_own_keys(void **state)
{
	struct map m = {0};
	char room[] = "abc";

	(void)state;
	map_put(&m, str_make(room, 3), room);
	room[0] = 'x';
	assert_non_null(map_get(&m, STR("abc")));
	assert_null(map_get(&m, STR("xbc")));
	map_free(&m);
}

static void agrees_with_a_table(void **state)
{
	static int values[500];
	static bool present[500];
	struct map m = {0};
	unsigned seed = 3;
	char room[32];

	(void)state;
	for (int step = 0; step < 50000; step++) {
		int k = (int)((seed = seed * 1103515245 + 12345) >> 16) % 500;
		struct str key = key_of(k, room);
		void *old = present[k] ? &values[k] : NULL;

		if (seed >> 8 & 1)
			assert_ptr_equal(map_put(&m, key, &values[k]), old);
		else
			assert_ptr_equal(map_remove(&m, key), old);
		present[k] = seed >> 8 & 1;
	}
	for (int k = 0; k < 500; k++)
		assert_ptr_equal(map_get(&m, key_of(k, room)), present[k] ? &values[k] : NULL);
	map_free(&m);
}

static void walks_over_all(void **state)
{
	static int values[100];
	struct map m = {0};
	char room[32];
	size_t n = 0;
	void *v;

	(void)state;
	for (int k = 0; k < 100; k++)
		map_put(&m, key_of(k, room), &values[k]);
	for (size_t i = 0; map_next(&m, &i, &v); n++)
		(*(int *)v)++;
	assert_int_equal(n, 100);
	for (int k = 0; k < 100; k++)
		assert_int_equal(values[k], 1);
	map_free(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(is_empty_at_first),  cmocka_unit_test(puts_and_replaces),
		cmocka_unit_test(keeps_its_own_keys), cmocka_unit_test(agrees_with_a_table),
		cmocka_unit_test(walks_over_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
