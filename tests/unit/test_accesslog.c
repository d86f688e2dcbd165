/* The access log: whole lines, never longer than a pipe takes at once, never a wait. */
#include "unit.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "proxy/accesslog.h"

static struct ev_loop *loop;
static int ends[2];
static struct accesslog *logger;

static int setup(void **state)
{
	(void)state;
	loop = ev_loop_new(EVFLAG_AUTO);
	assert_int_equal(pipe2(ends, O_NONBLOCK), 0);
	logger = accesslog_new(loop, ends[1], NULL);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	accesslog_free(logger);
	close(ends[0]);
	ev_loop_destroy(loop);
	return 0;
}

static struct logged_request request(struct str path)
{
	return (struct logged_request){
		.time_ms = 1767323045678,
		.duration_ns = 1234567,
		.host = STR("a.org"),
		.path = path,
		.method = STR("GET"),
		.proto = STR("HTTP/1.1"),
		.status = 200,
		.request_length = -1,
		.client_port = 4711,
	};
}

/* What a loop turn brings out. */
static size_t turn(char *to, size_t size)
{
	ssize_t n;
	ev_run(loop, EVRUN_NOWAIT);
	n = read(ends[0], to, size - 1);
	if (n < 0)
		n = 0;
	to[n] = '\0';
	return (size_t)n;
}

static void test_one_line(void **state)
{
	static char text[8192];
	struct logged_field field = {.name = STR("x_mine"), .value = STR("a\"b"), .answer = true};
	struct logged_request r = request(STR("/a\n\xff"));
	(void)state;
	r.fields = &field;
	accesslog_write(logger, &r);
	turn(text, sizeof(text));
	assert_non_null(strstr(text, "{\"time\":\"2026-01-02T03:04:05.678Z\",\"level\":\"INFO\","
				     "\"msg\":\"Request\",\"host\":\"a.org\",\"port\":0,"
				     "\"path\":\"/a\\n\\u00ff\","));
	assert_non_null(strstr(text, "\"duration\":1234567,\"method\":\"GET\","
				     "\"req_content_length\":-1,"));
	assert_non_null(strstr(text, "\"client_port\":\"4711\""));
	assert_non_null(strstr(text, ",\"resp_x_mine\":\"a\\\"b\"}\n"));
}

static void test_long_lines_lose_text(void **state)
{
	static char text[16384], path[8000];
	struct logged_request r;
	(void)state;
	memset(path, 1, sizeof(path)); /* \u0001: six bytes each */
	r = request(str_make(path, sizeof(path)));
	accesslog_write(logger, &r);
	size_t n = turn(text, sizeof(text));
	assert_in_range(n, 300, PIPE_BUF);
	assert_int_equal(text[n - 1], '\n');
	assert_non_null(strstr(text, "\"host\":\"a.org\""));
	assert_int_equal(accesslog_dropped(logger), 0);
}

static void test_full_pipe_drops_whole_lines(void **state)
{
	static char text[1 << 20];
	struct logged_request r = request(STR("/"));
	size_t n = 0;
	(void)state;
	for (int i = 0; i < 1000; i++) {
		accesslog_write(logger, &r);
		ev_run(loop, EVRUN_NOWAIT);
	}
	uint64_t dropped = accesslog_dropped(logger);
	assert_in_range(dropped, 1, 999);
	for (size_t got; (got = turn(text + n, sizeof(text) - n)) > 0;)
		n += got;
	size_t lines = 0;
	for (const char *p = text; (p = strchr(p, '\n')) != NULL; p++)
		lines++;
	assert_int_equal(lines + dropped, 1000);
	assert_int_equal(text[n - 1], '\n');
	accesslog_write(logger, &r); /* there is room again */
	assert_true(turn(text, sizeof(text)) > 0);
	assert_int_equal(accesslog_dropped(logger), dropped);
}

static void test_off(void **state)
{
	struct accesslog *off = accesslog_new(loop, -1, NULL);
	(void)state;
	assert_false(accesslog_is_on(off));
	assert_true(accesslog_is_on(logger));
	assert_int_equal(accesslog_reopen(off), 0);
	accesslog_free(off);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_one_line, setup, teardown),
		cmocka_unit_test_setup_teardown(test_long_lines_lose_text, setup, teardown),
		cmocka_unit_test_setup_teardown(test_full_pipe_drops_whole_lines, setup, teardown),
		cmocka_unit_test_setup_teardown(test_off, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
