/* Windows and WebSockets of HTTP/2: who is slow stalls himself, and nobody else. */
#include "h2_stage.h"

#include "front/h2front_internal.h"

/* ---- windows ---- */

static void a_client_without_a_window_stalls_its_own_stream(void **state)
{
	static char answer[300000];
	int app = app_at("blog/app.sock"), a, b;
	struct h2_client *c = h2_client_with(1000);
	const char *got;

	(void)state;
	send_head(c, 1, FIN, F(LINE("GET", "/x")));
	a = app_accept(app);
	int n = snprintf(answer, sizeof(answer), "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n",
			 1000000);
	assert_int_equal(send(a, answer, (size_t)n, MSG_NOSIGNAL), n);
	for (int i = 0; i < 20; i++) {
		(void)send(a, answer, 50000, MSG_NOSIGNAL);
		stage_run(0.002);
	}
	assert_true(says(hear_frames(c), "DATA 1 1000 "));
	struct h2_conn *conn = container_of(list_first(&proxy.h2->conns), struct h2_conn, node);
	struct h2_stream *s = container_of(list_first(&conn->streams), struct h2_stream, node);
	assert_in_range(buf_used(&s->out), H2_OUT_FULL, CONN_READ_MAX + H2_OUT_FULL);
	send_head(c, 3, FIN, F(LINE("GET", "/x")));
	b = app_accept(app);
	assert_true(begins(hear(b), "GET"));
	say(b, ANSWER);
	assert_true(says(hear_frames(c), "DATA 3 fin 2 ok"));
	send_number(c, NGHTTP2_WINDOW_UPDATE, 1, 500);
	got = hear_frames(c);
	assert_true(says(got, "DATA 1 500 "));
	close(a);
	close(b);
	h2_client_free(c);
	close(app);
}

static void a_held_stream_gives_the_connections_window_back(void **state)
{
	static char payload[16000];
	struct h2_client *c = h2_client();
	const char *got;
	unsigned given = 0;

	(void)state;
	send_head(c, 1, 0, F(LINE("POST", "/x")));
	for (int i = 0; i < 4; i++)
		send_frame(c, NGHTTP2_DATA, 0, 1, payload, sizeof(payload));
	got = hear_frames(c);
	assert_int_equal(service_board(service)->held, 1);
	assert_false(says(got, "WINDOW 1 "));
	struct h2_conn *conn = container_of(list_first(&proxy.h2->conns), struct h2_conn, node);
	struct h2_stream *s = container_of(list_first(&conn->streams), struct h2_stream, node);
	assert_int_equal(buf_used(&s->in), 4 * sizeof(payload));
	given = (unsigned)nghttp2_session_get_effective_recv_data_length(conn->session);
	assert_int_equal(given, 4 * sizeof(payload));
	send_frame(c, NGHTTP2_DATA, 0, 1, payload, sizeof(payload));
	assert_true(says(hear_frames(c), "3\n")); /* FLOW_CONTROL_ERROR */
	assert_nothing_counted();
	h2_client_free(c);
}

static void a_released_stream_gets_its_window_back(void **state)
{
	static char payload[16000];
	struct h2_client *c = h2_client();
	int app, a;

	(void)state;
	send_head(c, 1, 0, F(LINE("POST", "/x"), "content-length|64000"));
	for (int i = 0; i < 4; i++)
		send_frame(c, NGHTTP2_DATA, i == 3 ? FIN : 0, 1, payload, sizeof(payload));
	stage_run(HEAR_SECONDS);
	app = app_at("blog/app.sock");
	a = app_accept(app);
	size_t all = 0;
	for (ssize_t n = 1; n > 0 || all < 64000; stage_run(0.01)) {
		static char sink[100000];
		n = recv(a, sink, sizeof(sink), 0);
		all += n > 0 ? (size_t)n : 0;
		if (n < 0 && all > 64000)
			break;
	}
	say(a, ANSWER);
	assert_true(says(hear_frames(c), "DATA 1 fin 2 ok"));
	assert_nothing_counted();
	close(a);
	h2_client_free(c);
	close(app);
}

