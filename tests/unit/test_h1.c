/* Heads that must be taken, and what is read from them. */
#include "h1_feed.h"

static void request(const char *text)
{
	size_t used, n = strlen(text);
	static char copy[4096];

	memcpy(copy, text, n);
	if (parse(h1_parse_request, &roomy, str_make(text, n), &used) != H1_DONE)
		print_error("not taken: \"%s\"\n", text);
	assert_int_equal(h1_parse_request(str_make(copy, n), &roomy, &head, &used), H1_DONE);
	assert_int_equal(used, n);
}

static void answer(const char *text)
{
	size_t used, n = strlen(text);
	static char copy[4096];

	memcpy(copy, text, n);
	if (parse(h1_parse_answer, &roomy, str_make(text, n), &used) != H1_DONE)
		print_error("not taken: \"%s\"\n", text);
	assert_int_equal(h1_parse_answer(str_make(copy, n), &roomy, &head, &used), H1_DONE);
	assert_int_equal(used, n);
}

static void reads_a_request(void **state)
{
	(void)state;
	request("GET /a/b?c=d?e HTTP/1.1\r\nHost: Example.com:80\r\nAccept:\t*/* \t\r\nX-E:\r\n"
		"Cookie: a=b; c=\xC3\xA4\r\n\r\n");
	assert_int_equal(head.method, METHOD_GET);
	assert_str(head.method_name, "GET");
	assert_str(head.target, "/a/b?c=d?e");
	assert_str(head.path, "/a/b");
	assert_str(head.query, "c=d?e");
	assert_str(head.authority, "Example.com:80");
	assert_int_equal(head.minor, 1);
	assert_int_equal(head.body, BODY_NONE);
	assert_true(head.keep_alive);
	assert_false(head.upgrade);
	assert_int_equal(head.nfields, 4);
	assert_int_equal(head.fields[0].id, HDR_HOST);
	assert_str(head.fields[1].name, "Accept");
	assert_str(head.fields[1].value, "*/*");
	assert_str(head.fields[2].value, "");
	assert_int_equal(head.fields[3].id, HDR_COOKIE);
}

static void reads_targets(void **state)
{
	(void)state;
	request("\r\nOPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n");
	assert_str(head.path, "*");
	request("GET http://a:80?x HTTP/1.1\r\nHost: A\r\n\r\n");
	assert_str(head.path, "/");
	assert_str(head.query, "x");
	assert_str(head.authority, "a:80");
	request("GET HTTPS://a/b HTTP/1.1\r\nHost: a:443\r\n\r\n");
	assert_str(head.path, "/b");
	assert_null(head.query.p);
	request("GET http://a HTTP/1.0\r\n\r\n");
	assert_str(head.path, "/");
	assert_str(head.authority, "a");
	request("GET //x/../?? HTTP/1.0\r\n\r\n");
	assert_str(head.path, "//x/../");
	assert_str(head.query, "?");
	assert_int_equal(head.authority.n, 0);
	request("GET /? HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n");
	assert_non_null(head.query.p);
	assert_int_equal(head.query.n, 0);
}

static void reads_bodies_of_requests(void **state)
{
	(void)state;
	request("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551615\r\n\r\n");
	assert_int_equal(head.body, BODY_LENGTH);
	assert_true(head.length == UINT64_MAX);
	request("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n");
	assert_int_equal(head.body, BODY_CHUNKED);
	request("POST / HTTP/1.1\r\nHost: a\r\nContent_Length: 5\r\n\r\n");
	assert_int_equal(head.body, BODY_NONE);
	assert_int_equal(head.nfields, 1);
	request("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\nContent-Length: 0\r\n\r\n");
	assert_true(head.expect_continue);
	assert_int_equal(head.body, BODY_LENGTH);
	request("POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n");
	assert_false(head.expect_continue);
}

static void knows_whether_the_connection_stays(void **state)
{
	static const struct {
		const char *text;
		bool stays;
	} cases[] = {
		{"GET / HTTP/1.0\r\n\r\n", false},
		{"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", true},
		{"GET / HTTP/1.0\r\nConnection: x , keep-alive\r\n\r\n", true},
		{"GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n", false},
		{"GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\n\r\n", true},
		{"GET / HTTP/1.1\r\nHost: a\r\nConnection: x\r\nConnection: CLOSE\r\n\r\n", false},
		{"GET / HTTP/1.1\r\nHost: a\r\nConnection: closed\r\n\r\n", true},
		{"GET / HTTP/1.1\r\nHost: a\r\nConnection:\r\n\r\n", true},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		request(cases[i].text);
		assert_int_equal(head.keep_alive, cases[i].stays);
	}
}

#define UPGRADE(version, rest) "GET / HTTP/1." version "\r\nHost: a\r\n" rest "\r\n"

