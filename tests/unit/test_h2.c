/* Field sections of HTTP/2: what becomes of them as heads of HTTP/1.1, and what becomes none. */
#include "unit.h"

#include <stdlib.h>

#include "http/h2.h"

#define NONCE "0123456789abcdef"

static const struct h1_limits roomy = {.head = 32768, .line = 8192, .fields = 100};
static struct h2_section section;
static struct head head;
static struct str raw;

/* "name|value" each. */
static void begin(const struct h1_limits *limits, bool trailers, const char *const *fields)
{
	h2_section_begin(&section, limits, trailers);
	for (; *fields != NULL; fields++) {
		/* Exactly as long as they are, so that reading on is noticed. */
		size_t n = strcspn(*fields, "|"), all = strlen(*fields);
		char *copy = malloc(all);
		memcpy(copy, *fields, all);
		h2_section_add(&section, str_make(copy, n), str_make(copy + n + 1, all - n - 1));
		free(copy);
	}
}

static int read_request(const struct h1_limits *limits, bool fin, const char *const *fields)
{
	begin(limits, false, fields);
	return h2_section_request(&section, limits, fin, NONCE, &head, &raw);
}

#define F(...) ((const char *const[]){__VA_ARGS__, NULL})
#define LINE(method, path) ":method|" method, ":scheme|https", ":authority|a.org", ":path|" path
#define GET LINE("GET", "/")

static void a_request_becomes_the_same_head(void **state)
{
	(void)state;
	assert_int_equal(read_request(&roomy, true,
				      F(LINE("GET", "/x/y?q=1"), "user-agent|me", "te|trailers")),
			 0);
	assert_str(raw, "GET /x/y?q=1 HTTP/1.1\r\nhost: a.org\r\nuser-agent: me\r\n"
			"te: trailers\r\n\r\n");
	assert_int_equal(head.method, METHOD_GET);
	assert_str(head.path, "/x/y");
	assert_str(head.query, "q=1");
	assert_str(head.authority, "a.org");
	assert_int_equal(head.body, BODY_NONE);
	assert_int_equal(head.nfields, 3);
	assert_false(head.upgrade);
}

static void pseudo_fields_may_come_in_any_order(void **state)
{
	(void)state;
	assert_int_equal(read_request(&roomy, true,
				      F(":path|/p", ":authority|A.org:8443", ":scheme|http",
					":method|OPTIONS", "a|b")),
			 0);
	assert_str(raw, "OPTIONS /p HTTP/1.1\r\nhost: A.org:8443\r\na: b\r\n\r\n");
}

static void the_body_is_as_long_as_said_or_chunked(void **state)
{
	(void)state;
	assert_int_equal(read_request(&roomy, false, F(LINE("POST", "/"))), 0);
	assert_int_equal(head.body, BODY_CHUNKED);
	assert_int_equal(read_request(&roomy, false, F(LINE("POST", "/"), "content-length|7")), 0);
	assert_int_equal(head.body, BODY_LENGTH);
	assert_int_equal(head.length, 7);
	assert_int_equal(read_request(&roomy, true, F(LINE("POST", "/"))), 0);
	assert_int_equal(head.body, BODY_LENGTH);
	assert_int_equal(head.length, 0);
	assert_int_equal(read_request(&roomy, true, F(GET, "content-length|0")), 0);
	assert_int_equal(read_request(&roomy, true, F(GET, "content-length|7")), 400);
}

static void cookies_are_put_together(void **state)
{
	(void)state;
	assert_int_equal(read_request(&roomy, true,
				      F(GET, "cookie|a=1", "cookie|b=2", "x|y", "cookie|", "z|z",
					"cookie|c=3")),
			 0);
	assert_str(raw, "GET / HTTP/1.1\r\nhost: a.org\r\ncookie: a=1; b=2; ; c=3\r\nx: y\r\n"
			"z: z\r\n\r\n");
}

static void a_host_field_says_the_same_or_stands_alone(void **state)
{
	(void)state;
	assert_int_equal(read_request(&roomy, true, F(GET, "host|A.ORG")), 0);
	assert_str(raw, "GET / HTTP/1.1\r\nhost: a.org\r\n\r\n");
	assert_int_equal(read_request(&roomy, true, F(GET, "host|b.org")), 400);
	assert_int_equal(read_request(&roomy, true,
				      F(":method|GET", ":scheme|http", ":path|/", "host|b.org")),
			 0);
	assert_str(head.authority, "b.org");
	assert_int_equal(read_request(&roomy, true, F(":method|GET", ":scheme|http", ":path|/")),
			 400);
	assert_int_equal(read_request(&roomy, true,
				      F(":method|GET", ":scheme|http", ":path|/", "host|b.org",
					"host|b.org")),
			 400);
}

static void names_with_underscores_are_dropped(void **state)
{
	(void)state;
	assert_int_equal(read_request(&roomy, true, F(GET, "x_y|1", "x-y|2")), 0);
	assert_int_equal(head.nfields, 2);
}

