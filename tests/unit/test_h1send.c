/* Framing: with and without room around the payload the bytes on the wire are the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sys/socket.h>
#include <unistd.h>

#include "proxy/h1send.h"

struct rig {
	struct ev_loop *loop;
	struct conn_io io;
	struct conn conn;
	int other;
};

static void on_closed(struct conn *c)
{
	(void)c;
}

static const struct conn_events events = {.closed = on_closed};

static void rig_up(struct rig *r)
{
	int fd[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd), 0);
	r->loop = ev_loop_new(EVFLAG_AUTO);
	conn_io_init(&r->io, r->loop);
	conn_init(&r->conn, &r->io, fd[0], &events);
	r->other = fd[1];
}

static void rig_down(struct rig *r)
{
	conn_close(&r->conn);
	conn_io_fini(&r->io);
	ev_loop_destroy(r->loop);
	close(r->other);
}

/* Sends the payload in two pieces with the given room and returns the wire's bytes. */
static const char *wire(enum body_kind kind, bool room, const char *trailers)
{
	static char got[1024];
	char area[256] = {0};
	struct rig r;
	struct h1send s;
	rig_up(&r);
	h1send_begin(&s, &r.conn, STR("HEAD\r\n\r\n"), kind, 10);
	for (int i = 0; i < 2; i++) {
		memcpy(area + 100, i == 0 ? "hello" : "world", 5);
		struct slice data = {
			.p = area + 100, .n = 5, .before = room ? 100 : 0, .after = room ? 64 : 0};
		assert_int_equal(h1send_body(&s, data, i == 1, i == 1 ? str_of(trailers) : STR("")),
				 0);
	}
	assert_true(h1send_ended(&s));
	ssize_t n = read(r.other, got, sizeof(got) - 1);
	assert_true(n > 0);
	got[n] = '\0';
	rig_down(&r);
	return got;
}

static void test_framing(void **state)
{
	(void)state;
	for (int room = 0; room < 2; room++) {
		assert_string_equal(wire(BODY_LENGTH, room, ""), "HEAD\r\n\r\nhelloworld");
		assert_string_equal(wire(BODY_CLOSE, room, ""), "HEAD\r\n\r\nhelloworld");
		assert_string_equal(wire(BODY_CHUNKED, room, ""),
				    "HEAD\r\n\r\n5\r\nhello\r\n5\r\nworld\r\n0\r\n\r\n");
		assert_string_equal(wire(BODY_CHUNKED, room, "A: b\r\n"),
				    "HEAD\r\n\r\n5\r\nhello\r\n5\r\nworld\r\n0\r\nA: b\r\n\r\n");
	}
}

static void test_too_long(void **state)
{
	struct rig r;
	struct h1send s;
	char area[] = "12345678901";
	(void)state;
	rig_up(&r);
	h1send_begin(&s, &r.conn, STR("H"), BODY_LENGTH, 10);
	assert_int_equal(h1send_body(&s, (struct slice){.p = area, .n = 11}, true, STR("")), -1);
	rig_down(&r);
}

static void test_no_body(void **state)
{
	struct rig r;
	struct h1send s;
	char got[16] = {0};
	(void)state;
	rig_up(&r);
	h1send_begin(&s, &r.conn, STR("H"), BODY_NONE, 0);
	assert_true(h1send_ended(&s));
	assert_int_equal(h1send_flush(&s), 0);
	assert_int_equal(h1send_flush(&s), 0);
	assert_int_equal(read(r.other, got, sizeof(got)), 1);
	rig_down(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_framing),
		cmocka_unit_test(test_too_long),
		cmocka_unit_test(test_no_body),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
