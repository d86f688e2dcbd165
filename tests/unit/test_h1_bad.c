/* Heads that must be refused, and with which result. */
#include "h1_feed.h"

#include <stdio.h>

#define H "Host: a\r\n"
#define GET "GET / HTTP/1.1\r\n" H
#define POST "POST / HTTP/1.1\r\n" H

static void check(h1_parser *p, struct str in, enum h1_result want)
{
	size_t used;
	enum h1_result got = parse(p, &roomy, in, &used);

	if (got != want)
		print_error("%d instead of %d for \"%.*s\"\n", (int)got, (int)want, STR_ARG(in));
	assert_int_equal(got, want);
}

static void refuses_bad_request_lines(void **state)
{
	static const struct str bad[] = {
		STR(" GET / HTTP/1.1\r\n"),
		STR("\r\n\r\nGET"),
		STR("\nGET / HTTP/1.1\r\n"),
		STR("\rG"),
		STR("GET  / HTTP/1.1\r\n"),
		STR("GET /  HTTP/1.1\r\n"),
		STR("GET\t/ HTTP/1.1\r\n"),
		STR("GET /\tHTTP/1.1\r\n"),
		STR("GET / HTTP/1.1 \r\n"),
		STR("GET / HTTP/1.1\n" H "\r\n"),
		STR("GET / HTTP/1.1\r\r\n"),
		STR("GET /\r\n"),
		STR("GET / http/1.1\r\n"),
		STR("GET / HTTP/1\r\n"),
		STR("GET / HTTP/11\r\n"),
		STR("GET / HTTP/1.10\r\n"),
		STR("GET / HTTP/+1.1\r\n"),
		STR("GET / HTTP/1.x\r\n"),
		STR("GET / HTTPS/1.1\r\n"),
		STR("G(T / HTTP/1.1\r\n"),
		STR("G\0T / HTTP/1.1\r\n"),
		STR("ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFG / HTTP/1.1\r\n"),
		STR("GET /# HTTP/1.1\r\n"),
		STR("GET /\x7F HTTP/1.1\r\n"),
		STR("GET /\xC3\xA4 HTTP/1.1\r\n"),
		STR("GET /a\0b HTTP/1.1\r\n"),
		STR("GET a HTTP/1.1\r\n"),
		STR("GET * HTTP/1.1\r\n"),
		STR("OPTIONS *x HTTP/1.1\r\n"),
		STR("GET a:80 HTTP/1.1\r\n"),
		STR("GET ftp://a/ HTTP/1.1\r\n"),
		STR("GET http:/a HTTP/1.1\r\n"),
		STR("CONNECT a:80 HTTP/1.1\r\n" H "\r\n"),
		STR("GET ?x HTTP/1.1\r\n"),
		STR("\x16\x03\x01"),
	};

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++)
		check(h1_parse_request, bad[i], H1_BAD);
}