static void knows_upgrades(void **state)
{
	static const struct {
		const char *text;
		bool upgrade;
	} cases[] = {
		{UPGRADE("1", "Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n"), true},
		{UPGRADE("1", "Connection: upgrade\r\nUpgrade: a\r\nContent-Length: 0\r\n"), true},
		{UPGRADE("0", "Connection: upgrade\r\nUpgrade: websocket\r\n"), false},
		{UPGRADE("1", "Upgrade: websocket\r\n"), false},
		{UPGRADE("1", "Connection: upgrade\r\n"), false},
		{UPGRADE("1", "Connection: upgrade\r\nUpgrade: h2c\r\n"), false},
		{UPGRADE("1", "Connection: upgrade\r\nUpgrade: a, H2C\r\n"), false},
		{UPGRADE("1", "Connection: upgrade\r\nUpgrade: a\r\nContent-Length: 1\r\n"), false},
		{UPGRADE("1",
			 "Connection: upgrade\r\nUpgrade: a\r\nTransfer-Encoding: chunked\r\n"),
		 false},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		request(cases[i].text);
		assert_int_equal(head.upgrade, cases[i].upgrade);
	}
	request(cases[0].text);
	assert_str(head.upgrade_to, "websocket");
}

static void leaves_what_follows(void **state)
{
	size_t used;
	struct str in = STR("GET / HTTP/1.0\r\n\r\nGET /2 HTTP/1.1\r\n");

	(void)state;
	assert_int_equal(parse(h1_parse_request, &roomy, in, &used), H1_DONE);
	assert_int_equal(used, 18);
}

static void reads_an_answer(void **state)
{
	(void)state;
	answer("HTTP/1.1 200 All right\r\nContent-Length: 5\r\nX_Y: z\r\n\r\n");
	assert_int_equal(head.status, 200);
	assert_str(head.reason, "All right");
	assert_int_equal(head.body, BODY_LENGTH);
	assert_int_equal(head.length, 5);
	assert_int_equal(head.nfields, 2);
	assert_true(head.keep_alive);
	answer("HTTP/1.1 599 \r\n\r\n");
	assert_int_equal(head.body, BODY_CLOSE);
	answer("HTTP/1.1 404\r\nTransfer-Encoding: chunked\r\n\r\n");
	assert_int_equal(head.status, 404);
	assert_int_equal(head.reason.n, 0);
	assert_int_equal(head.body, BODY_CHUNKED);
	answer("HTTP/1.0 200 OK\r\n\r\n");
	assert_false(head.keep_alive);
	answer("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n");
	assert_true(head.keep_alive);
	answer("HTTP/1.1 101 X\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n");
	assert_true(head.upgrade);
	answer("HTTP/1.1 426 X\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n");
	assert_false(head.upgrade);
}

static void frames_answers(void **state)
{
	uint64_t length = 7;

	(void)state;
	answer("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
	assert_int_equal(h1_answer_body(&head, METHOD_HEAD, &length), BODY_NONE);
	assert_int_equal(length, 7);
	assert_int_equal(h1_answer_body(&head, METHOD_GET, &length), BODY_LENGTH);
	assert_int_equal(length, 5);
	answer("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n");
	assert_int_equal(h1_answer_body(&head, METHOD_GET, &length), BODY_NONE);
	answer("HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n");
	assert_int_equal(h1_answer_body(&head, METHOD_POST, &length), BODY_NONE);
	answer("HTTP/1.1 103 Early Hints\r\nContent-Length: 5\r\n\r\n");
	assert_int_equal(h1_answer_body(&head, METHOD_GET, &length), BODY_NONE);
	answer("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
	assert_int_equal(h1_answer_body(&head, METHOD_GET, &length), BODY_CHUNKED);
	answer("HTTP/1.1 200 OK\r\n\r\n");
	assert_int_equal(h1_answer_body(&head, METHOD_GET, &length), BODY_CLOSE);
}

static void tells_when_to_look_again(void **state)
{
	static char many[4096];

	(void)state;
	memset(many, 'a', sizeof(many));
	assert_false(h1_may_be_whole(STR(""), 0));
	assert_true(h1_may_be_whole(STR("G"), 0));
	assert_false(h1_may_be_whole(STR("GET"), 3));
	assert_false(h1_may_be_whole(STR("GET /"), 3));
	assert_true(h1_may_be_whole(STR("GET / HTTP/1.1\r\n"), 3));
	assert_false(h1_may_be_whole(STR("GET / HTTP/1.1\r\nHo"), 16));
	assert_true(h1_may_be_whole(str_make(many, 1024), 1023));
	assert_false(h1_may_be_whole(str_make(many, 1025), 1024));
}

static void names_statuses(void **state)
{
	(void)state;
	assert_int_equal(h1_result_status(H1_BAD), 400);
	assert_int_equal(h1_result_status(H1_LINE_TOO_LONG), 414);
	assert_int_equal(h1_result_status(H1_TOO_LARGE), 431);
	assert_int_equal(h1_result_status(H1_CODING), 501);
	assert_int_equal(h1_result_status(H1_VERSION), 505);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_a_request),
		cmocka_unit_test(reads_targets),
		cmocka_unit_test(reads_bodies_of_requests),
		cmocka_unit_test(knows_whether_the_connection_stays),
		cmocka_unit_test(knows_upgrades),
		cmocka_unit_test(leaves_what_follows),
		cmocka_unit_test(reads_an_answer),
		cmocka_unit_test(frames_answers),
		cmocka_unit_test(tells_when_to_look_again),
		cmocka_unit_test(names_statuses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
