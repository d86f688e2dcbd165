/* Text written into fixed memory. */
#include "unit.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "base/text.h"

static char room[4096];

static struct text fresh(void)
{
	memset(room, '#', sizeof(room));
	return text_in(room, sizeof(room));
}

static void writes_numbers(void **state)
{
	static const uint64_t values[] = {0, 9, 10, 255, 4096, 1234567890123, UINT64_MAX};
	char want[64];

	(void)state;
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		struct text t = fresh();

		text_u64(&t, values[i]);
		text_char(&t, ' ');
		text_hex(&t, values[i]);
		snprintf(want, sizeof(want), "%" PRIu64 " %" PRIx64, values[i], values[i]);
		assert_str(text_str(&t), want);
	}
}

static void says_when_full(void **state)
{
	char small[4];
	struct text t = text_in(small, sizeof(small));

	(void)state;
	text_lit(&t, "abcde");
	assert_true(t.full);
	assert_int_equal(t.n, 0);
	t = text_in(small, sizeof(small));
	text_lit(&t, "abcd");
	assert_false(t.full);
	text_char(&t, 'e');
	assert_true(t.full);
	assert_str(text_str(&t), "abcd");
	t = text_in(small, sizeof(small));
	text_json(&t, STR("\n\n\n"));
	assert_true(t.full);
}

static void check_json(struct str in, const char *want)
{
	struct text t = fresh();

	text_json(&t, in);
	assert_str(text_str(&t), want);
	assert_false(t.full);
}

static void writes_json(void **state)
{
	(void)state;
	check_json(STR(""), "\"\"");
	check_json(str_make(NULL, 0), "\"\"");
	check_json(STR("plain / text"), "\"plain / text\"");
	check_json(STR("a\"b\\c"), "\"a\\\"b\\\\c\"");
	check_json(STR("\n\r\t\x01\x1f\0"), "\"\\n\\r\\t\\u0001\\u001f\\u0000\"");
	check_json(STR("\xC3\xA4 \xE2\x82\xAC \xF0\x9F\x98\x80"),
		   "\"\xC3\xA4 \xE2\x82\xAC \xF0\x9F\x98\x80\"");
	check_json(STR("\xFF\x80\xC3"), "\"\\u00ff\\u0080\\u00c3\"");
	check_json(STR("\xC0\x80"), "\"\\u00c0\\u0080\"");
	check_json(STR("\xE0\x80\x80"), "\"\\u00e0\\u0080\\u0080\"");
	check_json(STR("\xED\xA0\x80"), "\"\\u00ed\\u00a0\\u0080\"");
	check_json(STR("\xF4\x90\x80\x80"), "\"\\u00f4\\u0090\\u0080\\u0080\"");
	check_json(STR("\xE2\x82"
		       "a"),
		   "\"\\u00e2\\u0082a\"");
	check_json(STR("\xE2\x82"), "\"\\u00e2\\u0082\"");
}

static void writes_html(void **state)
{
	struct text t = fresh();

	(void)state;
	text_html(&t, STR("<a href=\"x\">'&'</a>"));
	assert_str(text_str(&t), "&lt;a href=&quot;x&quot;&gt;&#39;&amp;&#39;&lt;/a&gt;");
}

static void writes_times(void **state)
{
	static const int64_t fixed[] = {0,
					-1,
					951782400000,
					951868799999,
					4107542400000,
					1709164800123,
					253402300799999,
					-2208988800000};

	(void)state;
	for (size_t i = 0; i < 4000; i++) {
		int64_t ms = i < 8 ? fixed[i] : (int64_t)i * 86400000 * 5 + (int64_t)i * 12345;
		time_t seconds = (time_t)(ms < 0 ? (ms - 999) / 1000 : ms / 1000);
		struct text t = fresh();
		char date[32], want[64];
		struct tm tm;

		text_time(&t, ms);
		gmtime_r(&seconds, &tm);
		strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm);
		snprintf(want, sizeof(want), "%s.%03dZ", date, (int)(ms - (int64_t)seconds * 1000));
		assert_str(text_str(&t), want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(writes_numbers), cmocka_unit_test(says_when_full),
		cmocka_unit_test(writes_json),    cmocka_unit_test(writes_html),
		cmocka_unit_test(writes_times),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
