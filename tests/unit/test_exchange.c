/* A request's way to an app and back: what is sent twice and what never is, who waits for whom, and that
 * every count is 0 at the end. */
#include "proxy_stage.h"

static void a_post_is_never_sent_twice(void **state)
{
	int app = app_at("blog/app.sock"), c = client_that_says(POST), a = app_accept(app);

	(void)state;
	assert_true(begins(hear(a), "POST"));
	close(a);
	assert_true(begins(hear(c), "HTTP/1.1 502"));
	assert_int_equal(app_accept(app), -1);
	assert_nothing_counted();
	close(c);
	close(app);
}

static void a_get_is_sent_twice_and_no_more(void **state)
{
	int app = app_at("blog/app.sock"), c = client_that_says(GET);

	(void)state;
	for (int i = 0; i < 2; i++) {
		int a = app_accept(app);
		assert_true(begins(hear(a), "GET"));
		assert_string_equal(hear(c), "");
		close(a);
	}
	assert_true(begins(hear(c), "HTTP/1.1 502"));
	/* The third connection only finds out that it is the same socket: nothing comes on it. */
	int a = app_accept(app);
	assert_null(hear(a));
	close(a);
	assert_nothing_counted();
	close(c);
	close(app);
}

static void a_get_is_sent_a_third_time_to_a_new_socket(void **state)
{
	int app = app_at("blog/app.sock"), next, c = client_that_says(GET), a = app_accept(app);

	(void)state;
	close(a);
	a = app_accept(app);
	assert_true(begins(hear(a), "GET"));
	next = listen_at("blog/app.sock.new");
	stage_rename("blog/app.sock.new", "blog/app.sock");
	site_changed(site, TREE_SOCKETS);
	close(a);
	a = app_accept(next);
	assert_true(begins(hear(a), "GET"));
	say(a, ANSWER);
	assert_true(begins(hear(c), "HTTP/1.1 200"));
	assert_nothing_counted();
	close(a);
	close(c);
	close(app);
	close(next);
}

/* The app dies with the second attempt and comes back at the same path, maybe with the same inode number. */
static void a_get_is_sent_a_third_time_if_the_socket_refused(void **state)
{
	int app = app_at("blog/app.sock"), c = client_that_says(GET), a = app_accept(app);

	(void)state;
	close(a);
	a = app_accept(app);
	assert_true(begins(hear(a), "GET"));
	close(app);
	close(a);
	assert_string_equal(hear(c), "");
	assert_int_equal(service_board(service)->held, 1);
	unlink(in_stage("blog/app.sock"));
	app = app_at("blog/app.sock");
	a = app_accept(app);
	assert_true(begins(hear(a), "GET"));
	say(a, ANSWER);
	assert_true(begins(hear(c), "HTTP/1.1 200"));
	assert_nothing_counted();
	close(a);
	close(c);
	close(app);
}

static void an_upgrade_is_sent_again_like_any_get(void **state)
{
	int app = app_at("blog/app.sock"), c = client_that_says(UPGRADE);

	(void)state;
	close(app_accept(app));
	int a = app_accept(app);
	assert_true(begins(hear(a), "GET"));
	say(a, SWITCHED);
	assert_true(begins(hear(c), "HTTP/1.1 101"));
	say(c, "there");
	assert_string_equal(hear(a), "there");
	assert_int_equal(service_board(service)->tunnels, 1);
	close(a);
	assert_null(hear(c));
	close(c);
	stage_run(HEAR_SECONDS);
	assert_nothing_counted();
	close(app);
}

/* The app hangs up while the connection is idle, and the proxy has had no time to see it. */
static void a_stale_pooled_connection_costs_nothing(void **state)
{
	static const char *const requests[] = {GET, POST};
	int app = app_at("blog/app.sock");

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		int c = client_that_says(GET), a = app_accept(app);
		say(a, ANSWER);
		assert_true(begins(hear(c), "HTTP/1.1 200"));
		say(c, requests[i]);
		close(a);
		a = app_accept(app);
		assert_int_not_equal(a, -1);
		assert_memory_equal(hear(a), requests[i], 4);
		say(a, ANSWER);
		assert_true(begins(hear(c), "HTTP/1.1 200"));
		close(a);
		close(c);
		stage_run(HEAR_SECONDS);
	}
	assert_nothing_counted();
	close(app);
}