static void refuses_other_versions(void **state)
{
	(void)state;
	check(h1_parse_request, STR("GET / HTTP/1.2\r\n"), H1_VERSION);
	check(h1_parse_request, STR("GET / HTTP/0.9\r\n"), H1_VERSION);
	check(h1_parse_request, STR("GET / HTTP/2.0\r\n"), H1_VERSION);
	check(h1_parse_request, STR("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), H1_VERSION);
	check(h1_parse_answer, STR("HTTP/2.0 200 OK\r\n"), H1_VERSION);
}

static void refuses_bad_fields(void **state)
{
	static const struct str bad[] = {
		STR(GET "A : b\r\n\r\n"),
		STR(GET "A\t: b\r\n\r\n"),
		STR(GET " A: b\r\n\r\n"),
		STR(GET "A: b\r\n c\r\n\r\n"),
		STR(GET "A: b\r\n\tc\r\n\r\n"),
		STR(GET ": b\r\n\r\n"),
		STR(GET "A\r\n\r\n"),
		STR(GET "A b: c\r\n\r\n"),
		STR(GET "A: b\n\r\n"),
		STR(GET "A: b\r\n\n"),
		STR(GET "A: b\r\r\n\r\n"),
		STR(GET "A: b\rc\r\n\r\n"),
		STR(GET "A: b\0c\r\n\r\n"),
		STR(GET "A\0: b\r\n\r\n"),
		STR(GET "A: \x7F\r\n\r\n"),
		STR(GET "A: \x01\r\n\r\n"),
		STR(GET "A: \x1B[0m\r\n\r\n"),
		STR(GET "A\xC3: b\r\n\r\n"),
		STR(GET "A(b): c\r\n\r\n"),
		STR(GET "A: b\r\n\rX"),
		STR(GET "a_b : c\r\n\r\n"),
		STR(GET "A: 0123456789abcdefghijklmnopqrstuvwxyz\x0b\r\n\r\n"),
	};

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++)
		check(h1_parse_request, bad[i], H1_BAD);
}

static void refuses_bad_hosts(void **state)
{
	static const struct str bad[] = {
		STR("GET / HTTP/1.1\r\n\r\n"),
		STR("GET / HTTP/1.1\r\nHost:\r\n\r\n"),
		STR("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"),
		STR("GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n"),
		STR("GET / HTTP/1.1\r\nHost: a b\r\n\r\n"),
		STR("GET / HTTP/1.1\r\nHost: a, b\r\n\r\n"),
		STR("GET / HTTP/1.1\r\nHost: u@a\r\n\r\n"),
		STR("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"),
		STR("GET / HTTP/1.1\r\nHost: a:b\r\n\r\n"),
		STR("GET / HTTP/1.0\r\nHost: \r\n\r\n"),
		STR("GET http://a/ HTTP/1.1\r\nHost: b\r\n\r\n"),
		STR("GET http://a:81/ HTTP/1.1\r\nHost: a\r\n\r\n"),
		STR("GET https://a/ HTTP/1.1\r\nHost: a:80\r\n\r\n"),
		STR("GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n"),
		STR("GET http:///x HTTP/1.1\r\nHost: a\r\n\r\n"),
		STR("GET http://a/ HTTP/1.1\r\n\r\n"),
		STR("GET http://a%41/ HTTP/1.0\r\n\r\n"),
	};

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++)
		check(h1_parse_request, bad[i], H1_BAD);
}

static void refuses_bad_lengths(void **state)
{
	static const char *const lengths[] = {
		"+5",
		"-5",
		"0x5",
		"5,5",
		"5, 5",
		"5 5",
		"",
		" ",
		"5a",
		"1e1",
		"5;",
		"\"5\"",
		"18446744073709551616",
		"00000000000000000018446744073709551616",
	};
	char text[256];

	(void)state;
	for (size_t i = 0; i < COUNT(lengths); i++) {
		snprintf(text, sizeof(text), POST "Content-Length: %s\r\n\r\n", lengths[i]);
		check(h1_parse_request, str_of(text), H1_BAD);
		snprintf(text, sizeof(text), "HTTP/1.1 200 OK\r\nContent-Length: %s\r\n\r\n",
			 lengths[i]);
		check(h1_parse_answer, str_of(text), H1_BAD);
	}
}

static void check_codings(const char *const *codings, size_t n, enum h1_result want)
{
	char text[256];

	for (size_t i = 0; i < n; i++) {
		snprintf(text, sizeof(text), POST "Transfer-Encoding: %s\r\n\r\n", codings[i]);
		check(h1_parse_request, str_of(text), want);
	}
}

static void refuses_bad_codings(void **state)
{
	static const char *const codings[] = {
		"chunked, chunked",
		"chunked,",
		",chunked",
		"",
		"chunked;q=1",
		"\"chunked\"",
		"chun ked",
		"gzip,,chunked",
		"chunked\r\nTransfer-Encoding: chunked",
		"chunked\r\nContent-Length: 5",
		"gzip\r\nContent-Length: 5",
		"[chunked]",
		"\x0b"
		"chunked",
		"chunked\x0b",
		"\r\n chunked",
		"chunked, gzip, CHUNKED",
	};

	(void)state;
	check_codings(codings, COUNT(codings), H1_BAD);
}

static void knows_honest_codings(void **state)
{
	static const char *const codings[] = {
		"xchunked",
		"chunkedx",
		"gzip",
		"gzip, chunked",
		"chunked, gzip",
		"identity",
		"chunked, identity",
		"gzip\r\nTransfer-Encoding: chunked",
	};

	(void)state;
	check_codings(codings, COUNT(codings), H1_CODING);
}