static void a_large_upload_gets_a_wider_window(void **state)
{
	static char payload[16000], sink[100000];
	int app = app_at("blog/app.sock"), a;
	struct h2_client *c = h2_client();

	(void)state;
	send_head(c, 1, 0, F(LINE("POST", "/x")));
	a = app_accept(app);
	for (int i = 0; i < 5; i++) {
		send_frame(c, NGHTTP2_DATA, 0, 1, payload, i == 4 ? 2000 : sizeof(payload));
		stage_run(0.01);
		while (recv(a, sink, sizeof(sink), 0) > 0)
			;
	}
	assert_true(says(hear_frames(c), "WINDOW 1 196609\n"));
	close(a);
	h2_client_free(c);
	close(app);
}

/* ---- WebSockets ---- */

#define WEBSOCKET LINE("CONNECT", "/chat"), ":protocol|websocket", "sec-websocket-version|13"

static void a_websocket_passes_both_ways(void **state)
{
	int app = app_at("blog/app.sock"), a;
	struct h2_client *c = h2_client();
	const char *got;

	(void)state;
	send_head(c, 1, 0, F(WEBSOCKET));
	send_data(c, 1, 0, "early");
	a = app_accept(app);
	got = hear(a);
	assert_true(begins(got, "GET /chat HTTP/1.1\r\n"));
	assert_true(says(got, "sec-websocket-key: "));
	assert_true(says(got, "Connection: Upgrade\r\nUpgrade: websocket\r\n"));
	assert_false(says(got, "early"));
	say(a, "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n"
	       "Sec-WebSocket-Accept: x\r\nSec-WebSocket-Protocol: y\r\n\r\n");
	assert_string_equal(hear(a), "early");
	got = hear_frames(c);
	assert_true(says(got, "HEADERS 1 :status=200; sec-websocket-protocol=y;"));
	assert_false(says(got, "accept"));
	assert_int_equal(service_board(service)->tunnels, 1);
	send_data(c, 1, 0, "ping");
	assert_string_equal(hear(a), "ping");
	say(a, "pong");
	assert_true(says(hear_frames(c), "DATA 1 4 pong"));
	send_data(c, 1, FIN, "bye");
	assert_string_equal(hear(a), "bye");
	assert_null(hear(a));
	close(a);
	got = hear_frames(c);
	assert_true(says(got, "DATA 1 fin 0"));
	assert_false(says(got, "RST"));
	assert_nothing_counted();
	h2_client_free(c);
	close(app);
}

static void a_websocket_that_the_app_ends(void **state)
{
	int app = app_at("blog/app.sock"), a;
	struct h2_client *c = h2_client();

	(void)state;
	send_head(c, 1, 0, F(WEBSOCKET));
	a = app_accept(app);
	assert_true(begins(hear(a), "GET"));
	say(a, SWITCHED "last");
	close(a);
	const char *got = hear_frames(c);
	assert_true(says(got, "DATA 1"));
	assert_true(says(got, "last"));
	send_data(c, 1, FIN, "");
	stage_run(HEAR_SECONDS);
	assert_nothing_counted();
	h2_client_free(c);
	close(app);
}

static void an_app_that_knows_no_websockets(void **state)
{
	int app = app_at("blog/app.sock"), a;
	struct h2_client *c = h2_client();

	(void)state;
	send_head(c, 1, 0, F(WEBSOCKET));
	a = app_accept(app);
	assert_true(begins(hear(a), "GET"));
	say(a, ANSWER);
	const char *got = hear_frames(c);
	assert_true(says(got, "HEADERS 1 :status=502;"));
	assert_true(says(got, "RST 1 0\n"));
	close(a);
	send_head(c, 3, 0, F(WEBSOCKET));
	a = app_accept(app);
	say(a, "HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n");
	assert_true(says(hear_frames(c), "HEADERS 3 fin :status=403;"));
	assert_nothing_counted();
	close(a);
	h2_client_free(c);
	close(app);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, proxy_up, h2_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_client_without_a_window_stalls_its_own_stream),
		TEST(a_held_stream_gives_the_connections_window_back),
		TEST(a_released_stream_gets_its_window_back),
		TEST(a_large_upload_gets_a_wider_window),
		TEST(a_websocket_passes_both_ways),
		TEST(a_websocket_that_the_app_ends),
		TEST(an_app_that_knows_no_websockets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