static const char *const bad[][8] = {
	{":method|GET", ":scheme|https", ":path|/"},
	{":method|GET", ":scheme|https", ":authority|a.org"},
	{":method|GET", ":authority|a.org", ":path|/"},
	{":scheme|https", ":authority|a.org", ":path|/"},
	{"x|y"},
	{":method|GET", GET},
	{GET, ":status|200"},
	{GET, ":protocol|websocket"},
	{GET, "x|y", ":path|/"},
	{LINE("CONNECT", "/")},
	{LINE("G T", "/")},
	{LINE("GET /x HTTP/1.1\r\nX:", "/")},
	{LINE("", "/")},
	{LINE("GET", "")},
	{LINE("GET", "x")},
	{LINE("GET", "*")},
	{LINE("GET", "http://b.org/")},
	{LINE("GET", "/ HTTP/1.1\r\nX: y")},
	{LINE("GET", "/a b")},
	{LINE("GET", "/\x80")},
	{LINE("GET", "/#f")},
	{":method|GET", ":scheme|ftp", ":authority|a.org", ":path|/"},
	{":method|GET", ":scheme|https", ":authority|", ":path|/"},
	{":method|GET", ":scheme|https", ":authority|u@a.org", ":path|/"},
	{":method|GET", ":scheme|https", ":authority|a.org\r\nx: y", ":path|/"},
	{GET, "X|y"},
	{GET, "|y"},
	{GET, "x y|z"},
	{GET, "x:|z"},
	{GET, "x|a\rb"},
	{GET, "x|a\nb"},
	{GET, "x|a\x7f"},
	{GET, "x| a"},
	{GET, "x|a\t"},
	{GET, "connection|close"},
	{GET, "keep-alive|1"},
	{GET, "proxy-connection|x"},
	{GET, "transfer-encoding|chunked"},
	{GET, "upgrade|websocket"},
	{GET, "te|gzip"},
	{GET, "content-length|1x"},
	{GET, "content-length|0", "content-length|0"},
};

static void what_is_malformed_is_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (read_request(&roomy, true, bad[i]) != 400)
			fail_msg("case %zu became \"%.*s\"", i, STR_ARG(raw));
	}
}

static void a_nul_in_a_value_is_refused(void **state)
{
	(void)state;
	begin(&roomy, false, F(GET));
	h2_section_add(&section, STR("x"), str_make("a\0b", 3));
	assert_int_equal(h2_section_request(&section, &roomy, true, NONCE, &head, &raw), 400);
}

static void limits_are_those_of_http_1(void **state)
{
	const struct h1_limits small = {.head = 100, .line = 30, .fields = 3};
	(void)state;
	assert_int_equal(read_request(&small, true, F(GET, "a|b", "c|d")), 0);
	assert_int_equal(read_request(&small, true, F(GET, "a|b", "c|d", "e|f")), 431);
	assert_int_equal(read_request(&small, true, F(LINE("GET", "/012345678901234567890"))), 414);
	assert_int_equal(read_request(&small, true,
				      F(GET, "a|0123456789012345678901234567890123456789012345678"
					     "901234567890123456789")),
			 431);
	h2_section_begin(&section, &small, false);
	for (int i = 0; i < 1000; i++)
		h2_section_add(&section, STR("x"), STR("0123456789"));
	assert_in_range(section.text.cap, 0, 1024);
}

static void a_websocket_becomes_an_upgrade(void **state)
{
	(void)state;
	assert_int_equal(read_request(&roomy, false,
				      F(LINE("CONNECT", "/chat"), ":protocol|websocket",
					"sec-websocket-version|13", "sec-websocket-key|mine",
					"origin|https://a.org")),
			 0);
	assert_str(raw, "GET /chat HTTP/1.1\r\nhost: a.org\r\nsec-websocket-version: 13\r\n"
			"origin: https://a.org\r\nsec-websocket-key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n"
			"connection: upgrade\r\nupgrade: websocket\r\n\r\n");
	assert_true(head.upgrade);
	assert_str(head.upgrade_to, "websocket");
	assert_int_equal(head.method, METHOD_GET);
	assert_int_equal(
		read_request(&roomy, false, F(LINE("CONNECT", "/"), ":protocol|connect-udp")), 501);
	assert_int_equal(read_request(&roomy, true, F(LINE("CONNECT", "/"), ":protocol|websocket")),
			 400);
	assert_int_equal(
		read_request(&roomy, false,
			     F(LINE("CONNECT", "/"), ":protocol|websocket", "content-length|3")),
		400);
}

static void trailers_are_lines(void **state)
{
	struct str got;
	(void)state;
	begin(&roomy, true, F("x-sum|42", "x-last|yes"));
	assert_true(h2_section_trailers(&section, &got));
	assert_str(got, "x-sum: 42\r\nx-last: yes\r\n");
	begin(&roomy, true, F(":path|/"));
	assert_false(h2_section_trailers(&section, &got));
	begin(&roomy, true, F("x|a\r\nb"));
	assert_false(h2_section_trailers(&section, &got));
}

static int free_section(void **state)
{
	(void)state;
	h2_section_free(&section);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_request_becomes_the_same_head),
		cmocka_unit_test(pseudo_fields_may_come_in_any_order),
		cmocka_unit_test(the_body_is_as_long_as_said_or_chunked),
		cmocka_unit_test(cookies_are_put_together),
		cmocka_unit_test(a_host_field_says_the_same_or_stands_alone),
		cmocka_unit_test(names_with_underscores_are_dropped),
		cmocka_unit_test(what_is_malformed_is_refused),
		cmocka_unit_test(a_nul_in_a_value_is_refused),
		cmocka_unit_test(limits_are_those_of_http_1),
		cmocka_unit_test(a_websocket_becomes_an_upgrade),
		cmocka_unit_test(trailers_are_lines),
	};

	return cmocka_run_group_tests(tests, NULL, free_section);
}
