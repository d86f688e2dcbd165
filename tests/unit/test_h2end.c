/* How an HTTP/2 connection ends: by its time, by a GOAWAY, or since it floods. */
#include "h2_stage.h"

/* ---- the end ---- */

static void who_shall_go_is_warned_first(void **state)
{
	int app = app_at("blog/app.sock"), a;
	struct h2_client *c = h2_client();
	uint8_t nothing[8] = {0};
	const char *got;

	(void)state;
	send_head(c, 1, FIN, F(LINE("GET", "/x")));
	a = app_accept(app);
	proxy.retiring = true;
	h2front_retire(&proxy);
	got = hear_frames(c);
	assert_true(says(got, "GOAWAY 2147483647 0\n"));
	assert_true(says(got, "PING\n"));
	send_head(c, 3, FIN, F(LINE("GET", "/x")));
	send_frame(c, NGHTTP2_PING, NGHTTP2_FLAG_ACK, 0, nothing, 8);
	int b = app_accept(app);
	assert_true(says(hear_frames(c), "GOAWAY 3 0\n"));
	assert_false(c->over);
	say(a, ANSWER);
	say(b, ANSWER);
	got = hear_frames(c);
	assert_true(says(got, "DATA 1 fin"));
	assert_true(says(got, "DATA 3 fin"));
	assert_true(c->over);
	close(c->fd);
	stage_run(HEAR_SECONDS);
	assert_int_equal(proxy.nfronts, 0);
	c->fd = dup(a);
	close(a);
	close(b);
	h2_client_free(c);
	close(app);
}

static void an_idle_client_is_told_to_go(void **state)
{
	int app = app_at("blog/app.sock"), a;
	struct h2_client *c;

	(void)state;
	stage.settings->proxy.idle_timeout = 100;
	c = h2_client();
	send_head(c, 1, FIN, F(LINE("GET", "/x")));
	a = app_accept(app);
	say(a, ANSWER);
	assert_false(says(hear_frames(c), "GOAWAY"));
	stage_run(0.3);
	assert_true(says(hear_frames(c), "GOAWAY 2147483647 0\n"));
	stage_run(1.2);
	assert_true(says(hear_frames(c), "GOAWAY 1 0\n"));
	assert_true(c->over);
	close(a);
	h2_client_free(c);
	close(app);
}

