/* Spans: comparing, cutting, reading numbers, times and sizes. */
#include "unit.h"

#include <stdlib.h>

static void compares(void **state)
{
	(void)state;
	assert_true(str_eq(STR(""), str_make(NULL, 0)));
	assert_true(str_eq(STR("abc"), STR("abc")));
	assert_false(str_eq(STR("abc"), STR("abd")));
	assert_false(str_eq(STR("abc"), STR("ab")));
	assert_true(str_ieq(STR("Content-Length"), STR("cONTENT-lENGTH")));
	assert_false(str_ieq(STR("a@b"), STR("a`b")));
	assert_false(str_ieq(STR("\xC4"), STR("\xE4")));
	assert_true(str_has_prefix(STR("abc"), STR("ab")));
	assert_true(str_has_prefix(STR("abc"), STR("")));
	assert_false(str_has_prefix(STR("a"), STR("ab")));
	assert_true(str_has_suffix(STR("app.sock"), STR(".sock")));
	assert_true(str_has_suffix(str_make(NULL, 0), STR("")));
	assert_false(str_has_suffix(STR("sock"), STR(".sock")));
}

static void trims(void **state)
{
	(void)state;
	assert_str(str_trim(STR(" \t a b \t")), "a b");
	assert_str(str_trim(STR(" \t ")), "");
	assert_str(str_trim(STR("\r\na\r\n")), "\r\na\r\n");
	assert_str(str_strip(STR("\r\n a \r\n")), "a");
}

static void splits(void **state)
{
	struct str rest = STR(" a, b,,c "), part;

	(void)state;
	assert_true(str_split(&rest, ',', &part));
	assert_str(part, "a");
	assert_true(str_split(&rest, ',', &part));
	assert_str(part, "b");
	assert_true(str_split(&rest, ',', &part));
	assert_str(part, "");
	assert_true(str_split(&rest, ',', &part));
	assert_str(part, "c");
	assert_false(str_split(&rest, ',', &part));

	rest = STR("a,");
	assert_true(str_split(&rest, ',', &part));
	assert_true(str_split(&rest, ',', &part));
	assert_str(part, "");
	assert_null(rest.p);

	rest = STR("");
	assert_true(str_split(&rest, ',', &part));
	assert_str(part, "");
	assert_false(str_split(&rest, ',', &part));
}

static void finds(void **state)
{
	(void)state;
	assert_int_equal(str_find(STR("abc"), 'b'), 1);
	assert_int_equal(str_find(STR("abc"), 'x'), 3);
	assert_int_equal(str_find(str_make(NULL, 0), 'x'), 0);
}

static void reads_numbers(void **state)
{
	static const char *const bad[] = {
		"",
		"+5",
		"-5",
		" 5",
		"5 ",
		"0x5",
		"5,5",
		"5a",
		"18446744073709551616",
		"99999999999999999999",
	};
	static const char *const bad_hex[] = {"", "0x5", "g", "+1", "10000000000000000", " 1"};
	uint64_t v;

	(void)state;
	assert_true(str_to_u64(STR("0"), &v) && v == 0);
	assert_true(str_to_u64(STR("007"), &v) && v == 7);
	assert_true(str_to_u64(STR("18446744073709551615"), &v) && v == UINT64_MAX);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(str_to_u64(str_of(bad[i]), &v));
	assert_true(str_hex_to_u64(STR("fF"), &v) && v == 255);
	assert_true(str_hex_to_u64(STR("ffffffffffffffff"), &v) && v == UINT64_MAX);
	for (size_t i = 0; i < sizeof(bad_hex) / sizeof(bad_hex[0]); i++)
		assert_false(str_hex_to_u64(str_of(bad_hex[i]), &v));
}

static void reads_durations(void **state)
{
	static const char *const bad[] = {"",     "5",   "s",  "ms", "-1s",
					  "1.5s", "1 s", "1d", "5S", "18446744073709551615h"};
	uint64_t ms;

	(void)state;
	assert_true(str_to_duration(STR("0"), &ms) && ms == 0);
	assert_true(str_to_duration(STR("0s"), &ms) && ms == 0);
	assert_true(str_to_duration(STR("500ms"), &ms) && ms == 500);
	assert_true(str_to_duration(STR("30s"), &ms) && ms == 30000);
	assert_true(str_to_duration(STR("5m"), &ms) && ms == 300000);
	assert_true(str_to_duration(STR("1h"), &ms) && ms == 3600000);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(str_to_duration(str_of(bad[i]), &ms));
}

static void reads_sizes(void **state)
{
	static const char *const bad[] = {"", "k", "1t", "1kb", "-1k", "18446744073709551615k"};
	uint64_t n;

	(void)state;
	assert_true(str_to_size(STR("123"), &n) && n == 123);
	assert_true(str_to_size(STR("64k"), &n) && n == 65536);
	assert_true(str_to_size(STR("1m"), &n) && n == 1048576);
	assert_true(str_to_size(STR("2g"), &n) && n == 2147483648);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(str_to_size(str_of(bad[i]), &n));
}

static void hashes_as_published(void **state)
{
	(void)state;
	assert_int_equal(str_fnv1a32(STR("")), 0x811c9dc5);
	assert_int_equal(str_fnv1a32(STR("a")), 0xe40c292c);
	assert_int_equal(str_fnv1a32(STR("foobar")), 0xbf9cf968);
	assert_true(str_hash(STR("foobar")) == 0x85944171f73967e8ULL);
}

static void copies(void **state)
{
	char fixed[4];
	char *copy = str_dup(str_make("abcdef", 3));

	(void)state;
	assert_string_equal(copy, "abc");
	free(copy);
	assert_true(str_copy(fixed, sizeof(fixed), STR("abc")));
	assert_string_equal(fixed, "abc");
	assert_false(str_copy(fixed, sizeof(fixed), STR("abcd")));
	assert_string_equal(fixed, "");
	assert_false(str_copy(fixed, sizeof(fixed), STR("a\0b")));
	assert_false(str_copy(fixed, 0, STR("")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(compares),      cmocka_unit_test(trims),
		cmocka_unit_test(splits),        cmocka_unit_test(finds),
		cmocka_unit_test(reads_numbers), cmocka_unit_test(reads_durations),
		cmocka_unit_test(reads_sizes),   cmocka_unit_test(hashes_as_published),
		cmocka_unit_test(copies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
