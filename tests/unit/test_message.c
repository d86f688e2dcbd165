/* Tables of names and statuses, questions to a head, hosts. */
#include "unit.h"

#include <ctype.h>

#include "http/message.h"

static void knows_every_field(void **state)
{
	static const struct {
		const char *name;
		enum field_id id;
	} fields[] = {
#define X(id, name) {name, HDR_##id},
		HTTP_FIELDS(X)
#undef X
	};

	(void)state;
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		char upper[64];
		size_t n = strlen(fields[i].name);

		for (size_t k = 0; k < n; k++)
			upper[k] = (char)toupper((unsigned char)fields[i].name[k]);
		assert_int_equal(field_id(str_of(fields[i].name)), fields[i].id);
		assert_int_equal(field_id(str_make(upper, n)), fields[i].id);
		upper[n - 1]++;
		if (fields[i].id != HDR_X_FORWARDED_ANY && n < 15)
			assert_int_equal(field_id(str_make(upper, n)), HDR_OTHER);
	}
}

static void knows_no_other_field(void **state)
{
	static const char *const names[] = {
		"",
		"a",
		"td",
		"hosts",
		"dote",
		"accept",
		"cache",
		"origin",
		"referer",
		"x-real-iq",
		"sec-ch-ua",
		"connectiom",
		"set-cookif",
		"x-forwarded",
		"y-forwarded-for",
		"accept-encoding",
		"if-modified-since",
		"x_forwarded_for",
		"content_length",
		"proxy-authenticatf",
		"proxy-authorizatiom",
		"a-very-long-name-of-a-field",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		assert_int_equal(field_id(str_of(names[i])), HDR_OTHER);
	assert_int_equal(field_id(STR("X-Forwarded-")), HDR_X_FORWARDED_ANY);
	assert_int_equal(field_id(STR("X-Forwarded-Port")), HDR_X_FORWARDED_ANY);
	assert_int_equal(field_id(STR("X-Forwarded-By")), HDR_X_FORWARDED_ANY);
}

static void knows_methods(void **state)
{
	(void)state;
	assert_int_equal(method_of(STR("GET")), METHOD_GET);
	assert_int_equal(method_of(STR("HEAD")), METHOD_HEAD);
	assert_int_equal(method_of(STR("POST")), METHOD_POST);
	assert_int_equal(method_of(STR("PUT")), METHOD_PUT);
	assert_int_equal(method_of(STR("DELETE")), METHOD_DELETE);
	assert_int_equal(method_of(STR("OPTIONS")), METHOD_OPTIONS);
	assert_int_equal(method_of(STR("TRACE")), METHOD_TRACE);
	assert_int_equal(method_of(STR("PATCH")), METHOD_PATCH);
	assert_int_equal(method_of(STR("CONNECT")), METHOD_CONNECT);
	assert_int_equal(method_of(STR("get")), METHOD_OTHER);
	assert_int_equal(method_of(STR("PROPFIND")), METHOD_OTHER);
	assert_true(method_is_idempotent(METHOD_GET));
	assert_true(method_is_idempotent(METHOD_PUT));
	assert_true(method_is_idempotent(METHOD_TRACE));
	assert_false(method_is_idempotent(METHOD_POST));
	assert_false(method_is_idempotent(METHOD_PATCH));
	assert_false(method_is_idempotent(METHOD_OTHER));
}

static void knows_reasons(void **state)
{
	(void)state;
	assert_string_equal(status_reason(200), "OK");
	assert_string_equal(status_reason(404), "Not Found");
	assert_string_equal(status_reason(511), "Network Authentication Required");
	assert_string_equal(status_reason(299), "");
	assert_string_equal(status_reason(-1), "");
	assert_string_equal(status_reason(512), "");
	assert_string_equal(status_reason(99999), "");
}

static void answers_questions_on_a_head(void **state)
{
	static struct head h = {
		.nfields = 4,
		.fields =
			{
				{{"Host", 4}, {"a", 1}, HDR_HOST},
				{{"Connection", 10}, {"close, X-One", 12}, HDR_CONNECTION},
				{{"X", 1}, {"x-three", 7}, HDR_OTHER},
				{{"Connection", 10}, {"x-Two", 5}, HDR_CONNECTION},
			},
	};

	(void)state;
	assert_ptr_equal(head_find(&h, HDR_CONNECTION), &h.fields[1]);
	assert_null(head_find(&h, HDR_COOKIE));
	assert_true(head_connection_lists(&h, STR("x-one")));
	assert_true(head_connection_lists(&h, STR("X-Two")));
	assert_false(head_connection_lists(&h, STR("x-three")));
	assert_false(head_connection_lists(&h, STR("x")));
}

static void moves_with_its_bytes(void **state)
{
	static const char from[] = "GET /p?q a: b";
	static const char to[] = "GET /p?q a: b";
	static struct head h;

	(void)state;
	h = (struct head){
		.method_name = {from, 3},
		.target = {from + 4, 4},
		.path = {from + 4, 2},
		.query = {from + 7, 1},
		.nfields = 1,
	};
	h.fields[0] = (struct field){{from + 9, 1}, {from + 12, 1}, HDR_OTHER};
	head_rebase(&h, from, to);
	assert_ptr_equal(h.method_name.p, to);
	assert_ptr_equal(h.target.p, to + 4);
	assert_ptr_equal(h.path.p, to + 4);
	assert_ptr_equal(h.query.p, to + 7);
	assert_ptr_equal(h.fields[0].name.p, to + 9);
	assert_ptr_equal(h.fields[0].value.p, to + 12);
	assert_null(h.authority.p);
	assert_null(h.upgrade_to.p);
}

static void normalises_hosts(void **state)
{
	static const char *const good[][2] = {
		{"example.com", "example.com"},
		{"EXAMPLE.com:80", "example.com"},
		{"example.com.", "example.com"},
		{"example.com.:8080", "example.com"},
		{"a_b-c.d:", "a_b-c.d"},
		{"a:65535", "a"},
		{"127.0.0.1:3000", "127.0.0.1"},
		{"[::1]", "[::1]"},
		{"[2001:DB8::1]:443", "[2001:db8::1]"},
		{"[::ffff:1.2.3.4]", "[::ffff:1.2.3.4]"},
	};
	char room[256];
	struct str host;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_true(host_normalise(str_of(good[i][0]), room, sizeof(room), &host));
		assert_str(host, good[i][1]);
	}
}