static void slow_clients_are_not_waited_for(void **state)
{
	int app = app_at("blog/app.sock"), a, b;
	struct h2_client *c, *silent;
	const char *got;

	(void)state;
	stage.settings->proxy.head_timeout = 100;
	stage.settings->proxy.body_timeout = 200;
	silent = h2_client();
	c = h2_client_with(3);
	send_head(c, 1, 0, F(LINE("POST", "/x"), "content-length|5"));
	a = app_accept(app);
	send_head(c, 3, FIN, F(LINE("GET", "/x")));
	b = app_accept(app);
	say(b, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
	stage_run(0.5);
	got = hear_frames(c);
	assert_true(says(got, "HEADERS 1 :status=408;"));
	assert_true(says(got, "DATA 3 3 hel"));
	assert_true(says(got, "RST 3 8\n"));
	(void)hear_frames(silent);
	assert_true(silent->over);
	assert_nothing_counted();
	close(a);
	close(b);
	h2_client_free(c);
	h2_client_free(silent);
	close(app);
}

/* ---- floods ---- */

static bool is_calmed(struct h2_client *c)
{
	const char *got = hear_frames(c);

	return says(got, " 11\n") && says(got, "GOAWAY") && c->over;
}

/* The socket takes only so many small pieces. */
static void breathe(unsigned i)
{
	if (i % 50 == 0)
		stage_run(0.001);
}

static void floods_are_ended(void **state)
{
	uint8_t setting[6] = {0, 3, 0, 0, 0, 1}, nothing[8] = {0};
	struct h2_client *c = h2_client();

	(void)state;
	for (unsigned i = 0; i < 150; i++) {
		send_head(c, 2 * i + 1, FIN, F(LINE("GET", "/x")));
		send_number(c, NGHTTP2_RST_STREAM, 2 * i + 1, NGHTTP2_CANCEL);
	}
	assert_true(is_calmed(c));
	h2_client_free(c);
	assert_nothing_counted();

	c = h2_client();
	for (unsigned i = 0; i < 150; i++) {
		send_frame(c, NGHTTP2_SETTINGS, 0, 0, setting, 6);
		breathe(i);
	}
	assert_true(is_calmed(c));
	h2_client_free(c);

	c = h2_client();
	for (unsigned i = 0; i < 1100; i++) {
		send_frame(c, NGHTTP2_PING, 0, 0, nothing, 8);
		breathe(i);
	}
	assert_true(is_calmed(c));
	h2_client_free(c);

	c = h2_client();
	send_head(c, 1, 0, F(LINE("POST", "/x")));
	for (unsigned i = 0; i < 1100; i++) {
		send_data(c, 1, 0, "");
		breathe(i);
	}
	assert_true(is_calmed(c));
	h2_client_free(c);
	assert_nothing_counted();
}

/* The client makes us reset its streams. */
static void resets_that_are_provoked_count_too(void **state)
{
	struct h2_client *c = h2_client();

	(void)state;
	for (unsigned i = 0; i < 150; i++) {
		send_head(c, 2 * i + 1, FIN, F(LINE("GET", "/x")));
		send_number(c, NGHTTP2_WINDOW_UPDATE, 2 * i + 1, 0x7fffffff);
		breathe(i);
	}
	assert_true(is_calmed(c));
	assert_nothing_counted();
	h2_client_free(c);
}

static void heads_that_never_end_are_ended(void **state)
{
	uint8_t block[16384];
	struct h2_client *c = h2_client();
	size_t n = encode(block, F(LINE("GET", "/x")));

	(void)state;
	send_frame(c, NGHTTP2_HEADERS, FIN, 1, block, n);
	for (int i = 0; i < 20; i++)
		send_frame(c, NGHTTP2_CONTINUATION, 0, 1, block, encode(block, F("x|y")));
	(void)hear_frames(c);
	assert_true(c->over);
	h2_client_free(c);
	assert_int_equal(proxy.nfronts, 0);

	c = h2_client();
	memset(block, 0, sizeof(block));
	n = encode(block, F(LINE("GET", "/x")));
	for (size_t at = n; at + 130 < sizeof(block); at += 130) {
		block[at + 1] = 1;
		block[at + 2] = 'x';
		block[at + 3] = 126;
		memset(block + at + 4, 'y', 126);
		n = at + 130;
	}
	proxy.request_limits.head = 4096;
	send_frame(c, NGHTTP2_HEADERS, FIN | NGHTTP2_FLAG_END_HEADERS, 1, block, n);
	assert_true(says(hear_frames(c), "HEADERS 1 :status=431;"));
	h2_client_free(c);
}

static void more_streams_than_allowed_are_refused(void **state)
{
	struct h2_client *c = h2_client();
	const char *got;

	(void)state;
	for (unsigned i = 0; i < 105; i++)
		send_head(c, 2 * i + 1, FIN, F(LINE("GET", "/x")));
	got = hear_frames(c);
	assert_int_equal(service_board(service)->held, 100);
	assert_true(says(got, "RST 201 7\n"));
	h2_client_free(c);
	stage_run(HEAR_SECONDS);
	assert_nothing_counted();
}

static void what_is_no_http_2_is_closed(void **state)
{
	struct h2_client *c = h2_client();

	(void)state;
	say(c->fd, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
	(void)hear_frames(c);
	assert_true(c->over);
	h2_client_free(c);
	int d = client_that_says("PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n");
	assert_null(hear(d));
	close(d);
	stage_run(HEAR_SECONDS);
	assert_int_equal(proxy.nfronts, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, proxy_up, h2_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(who_shall_go_is_warned_first),          TEST(an_idle_client_is_told_to_go),
		TEST(slow_clients_are_not_waited_for),       TEST(floods_are_ended),
		TEST(resets_that_are_provoked_count_too),    TEST(heads_that_never_end_are_ended),
		TEST(more_streams_than_allowed_are_refused), TEST(what_is_no_http_2_is_closed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
