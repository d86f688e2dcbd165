/* ini files as such: what is read, and that nothing is cut, folded, joined or dropped without a
 * word. */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>

#include "files/settings_internal.h"

static struct settings_error err;

static bool parse(struct ini *ini, const char *text, bool heading_optional)
{
	static const char *const sections[] = {"service", "proxy", NULL};
	strcpy(err.text, "");
	return ini_parse(ini, str_of(text), "x.ini", sections, heading_optional, &err);
}

static void test_read(void **state)
{
	static const struct {
		const char *text, *value;
	} good[] = {
		{"[service]\na = b\n", "b"},
		{"[service]\na=b", "b"},
		{"  [ service ]  \r\n\t a\t=\tb \r\n", "b"},
		{"# c\n; c = d\n[service]\n\na = b c\n", "b c"},
		{"[service]\na =\n", ""},
		{"[service]\na = \"\"\n", ""},
		{"[service]\na = ''\n", ""},
		{"[service]\na = \"b;c#d\"\n", "b;c#d"},
		{"[service]\na = 'b \"c\" d'\n", "b \"c\" d"},
		{"[service]\na = b=c\n", "b=c"},
		{"[service]\na = b\"c\n", "b\"c"},
		{"[service]\na = \xc3\xa4\n", "\xc3\xa4"},
		{"[service]\n[proxy]\n[service]\na = b\n", "b"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct ini ini;
		if (!parse(&ini, good[i].text, false))
			fail_msg("%s: %s", good[i].text, err.text);
		assert_int_equal(ini.count, 1);
		assert_string_equal(ini.pairs[0].section, "service");
		assert_string_equal(ini.pairs[0].key, "a");
		assert_string_equal(ini.pairs[0].value, good[i].value);
		ini_free(&ini);
	}
}

static void test_heading_optional(void **state)
{
	struct ini ini;
	(void)state;
	assert_true(parse(&ini, "a = 1\n[service]\nb = 2\n", true));
	assert_int_equal(ini.count, 2);
	assert_string_equal(ini.pairs[0].section, "service");
	assert_int_equal(ini.pairs[1].line, 3);
	ini_free(&ini);
	assert_true(parse(&ini, "", true));
	assert_int_equal(ini.count, 0);
	ini_free(&ini);
	assert_false(parse(&ini, "a = 1\n", false));
	assert_non_null(
		strstr(err.text, "x.ini: line 1: a stands before any heading; write [service]"));
}

static void test_refused(void **state)
{
	static const struct {
		const char *text, *message;
	} bad[] = {
		{"a = 1\nb = 2\na = 3\n", "line 3: [service] a is set twice (first in line 1)"},
		{"a = b ; c\n", "line 1: a = b ; c: ; and # need quotes"},
		{"a = b#c\n", "need quotes"},
		{"a = \"b\n", "the closing quote is missing"},
		{"a = \"b\" c\n", "nothing may follow the closing quote"},
		{"a = 'b'c'\n", "nothing may follow"},
		{"a\n", "no =; write key = value"},
		{"= b\n", "no key before the ="},
		{"A = b\n", "A: keys are lower-case"},
		{"a-b = c\n", "a key is made of"},
		{"a b = c\n", "a key is made of"},
		{"a = b\\\nc = d\n", "line 1: ends with a backslash"},
		{"# comment \\\na = b\n", "line 1: ends with a backslash"},
		{"a = b\x01\n", "a control character (0x01)"},
		{"a = b\rc\n", "a control character (0x0d)"},
		{"[service\n", "a heading is [section]"},
		{"[service] # c\n", "a heading is [section]"},
		{"[Service]\n", "[Service]: no such section; use [service] or [proxy]"},
		{"[]\n", "no such section"},
		{"[", "a heading is [section]"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct ini ini;
		if (parse(&ini, bad[i].text, true))
			fail_msg("accepted: %s", bad[i].text);
		if (strstr(err.text, bad[i].message) == NULL)
			fail_msg("got \"%s\", want \"%s\"", err.text, bad[i].message);
	}
}

static void test_nul(void **state)
{
	static const char *const sections[] = {"service", NULL};
	struct ini ini;
	(void)state;
	assert_false(ini_parse(&ini, STR("a = b\0c\n"), "x.ini", sections, true, &err));
	assert_non_null(strstr(err.text, "a control character (0x00)"));
}

/* The longest line passes whole; one byte more is an error that says what to do. */
static void test_long_lines(void **state)
{
	char text[1100];
	struct ini ini;
	(void)state;
	for (size_t n = INI_LINE_MAX - 1; n <= INI_LINE_MAX + 1; n++) {
		memset(text, 'x', sizeof(text));
		text[1] = '=';
		text[n] = '\n';
		text[n + 1] = '\0';
		if (n > INI_LINE_MAX) {
			assert_false(parse(&ini, text, true));
			assert_non_null(strstr(err.text, "line 1: longer than 1000 bytes"));
			continue;
		}
		assert_true(parse(&ini, text, true));
		assert_int_equal(strlen(ini.pairs[0].value), n - 2);
		ini_free(&ini);
	}
}

static void test_many_keys(void **state)
{
	char *text = malloc(8192);
	size_t n = 0;
	struct ini ini;
	(void)state;
	for (int i = 0; i < 257; i++)
		n += (size_t)sprintf(text + n, "key%d = 1\n", i);
	assert_false(parse(&ini, text, true));
	assert_non_null(strstr(err.text, "line 257: more than 256 options"));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_read),       cmocka_unit_test(test_heading_optional),
		cmocka_unit_test(test_refused),    cmocka_unit_test(test_nul),
		cmocka_unit_test(test_long_lines), cmocka_unit_test(test_many_keys),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