static void refuses_bad_hosts(void **state)
{
	static const char *const bad[] = {
		"",
		".",
		":80",
		"a:b",
		"a:65536",
		"a:-1",
		"a:80:80",
		"user@a",
		"a b",
		"a/b",
		"a%41",
		"[::1",
		"::1",
		"[]",
		"[::1]x",
		"[g::1]",
		"[fe80::1%25eth0]",
		"a\tb",
		"\xC3\xA4.de",
		"a,b",
		"a?",
		"a#",
		"http://a",
		"a:99999999999999999999",
	};
	char room[256];
	struct str host;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(host_normalise(str_of(bad[i]), room, sizeof(room), &host));
	assert_false(host_normalise(STR("a\0b"), room, sizeof(room), &host));
}

static void bounds_hosts(void **state)
{
	char name[255], room[256];
	struct str host;

	(void)state;
	memset(name, 'a', sizeof(name));
	assert_true(host_normalise(str_make(name, 253), room, sizeof(room), &host));
	assert_false(host_normalise(str_make(name, 254), room, sizeof(room), &host));
	name[253] = '.';
	assert_true(host_normalise(str_make(name, 254), room, sizeof(room), &host));
	assert_int_equal(host.n, 253);
	assert_false(host_normalise(STR("abcd"), room, 3, &host));
	assert_true(host_normalise(STR("abc:80"), room, 3, &host));
}

static struct str cookie_in(const char *first, const char *second)
{
	static struct head h;

	memset(&h, 0, sizeof(h));
	h.fields[h.nfields++] = (struct field){.value = STR("kamal-rollout=no"), .id = HDR_OTHER};
	h.fields[h.nfields++] = (struct field){.value = str_of(first), .id = HDR_COOKIE};
	if (second != NULL)
		h.fields[h.nfields++] = (struct field){.value = str_of(second), .id = HDR_COOKIE};
	return head_cookie(&h, STR("kamal-rollout"));
}

static void finds_the_first_cookie_of_a_name(void **state)
{
	static const struct {
		const char *first, *second, *value;
	} cases[] = {
		{"kamal-rollout=beta", NULL, "beta"},
		{"a=b; kamal-rollout=beta; c=d", NULL, "beta"},
		{"a=b;kamal-rollout=beta;c=d", NULL, "beta"},
		{"a=b", "c; kamal-rollout=beta", "beta"},
		{"kamal-rollout=one; kamal-rollout=two", "kamal-rollout=three", "one"},
		{"kamal-rollout=", "kamal-rollout=beta", ""},
		{"kamal-rollout=\"beta\"", NULL, "beta"},
		{"kamal-rollout=\"\"", NULL, ""},
		{"kamal-rollout=\"", NULL, "\""},
		{"kamal-rollout= b=c ", NULL, "b=c"},
		{"Kamal-Rollout=beta", NULL, ""},
		{"x-kamal-rollout=beta; kamal-rollouts=beta; kamal-rollout", NULL, ""},
		{"a=\"kamal-rollout=beta\"", NULL, ""},
		{"", NULL, ""},
		{";;=;", NULL, ""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct str value = cookie_in(cases[i].first, cases[i].second);
		assert_int_equal(value.n, strlen(cases[i].value));
		assert_true(str_eq(value, str_of(cases[i].value)));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(knows_every_field),
		cmocka_unit_test(knows_no_other_field),
		cmocka_unit_test(knows_methods),
		cmocka_unit_test(knows_reasons),
		cmocka_unit_test(answers_questions_on_a_head),
		cmocka_unit_test(moves_with_its_bytes),
		cmocka_unit_test(normalises_hosts),
		cmocka_unit_test(refuses_bad_hosts),
		cmocka_unit_test(bounds_hosts),
		cmocka_unit_test(finds_the_first_cookie_of_a_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
