/* Requests at a closed door, from the client's first byte to its answer; and that holding one allocates
 * nothing. */
#include "proxy_stage.h"

#include "front/h1front_internal.h"

/* The program's allocations are counted: these take the place of the room base/mem. */
static size_t allocations;

void *mem_alloc(size_t n)
{
	void *p = malloc(n == 0 ? 1 : n);

	allocations++;
	assert_non_null(p);
	return p;
}

void *mem_zero(size_t n)
{
	return memset(mem_alloc(n), 0, n);
}

void *mem_grow(void *p, size_t n)
{
	p = realloc(p, n);
	allocations++;
	assert_non_null(p);
	return p;
}

void mem_free(void *p)
{
	free(p);
}

static uint32_t held(void)
{
	return service_board(service)->held;
}

static void a_held_request_reaches_the_app_after_the_pause(void **state)
{
	int app = app_at("blog/app.sock"), c;

	(void)state;
	shut(site, "pause");
	c = client_that_says(POST);
	assert_string_equal(hear(c), "");
	assert_int_equal(held(), 1);
	assert_int_equal(app_accept(app), -1);
	reopen(site, "pause");
	assert_answers(c, app_accept(app), "POST");
	stage_run(HEAR_SECONDS);
	assert_nothing_counted();
	close(app);
}

static void holding_allocates_nothing(void **state)
{
	struct waiter_ops none = {.retry = NULL};
	struct waiter w;

	(void)state;
	shut(site, "pause");
	waiter_init(&w, &none);
	/* The loop's own table of timers grows with the first. */
	assert_true(service_wait(service, &w));
	service_unwait(service, &w);
	allocations = 0;
	assert_true(service_wait(service, &w));
	assert_int_equal(allocations, 0);
	assert_int_equal(held(), 1);
	service_unwait(service, &w);
	assert_int_equal(allocations, 0);
}

