/* The arena: alignment, pieces that do not overlap, reuse, poison where the sanitizer is there. */
#include "unit.h"

#include <stdlib.h>

#include "base/arena.h"

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#endif

static struct arena *make(void)
{
	struct arena *a = malloc(sizeof(*a));

	arena_init(a);
	return a;
}

static void gives_aligned_pieces(void **state)
{
	struct arena *a = make();
	unsigned char *pieces[200];
	size_t sizes[200];

	(void)state;
	for (size_t i = 0; i < 200; i++) {
		sizes[i] = i % 7 == 0 ? i * 97 : i;
		pieces[i] = arena_alloc(a, sizes[i]);
		assert_int_equal((uintptr_t)pieces[i] % 16, 0);
		memset(pieces[i], (int)i, sizes[i]);
	}
	for (size_t i = 0; i < 200; i++)
		for (size_t k = 0; k < sizes[i]; k++)
			assert_int_equal(pieces[i][k], i);
	arena_reset(a);
	free(a);
}

static void uses_the_first_block_first(void **state)
{
	struct arena *a = make();

	(void)state;
	arena_alloc(a, ARENA_FIRST - 16);
	assert_null(a->more);
	arena_alloc(a, 16);
	assert_null(a->more);
	arena_alloc(a, 1);
	assert_non_null(a->more);
	arena_reset(a);
	assert_null(a->more);
	assert_ptr_equal(arena_alloc(a, 1), a->first);
	arena_reset(a);
	free(a);
}

static void keeps_the_block_beside_a_large_piece(void **state)
{
	struct arena *a = make();
	char *small = arena_alloc(a, 16);

	(void)state;
	arena_alloc(a, 100000);
	assert_ptr_equal(arena_alloc(a, 16), small + 16);
	arena_reset(a);
	free(a);
}

static void copies_text(void **state)
{
	struct arena *a = make();
	struct str s = arena_copy(a, str_make("abcdef", 3));

	(void)state;
	assert_str(s, "abc");
	assert_int_equal(s.p[3], '\0');
	assert_int_equal(arena_copy(a, str_make(NULL, 0)).n, 0);
	arena_reset(a);
	free(a);
}

static void poisons_what_is_not_lent(void **state)
{
	(void)state;
#ifdef __SANITIZE_ADDRESS__
	struct arena *a = make();
	char *p = arena_alloc(a, 5);

	assert_false(__asan_address_is_poisoned(p + 4));
	assert_true(__asan_address_is_poisoned(p + 5));
	assert_true(__asan_address_is_poisoned(p + 16));
	arena_reset(a);
	assert_true(__asan_address_is_poisoned(p));
	free(a);
#else
	skip();
#endif
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gives_aligned_pieces),
		cmocka_unit_test(uses_the_first_block_first),
		cmocka_unit_test(keeps_the_block_beside_a_large_piece),
		cmocka_unit_test(copies_text),
		cmocka_unit_test(poisons_what_is_not_lent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
