/* Requests and answers on the streams of an HTTP/2 connection. */
#include "h2_stage.h"

static void a_get_and_its_answer(void **state)
{
	int app = app_at("blog/app.sock");
	struct h2_client *c = h2_client();
	const char *got;

	(void)state;
	send_head(c, 1, FIN, F(LINE("GET", "/x")));
	int a = app_accept(app);
	assert_true(begins(hear(a), "GET /x HTTP/1.1\r\nHost: a\r\n"));
	say(a, ANSWER);
	got = hear_frames(c);
	assert_true(says(got, "HEADERS 1 :status=200;"));
	assert_true(says(got, "content-length=2;"));
	assert_true(says(got, "DATA 1 fin 2 ok\n"));
	assert_false(says(got, "RST"));
	assert_nothing_counted();
	close(a);
	h2_client_free(c);
	close(app);
}

static void many_streams_at_once(void **state)
{
	int app = app_at("blog/app.sock"), a[5];
	struct h2_client *c = h2_client();

	(void)state;
	for (unsigned i = 0; i < 5; i++)
		send_head(c, 2 * i + 1, FIN, F(LINE("GET", "/x")));
	for (int i = 0; i < 5; i++)
		a[i] = app_accept(app);
	assert_int_equal(service_board(service)->in_flight, 5);
	for (int i = 4; i >= 0; i--) {
		assert_true(begins(hear(a[i]), "GET"));
		say(a[i], ANSWER);
	}
	const char *got = hear_frames(c);
	for (unsigned i = 0; i < 5; i++) {
		char want[32];
		snprintf(want, sizeof(want), "DATA %u fin 2 ok", 2 * i + 1);
		assert_true(says(got, want));
		close(a[i]);
	}
	assert_nothing_counted();
	h2_client_free(c);
	close(app);
}

static void the_preface_may_come_in_pieces(void **state)
{
	int c = client();

	(void)state;
	stage.settings->proxy.h2c = true;
	for (const char *p = PREFACE; *p != '\0'; p++) {
		assert_int_equal(send(c, p, 1, MSG_NOSIGNAL), 1);
		stage_run(0.001);
	}
	const char *got = hear(c);
	assert_non_null(got);
	assert_int_equal(got[3], NGHTTP2_SETTINGS);
	close(c);
}

static void without_h2c_the_preface_is_a_bad_request(void **state)
{
	int c = client_that_says(PREFACE);

	(void)state;
	assert_true(begins(hear(c), "HTTP/1.1 505"));
	close(c);
}

static void what_is_wrong_is_answered_or_reset(void **state)
{
	struct h2_client *c = h2_client();
	const char *got;

	(void)state;
	send_head(c, 1, FIN, F(":method|GET", ":scheme|http", ":authority|u@a", ":path|/"));
	send_head(c, 3, FIN, F(LINE("GET", "/"), "Upper|case"));
	send_head(c, 5, FIN, F(LINE("GET", "/"), "connection|close"));
	send_head(c, 7, FIN, F(LINE("GET", "/"), "te|gzip"));
	send_head(c, 9, FIN, F(LINE("GET", "/"), "x|a\nb"));
	send_head(c, 11, FIN, F(":method|GET", ":path|/"));
	send_head(c, 13, FIN, F(LINE("GET", "/"), "host|b"));
	send_head(c, 15, FIN, F(LINE("GET", "/"), "content-length|5"));
	send_head(c, 17, FIN, F(LINE("CONNECT", "/")));
	got = hear_frames(c);
	assert_true(says(got, "HEADERS 1 :status=400;"));
	assert_true(says(got, "RST 3 1\n"));
	assert_true(says(got, "RST 5 1\n"));
	assert_true(says(got, "RST 7 1\n"));
	assert_true(says(got, "RST 9 1\n"));
	assert_true(says(got, "RST 11 1\n"));
	assert_true(says(got, "HEADERS 13 :status=400;"));
	assert_true(says(got, "RST 15 1\n"));
	assert_true(says(got, "17"));
	assert_false(says(got, "GOAWAY"));
	assert_nothing_counted();
	h2_client_free(c);
}

static void a_body_is_framed_as_its_length_is_known(void **state)
{
	int app = app_at("blog/app.sock"), a, b;
	struct h2_client *c = h2_client();
	const char *got;

	(void)state;
	send_head(c, 1, 0, F(LINE("POST", "/x"), "content-length|5"));
	send_data(c, 1, 0, "he");
	send_data(c, 1, FIN, "llo");
	a = app_accept(app);
	got = hear(a);
	assert_true(says(got, "Content-Length: 5\r\n"));
	assert_true(says(got, "\r\n\r\nhello"));
	send_head(c, 3, 0, F(LINE("POST", "/x")));
	b = app_accept(app);
	got = hear(b);
	assert_true(says(got, "Transfer-Encoding: chunked\r\n"));
	send_data(c, 3, 0, "hello");
	assert_string_equal(hear(b), "5\r\nhello\r\n");
	send_head(c, 3, FIN, F("x-sum|42"));
	assert_string_equal(hear(b), "0\r\nx-sum: 42\r\n\r\n");
	say(a, ANSWER);
	say(b, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Sum: "
	       "1\r\n\r\n");
	got = hear_frames(c);
	assert_true(says(got, "DATA 1 fin 2 ok"));
	assert_true(says(got, "HEADERS 3 fin x-sum=1;"));
	assert_nothing_counted();
	close(a);
	close(b);
	h2_client_free(c);
	close(app);
}