static void waits_for_a_socket_without_the_apps_time_running(void **state)
{
	int app = app_at("blog/app.sock"), c = client_that_says(GET), a = app_accept(app);

	(void)state;
	unlink(in_stage("blog/app.sock"));
	close(app);
	site_changed(site, TREE_SOCKETS);
	close(a);
	stage_run(0.5); /* longer than target_timeout */
	assert_string_equal(hear(c), "");
	assert_int_equal(service_board(service)->held, 1);
	app = app_at("blog/app.sock");
	a = app_accept(app);
	assert_true(begins(hear(a), "GET"));
	say(a, ANSWER);
	assert_true(begins(hear(c), "HTTP/1.1 200"));
	assert_nothing_counted();
	close(a);
	close(c);
	close(app);
}

/* A slow client is no silent app: only when the app has the whole request its time runs. */
static void a_slow_upload_does_not_cost_the_app_its_time(void **state)
{
	int app = app_at("blog/app.sock"), a;
	int c = client_that_says("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nh");

	(void)state;
	a = app_accept(app);
	stage_run(0.5);
	assert_string_equal(hear(c), "");
	say(c, "i");
	assert_true(begins(hear(a), "POST"));
	stage_run(0.5);
	assert_true(begins(hear(c), "HTTP/1.1 504"));
	assert_nothing_counted();
	close(a);
	close(c);
	close(app);
}

static void an_answer_is_read_although_the_app_took_no_more(void **state)
{
	static char body[400000];
	int app = app_at("blog/app.sock"), a;
	int c = client_that_says("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 400000\r\n\r\n");

	(void)state;
	a = app_accept(app);
	for (int i = 0; i < 20; i++) {
		(void)send(c, body, 20000, MSG_NOSIGNAL);
		stage_run(0.005);
	}
	say(a, "HTTP/1.1 413 Too much\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
	close(a);
	assert_true(begins(hear(c), "HTTP/1.1 413"));
	assert_nothing_counted();
	close(c);
	close(app);
}

static void an_event_stream_that_ends_is_counted_out(void **state)
{
	int app = app_at("blog/app.sock"), c = client_that_says(GET), a = app_accept(app);

	(void)state;
	say(a, EVENTS "1\r\nx\r\n");
	assert_true(begins(hear(c), "HTTP/1.1 200"));
	assert_int_equal(service_board(service)->in_flight, 0);
	assert_int_equal(service_board(service)->tunnels, 1);
	say(a, "0\r\n\r\n");
	assert_string_equal(hear(c), "0\r\n\r\n");
	assert_nothing_counted();
	/* Its connection is in the pool, whole. */
	say(c, GET);
	assert_true(begins(hear(a), "GET"));
	say(a, ANSWER);
	assert_true(begins(hear(c), "HTTP/1.1 200"));
	assert_nothing_counted();
	close(a);
	close(c);
	close(app);
}

/* The app has gone for good from a tunnel whose client keeps its side open. */
static void a_tunnel_without_an_app_ends_with_the_next_byte(void **state)
{
	int app = app_at("blog/app.sock"), c = client_that_says(UPGRADE), a = app_accept(app);

	(void)state;
	say(a, SWITCHED);
	assert_true(begins(hear(c), "HTTP/1.1 101"));
	assert_true(begins(hear(a), "GET"));
	close(a);
	assert_null(hear(c));
	assert_int_equal(service_board(service)->tunnels, 1);
	say(c, "anyone?");
	stage_run(HEAR_SECONDS);
	assert_nothing_counted();
	close(c);
	close(app);
}

static void a_client_that_leaves_cuts_its_request(void **state)
{
	int app = app_at("blog/app.sock"), c = client_that_says(GET), a = app_accept(app);

	(void)state;
	assert_int_equal(service_board(service)->in_flight, 1);
	close(c);
	assert_true(begins(hear(a), "GET"));
	assert_null(hear(a));
	assert_nothing_counted();
	assert_int_equal(proxy.nfronts, 0);
	close(a);
	close(app);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, proxy_up, proxy_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_post_is_never_sent_twice),
		TEST(a_get_is_sent_twice_and_no_more),
		TEST(a_get_is_sent_a_third_time_to_a_new_socket),
		TEST(a_get_is_sent_a_third_time_if_the_socket_refused),
		TEST(an_upgrade_is_sent_again_like_any_get),
		TEST(a_stale_pooled_connection_costs_nothing),
		TEST(waits_for_a_socket_without_the_apps_time_running),
		TEST(a_slow_upload_does_not_cost_the_app_its_time),
		TEST(an_answer_is_read_although_the_app_took_no_more),
		TEST(an_event_stream_that_ends_is_counted_out),
		TEST(a_tunnel_without_an_app_ends_with_the_next_byte),
		TEST(a_client_that_leaves_cuts_its_request),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