static void refuses_both(void **state)
{
	(void)state;
	check(h1_parse_request, STR(POST "Content-Length: 5\r\nContent-Length: 5\r\n\r\n"), H1_BAD);
	check(h1_parse_request, STR("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"),
	      H1_BAD);
	check(h1_parse_request, STR(POST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"),
	      H1_BAD);
	check(h1_parse_request, STR(POST "Transfer-Encoding : chunked\r\n\r\n"), H1_BAD);
}

static enum h1_result limited(struct h1_limits limits, struct str in)
{
	size_t used;

	return parse(h1_parse_request, &limits, in, &used);
}

static void keeps_to_limits(void **state)
{
	const struct str in = STR("GET /12345 HTTP/1.1\r\nHost: a\r\nb_c: d\r\n\r\n");
	const struct str endless = STR("GET /1234567890123456789");
	char many[8192] = GET;
	size_t n = strlen(many);

	(void)state;
	assert_int_equal(limited((struct h1_limits){in.n, 19, 2}, in), H1_DONE);
	assert_int_equal(limited((struct h1_limits){in.n, 18, 2}, in), H1_LINE_TOO_LONG);
	assert_int_equal(limited((struct h1_limits){in.n - 1, 19, 2}, in), H1_TOO_LARGE);
	assert_int_equal(limited((struct h1_limits){in.n, 19, 1}, in), H1_TOO_LARGE);
	assert_int_equal(limited((struct h1_limits){1000, 20, 2}, endless), H1_LINE_TOO_LONG);
	assert_int_equal(limited((struct h1_limits){20, 1000, 2}, endless), H1_TOO_LARGE);
	assert_int_equal(limited((struct h1_limits){1000, endless.n, 2}, endless), H1_PARTIAL);
	for (int i = 1; i < HEAD_FIELDS_MAX; i++, n += 5)
		memcpy(many + n, "a:b\r\n", 5);
	memcpy(many + n, "\r\n", 2);
	assert_int_equal(limited((struct h1_limits){8192, 100, 9999}, str_make(many, n + 2)),
			 H1_DONE);
	assert_int_equal(head.nfields, HEAD_FIELDS_MAX);
	memcpy(many + n, "a:b\r\n\r\n", 7);
	assert_int_equal(limited((struct h1_limits){8192, 100, 9999}, str_make(many, n + 7)),
			 H1_TOO_LARGE);
}

static void refuses_bad_answers(void **state)
{
	static const struct str bad[] = {
		STR("\r\nHTTP/1.1 200 OK\r\n\r\n"),
		STR("HTTP/1.1  200 OK\r\n\r\n"),
		STR("HTTP/1.1 20 OK\r\n\r\n"),
		STR("HTTP/1.1 2000 OK\r\n\r\n"),
		STR("HTTP/1.1 099 OK\r\n\r\n"),
		STR("HTTP/1.1 600 OK\r\n\r\n"),
		STR("HTTP/1.1 200OK\r\n\r\n"),
		STR("HTTP/1.1 200\tOK\r\n\r\n"),
		STR("HTTP/1.1 200 OK\n\r\n"),
		STR("HTTP/1.1 200 O\0K\r\n\r\n"),
		STR("HTTP/1.1 +20 OK\r\n\r\n"),
		STR("200 OK\r\n\r\n"),
		STR("<html>"),
		STR("HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n"),
		STR("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n"),
		STR("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"),
		STR("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
	};

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++)
		check(h1_parse_answer, bad[i], H1_BAD);
	check(h1_parse_answer, STR("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n"),
	      H1_CODING);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refuses_bad_request_lines),
		cmocka_unit_test(refuses_other_versions),
		cmocka_unit_test(refuses_bad_fields),
		cmocka_unit_test(refuses_bad_hosts),
		cmocka_unit_test(refuses_bad_lengths),
		cmocka_unit_test(refuses_bad_codings),
		cmocka_unit_test(knows_honest_codings),
		cmocka_unit_test(refuses_both),
		cmocka_unit_test(keeps_to_limits),
		cmocka_unit_test(refuses_bad_answers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