static void a_body_of_another_length_is_reset(void **state)
{
	int app = app_at("blog/app.sock"), a;
	struct h2_client *c = h2_client();

	(void)state;
	send_head(c, 1, 0, F(LINE("POST", "/x"), "content-length|5"));
	send_data(c, 1, FIN, "he");
	a = app_accept(app);
	assert_true(says(hear_frames(c), "RST 1 1\n"));
	assert_nothing_counted();
	close(a);
	h2_client_free(c);
	close(app);
}

static void a_client_that_resets_is_gone(void **state)
{
	int app = app_at("blog/app.sock"), a;
	struct h2_client *c = h2_client();

	(void)state;
	send_head(c, 1, FIN, F(LINE("GET", "/x")));
	a = app_accept(app);
	assert_int_equal(service_board(service)->in_flight, 1);
	send_number(c, NGHTTP2_RST_STREAM, 1, NGHTTP2_CANCEL);
	assert_true(begins(hear(a), "GET"));
	assert_null(hear(a));
	assert_nothing_counted();
	close(a);
	h2_client_free(c);
	close(app);
}

static void an_early_answer_stops_the_upload(void **state)
{
	int app = app_at("blog/app.sock"), a;
	struct h2_client *c = h2_client();

	(void)state;
	send_head(c, 1, 0, F(LINE("POST", "/x")));
	a = app_accept(app);
	say(a, "HTTP/1.1 413 Too much\r\nContent-Length: 0\r\n\r\n");
	const char *got = hear_frames(c);
	assert_true(says(got, "HEADERS 1 fin :status=413;"));
	assert_true(says(got, "RST 1 0\n"));
	assert_nothing_counted();
	close(a);
	h2_client_free(c);
	close(app);
}

static void an_answer_that_breaks_off_is_reset(void **state)
{
	int app = app_at("blog/app.sock"), a;
	struct h2_client *c = h2_client();

	(void)state;
	send_head(c, 1, FIN, F(LINE("GET", "/x")));
	a = app_accept(app);
	say(a, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf");
	assert_true(says(hear_frames(c), "DATA 1 4 half"));
	close(a);
	assert_true(says(hear_frames(c), "RST 1 2\n"));
	assert_nothing_counted();
	send_head(c, 3, FIN, F(LINE("GET", "/x")));
	a = app_accept(app);
	say(a, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n");
	const char *got = hear_frames(c);
	assert_true(says(got, "HEADERS 3 :status=502;"));
	assert_false(says(got, ":status=200"));
	close(a);
	h2_client_free(c);
	close(app);
}

static void head_204_and_interim_answers(void **state)
{
	int app = app_at("blog/app.sock"), a;
	struct h2_client *c = h2_client();
	const char *got;

	(void)state;
	send_head(c, 1, FIN, F(LINE("HEAD", "/x")));
	a = app_accept(app);
	say(a, "HTTP/1.1 200 OK\r\nContent-Length: 77\r\n\r\n");
	got = hear_frames(c);
	assert_true(says(got, "HEADERS 1 fin :status=200; content-length=77;"));
	send_head(c, 3, FIN, F(LINE("GET", "/x")));
	stage_run(HEAR_SECONDS);
	say(a, "HTTP/1.1 103 Early Hints\r\nLink: </s.css>\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n");
	got = hear_frames(c);
	assert_true(says(got, "HEADERS 3 :status=103; link=</s.css>;\n"));
	assert_true(says(got, "HEADERS 3 fin :status=204;"));
	close(a);
	h2_client_free(c);
	close(app);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, proxy_up, h2_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_get_and_its_answer),
		TEST(many_streams_at_once),
		TEST(the_preface_may_come_in_pieces),
		TEST(without_h2c_the_preface_is_a_bad_request),
		TEST(what_is_wrong_is_answered_or_reset),
		TEST(a_body_is_framed_as_its_length_is_known),
		TEST(a_body_of_another_length_is_reset),
		TEST(a_client_that_resets_is_gone),
		TEST(an_early_answer_stops_the_upload),
		TEST(an_answer_that_breaks_off_is_reset),
		TEST(head_204_and_interim_answers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
