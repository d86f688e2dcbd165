/* The byte queue, compared with a plain array over many random steps. */
#include "unit.h"

#include "base/buf.h"

static void starts_empty(void **state)
{
	struct buf b = {0};

	(void)state;
	assert_int_equal(buf_used(&b), 0);
	buf_append(&b, NULL, 0);
	assert_null(b.data);
	buf_free(&b);
}

static void keeps_order(void **state)
{
	static unsigned char model[1 << 16];
	size_t first = 0, last = 0;
	unsigned seed = 7;
	struct buf b = {0};

	(void)state;
	while (last < sizeof(model) - 700) {
		size_t n = (seed = seed * 1103515245 + 12345) >> 16 & 511;

		for (size_t i = 0; i < n; i++)
			model[last + i] = (unsigned char)(seed >> (i & 7));
		buf_append(&b, model + last, n);
		last += n;
		n = (seed = seed * 1103515245 + 12345) >> 16 & 511;
		if (n > last - first)
			n = last - first;
		buf_consume(&b, n);
		first += n;
		assert_int_equal(buf_used(&b), last - first);
		if (last != first)
			assert_memory_equal(b.data + b.head, model + first, last - first);
	}
	assert_true(b.cap <= 65536);
	buf_free(&b);
	assert_null(b.data);
}

static void stays_small_when_drained(void **state)
{
	struct buf b = {0};
	char *memory;

	(void)state;
	buf_append(&b, "0123456789", 10);
	memory = b.data;
	for (int i = 0; i < 10000; i++) {
		buf_append(&b, "0123456789", 10);
		buf_consume(&b, 10);
	}
	assert_ptr_equal(b.data, memory);
	buf_consume(&b, 10);
	assert_int_equal(b.head, 0);
	assert_ptr_equal(b.data, memory);
	buf_free(&b);
}

static void reserves_and_prints(void **state)
{
	struct buf b = {0};

	(void)state;
	memcpy(buf_reserve(&b, 5000), "abc", 3);
	buf_commit(&b, 3);
	buf_printf(&b, "-%d-%s", 42, "x");
	buf_printf(&b, "%s", "");
	buf_add(&b, STR("!"));
	assert_str(buf_str(&b), "abc-42-x!");
	buf_clear(&b);
	assert_int_equal(buf_used(&b), 0);
	buf_free(&b);
}

static void skips_a_slice(void **state)
{
	char bytes[] = "xxabcdyy";
	struct slice s = {.p = bytes + 2, .n = 4, .before = 2, .after = 2};

	(void)state;
	s = slice_skip(s, 3);
	assert_str(slice_str(s), "d");
	assert_int_equal(s.before, 5);
	assert_int_equal(s.after, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(starts_empty),
		cmocka_unit_test(keeps_order),
		cmocka_unit_test(stays_small_when_drained),
		cmocka_unit_test(reserves_and_prints),
		cmocka_unit_test(skips_a_slice),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
