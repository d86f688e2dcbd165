/* A client's connection: bytes in awkward pieces, clients that take nothing or leave, ends in each order. */
#include "proxy_stage.h"

#include "front/h1front_internal.h"

static void a_chunk_line_in_two_pieces_does_not_stall(void **state)
{
	int app = app_at("blog/app.sock"), a;
	int c = client_that_says("POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
				 "5\r\nhello\r\n5");

	(void)state;
	a = app_accept(app);
	assert_non_null(strstr(hear(a), "5\r\nhello\r\n"));
	say(c, "\r\nworld\r\n0\r\n\r\n");
	assert_string_equal(hear(a), "5\r\nworld\r\n0\r\n\r\n");
	say(a, ANSWER);
	assert_true(begins(hear(c), "HTTP/1.1 200"));
	close(a);
	close(c);
	close(app);
}

/* What was answered so far stays small, however much is asked; all is answered when it is taken. */
static void who_takes_no_answers_gets_no_more(void **state)
{
	static const char ask[] = "GET / HTTP/1.1\r\nHost: nobody.org\r\n\r\n";
	int c = client(), asked = 0, answered = 0;
	struct conn *conn;
	const char *got;

	(void)state;
	stage_write("blog/hosts", "elsewhere.org\n");
	site_changed(site, TREE_SETTINGS);
	for (int turn = 0; turn < 20; turn++) {
		while (send(c, ask, sizeof(ask) - 1, MSG_NOSIGNAL) > 0)
			asked++;
		stage_run(0.005);
	}
	conn = &container_of(list_first(&proxy.fronts), struct h1front, node)->conn;
	assert_in_range(conn_unsent(conn), 1, 2000);
	while (answered < asked && (got = hear(c)) != NULL && *got != '\0') {
		for (; (got = strstr(got, "HTTP/1.1 404")) != NULL; got++)
			answered++;
	}
	assert_int_equal(answered, asked);
	close(c);
}

/* Bytes of its next request are kept, so nobody reads from it and sees it go. */
static void a_pipelining_client_that_leaves_is_noticed(void **state)
{
	int app = app_at("blog/app.sock"), c = client_that_says(GET GET), a = app_accept(app);

	(void)state;
	say(a, EVENTS "1\r\nx\r\n");
	assert_true(begins(hear(c), "HTTP/1.1 200"));
	assert_int_equal(service_board(service)->tunnels, 1);
	close(c);
	say(a, "1\r\ny\r\n");
	stage_run(0.2);
	assert_nothing_counted();
	assert_int_equal(proxy.nfronts, 0);
	close(a);
	close(app);
}

static void a_tunnel_that_both_have_ended_is_closed_at_once(void **state)
{
	int app = app_at("blog/app.sock"), c = client_that_says(UPGRADE), a = app_accept(app);

	(void)state;
	say(a, SWITCHED);
	assert_true(begins(hear(c), "HTTP/1.1 101"));
	shutdown(c, SHUT_WR);
	assert_true(begins(hear(a), "GET"));
	assert_null(hear(a));
	say(a, "last words");
	close(a);
	assert_string_equal(hear(c), "last words");
	assert_null(hear(c));
	assert_int_equal(proxy.nfronts, 0);
	assert_nothing_counted();
	close(c);
	close(app);
}

static void pipelined_requests_are_answered_in_order(void **state)
{
	int app = app_at("blog/app.sock"), c = client_that_says(GET GET GET), a = app_accept(app);

	(void)state;
	for (char i = 'a'; i < 'd'; i++) {
		char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n?";
		answer[sizeof(answer) - 2] = i;
		assert_true(begins(hear(a), "GET"));
		say(a, answer);
		const char *got = hear(c);
		assert_int_equal(got[strlen(got) - 1], i);
	}
	close(a);
	close(c);
	close(app);
}

static void a_request_that_waits_behind_another_is_not_idle(void **state)
{
	int app = app_at("blog/app.sock"), c = client_that_says(GET GET), a = app_accept(app);

	(void)state;
	assert_true(begins(hear(a), "GET"));
	proxy.retiring = true;
	h1front_close_idle(&proxy);
	say(a, ANSWER);
	const char *got = hear(c);
	assert_true(begins(got, "HTTP/1.1 200"));
	assert_non_null(strstr(got, "Connection: close"));
	assert_null(hear(c));
	close(a);
	close(c);
	close(app);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, proxy_up, proxy_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_chunk_line_in_two_pieces_does_not_stall),
		TEST(who_takes_no_answers_gets_no_more),
		TEST(a_pipelining_client_that_leaves_is_noticed),
		TEST(a_tunnel_that_both_have_ended_is_closed_at_once),
		TEST(pipelined_requests_are_answered_in_order),
		TEST(a_request_that_waits_behind_another_is_not_idle),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