static void health_checks_are_answered_here(void **state)
{
	static const char *const doors[] = {"pause", "stop"};

	(void)state;
	stage_write("blog/service.ini", "path_prefix = /app\nhealth_check_path = /ok\n");
	site_changed(site, TREE_SETTINGS);
	for (size_t i = 0; i < 2; i++) {
		shut(site, doors[i]);
		int c = client_that_says("GET /app/ok?now HTTP/1.1\r\nHost: a\r\n\r\n");
		const char *got = hear(c);
		assert_true(begins(got, "HTTP/1.1 200"));
		assert_non_null(strstr(got, "\r\n\r\nOK\n"));
		say(c, "HEAD /app/ok HTTP/1.1\r\nHost: a\r\n\r\n");
		got = hear(c);
		assert_true(begins(got, "HTTP/1.1 200"));
		assert_non_null(strstr(got, "Content-Length: 3\r\n"));
		assert_string_equal(strstr(got, "\r\n\r\n"), "\r\n\r\n");
		say(c, "POST /app/ok HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
		got = hear(c);
		assert_true(i == 0 ? *got == '\0' : begins(got, "HTTP/1.1 503"));
		assert_int_equal(held(), i == 0);
		close(c);
		stage_run(HEAR_SECONDS);
		reopen(site, doors[i]);
	}
	assert_nothing_counted();
}

static void a_stop_shows_the_maintenance_page(void **state)
{
	static char message[] = "back at <8>";
	int c;

	(void)state;
	shut(site, "pause");
	c = client_that_says(GET);
	assert_string_equal(hear(c), "");
	shut(site, "stop");
	const char *got = hear(c);
	assert_true(begins(got, "HTTP/1.1 503"));
	assert_non_null(strstr(got, "Retry-After: 30\r\n"));
	assert_non_null(
		strstr(got, "<p>The site is down for maintenance. Please try again soon.</p>"));
	site->stop_message = message;
	say(c, GET);
	assert_non_null(strstr(hear(c), "<p>back at &lt;8&gt;</p>"));
	mkdir(in_stage("blog/errors"), 0755);
	stage_write("blog/errors/503.html", "Sorry: {{ message }}!");
	stage_run(1.05);
	say(c, GET);
	assert_non_null(strstr(hear(c), "\r\n\r\nSorry: back at &lt;8&gt;!"));
	assert_int_equal(service_board(service)->errors, 0);
	site->stop_message = NULL;
	close(c);
}

static void who_is_held_too_long_gets_504(void **state)
{
	(void)state;
	site->hold_ms = 100;
	shut(site, "pause");
	int c = client_that_says(GET);
	stage_run(0.1);
	assert_true(begins(hear(c), "HTTP/1.1 504"));
	assert_int_equal(service_board(service)->errors, 1);
	assert_nothing_counted();
	close(c);
}

/* What breaks behind a closed door is not sent anew: the app may be migrating by then. */
static void a_retry_in_a_pause_is_held(void **state)
{
	int app = app_at("blog/app.sock"), c = client_that_says(GET), a = app_accept(app);

	(void)state;
	assert_true(begins(hear(a), "GET"));
	shut(site, "pause");
	close(a);
	assert_int_equal(app_accept(app), -1);
	assert_int_equal(held(), 1);
	reopen(site, "pause");
	assert_answers(c, app_accept(app), "GET");
	close(app);
}

static void a_retry_after_a_stop_is_answered(void **state)
{
	int app = app_at("blog/app.sock"), c = client_that_says(GET), a = app_accept(app);

	(void)state;
	assert_true(begins(hear(a), "GET"));
	shut(site, "stop");
	close(a);
	assert_true(begins(hear(c), "HTTP/1.1 503"));
	assert_int_equal(app_accept(app), -1);
	assert_nothing_counted();
	close(c);
	close(app);
}

/* It was let go before the second pause: that one waits for it, retry and all. */
static void a_released_request_is_sent_again_in_the_next_pause(void **state)
{
	int app = app_at("blog/app.sock"), c, a;

	(void)state;
	shut(site, "pause");
	c = client_that_says(GET);
	assert_string_equal(hear(c), "");
	reopen(site, "pause");
	a = app_accept(app);
	assert_true(begins(hear(a), "GET"));
	shut(site, "pause");
	assert_int_equal(service_board(service)->pause_ino, 0);
	close(a);
	assert_answers(c, app_accept(app), "GET");
	assert_int_equal(service_board(service)->pause_ino, site->pause.ino);
	close(app);
}

static void a_released_tunnel_does_not_keep_a_pause_waiting(void **state)
{
	int app = app_at("blog/app.sock"), c, a;

	(void)state;
	shut(site, "pause");
	c = client_that_says(UPGRADE);
	assert_string_equal(hear(c), "");
	reopen(site, "pause");
	a = app_accept(app);
	assert_true(begins(hear(a), "GET"));
	shut(site, "pause");
	assert_int_equal(service_board(service)->pause_ino, 0);
	say(a, SWITCHED);
	assert_true(begins(hear(c), "HTTP/1.1 101"));
	assert_int_equal(service_board(service)->pause_ino, site->pause.ino);
	say(c, "still there");
	assert_string_equal(hear(a), "still there");
	close(a);
	close(c);
	close(app);
}

static void no_408_meets_who_is_held(void **state)
{
	static const char *const heads[] = {
		"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n",
		"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n",
		"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nh",
	};
	struct proxy_settings hasty = stage.settings->proxy;
	int c[3];

	(void)state;
	hasty.body_timeout = hasty.head_timeout = 100;
	proxy.settings = &hasty;
	shut(site, "pause");
	for (size_t i = 0; i < 3; i++)
		c[i] = client_that_says(heads[i]);
	stage_run(0.5);
	for (size_t i = 0; i < 3; i++)
		assert_string_equal(hear(c[i]), "");
	assert_int_equal(held(), 3);
	/* Let go, it is their turn again. */
	int app = app_at("blog/app.sock");
	reopen(site, "pause");
	say(c[0], "hi");
	stage_run(0.4);
	assert_true(begins(hear(c[1]), "HTTP/1.1 408"));
	for (size_t i = 0; i < 3; i++)
		close(c[i]);
	stage_run(HEAR_SECONDS);
	assert_nothing_counted();
	proxy.settings = &stage.settings->proxy;
	close(app);
}

static void who_leaves_gives_back_its_place(void **state)
{
	(void)state;
	shut(site, "pause");
	int plain = client_that_says(GET);
	int uploads = client_that_says(
		"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc");
	int pipelines = client_that_says(GET GET);
	int stays = client_that_says("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc");

	stage_run(HEAR_SECONDS);
	assert_int_equal(held(), 4);
	close(plain);
	stage_run(HEAR_SECONDS);
	assert_int_equal(held(), 3); /* at once */
	close(uploads);
	shutdown(pipelines, SHUT_WR);
	stage_run(1.);
	assert_int_equal(held(), 1);
	assert_int_equal(proxy.nfronts, 1);
	assert_null(hear(pipelines));
	close(pipelines);
	close(stays);
}

/* The body of a held request is not read: it stays in the kernel. */
static void a_held_body_is_not_read(void **state)
{
	static char body[60000];
	struct conn *conn;

	(void)state;
	shut(site, "pause");
	int c = client_that_says("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 60000\r\n\r\n");
	assert_string_equal(hear(c), "");
	assert_int_equal(send(c, body, sizeof(body), MSG_NOSIGNAL), sizeof(body));
	stage_run(HEAR_SECONDS);
	conn = &container_of(list_first(&proxy.fronts), struct h1front, node)->conn;
	assert_int_equal(buf_used(&conn->in), 0);
	int app = app_at("blog/app.sock"), a;
	reopen(site, "pause");
	a = app_accept(app);
	size_t got = strlen(strstr(hear(a), "\r\n\r\n") + 4); /* a body of zeros: none */
	assert_int_equal(got, 0);
	say(a, ANSWER);
	assert_true(begins(hear(c), "HTTP/1.1 200"));
	close(a);
	close(c);
	close(app);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, proxy_up, proxy_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_held_request_reaches_the_app_after_the_pause),
		TEST(holding_allocates_nothing),
		TEST(health_checks_are_answered_here),
		TEST(a_stop_shows_the_maintenance_page),
		TEST(who_is_held_too_long_gets_504),
		TEST(a_retry_in_a_pause_is_held),
		TEST(a_retry_after_a_stop_is_answered),
		TEST(a_released_request_is_sent_again_in_the_next_pause),
		TEST(a_released_tunnel_does_not_keep_a_pause_waiting),
		TEST(no_408_meets_who_is_held),
		TEST(who_leaves_gives_back_its_place),
		TEST(a_held_body_is_not_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
