/* A connection over a socket pair: what is kept is given again, what does not fit is sent later, and an owner
 * is told of its end only when nobody stands on it. */
#include "unit.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/conn.h"

static struct {
	struct ev_loop *loop;
	struct conn_io io;
	struct conn conn;
	int other;
	char got[256]; /* what data() was given, each time in brackets */
	size_t take;   /* how much data() uses */
	bool close_inside, stop_inside;
	int eofs, drains, errors, closes;
} rig;

static size_t on_data(struct conn *c, struct slice in)
{
	size_t used = in.n < rig.take ? in.n : rig.take;
	size_t n = strlen(rig.got);

	snprintf(rig.got + n, sizeof(rig.got) - n, "[%.*s]", (int)(in.n < 100 ? in.n : 100), in.p);
	memset(in.p - in.before, 'b', in.before);
	memset(in.p + in.n, 'a', in.after);
	if (rig.stop_inside)
		conn_read_stop(c);
	if (rig.close_inside) {
		conn_close(c);
		assert_int_equal(rig.closes, 0);
	}
	return used;
}

static void on_eof(struct conn *c)
{
	(void)c;
	rig.eofs++;
}

static void on_drained(struct conn *c)
{
	(void)c;
	rig.drains++;
}

static void on_error(struct conn *c, int err)
{
	(void)c;
	(void)err;
	rig.errors++;
}

static void on_closed(struct conn *c)
{
	(void)c;
	rig.closes++;
}

static const struct conn_events events = {
	.data = on_data,
	.eof = on_eof,
	.drained = on_drained,
	.error = on_error,
	.closed = on_closed,
};

static int rig_up(void **state)
{
	int fd[2];

	(void)state;
	memset(&rig, 0, sizeof(rig));
	rig.take = SIZE_MAX;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd), 0);
	rig.loop = ev_loop_new(EVFLAG_AUTO);
	conn_io_init(&rig.io, rig.loop);
	conn_init(&rig.conn, &rig.io, fd[0], &events);
	rig.other = fd[1];
	return 0;
}

static int rig_down(void **state)
{
	(void)state;
	conn_close(&rig.conn);
	assert_int_equal(rig.closes, 1);
	conn_io_fini(&rig.io);
	ev_loop_destroy(rig.loop);
	close(rig.other);
	return 0;
}

static void turn(void)
{
	for (int i = 0; i < 3; i++)
		ev_run(rig.loop, EVRUN_NOWAIT);
}

static void hear(const char *text)
{
	assert_int_equal(send(rig.other, text, strlen(text), 0), strlen(text));
	turn();
}

static void what_is_not_used_comes_again_with_more(void **state)
{
	(void)state;
	rig.take = 1;
	hear("abc");
	hear("de");
	rig.take = 4;
	conn_kick(&rig.conn);
	assert_string_equal(rig.got, "[abc][bcde]");
	turn();
	assert_string_equal(rig.got, "[abc][bcde][cde]");
	conn_kick(&rig.conn);
	turn();
	assert_string_equal(rig.got, "[abc][bcde][cde]");
}

static void a_stopped_reader_gets_what_it_left_when_it_starts(void **state)
{
	(void)state;
	rig.take = 0;
	rig.stop_inside = true;
	hear("abc");
	hear("de");
	assert_string_equal(rig.got, "[abc]");
	rig.take = SIZE_MAX;
	rig.stop_inside = false;
	conn_read_start(&rig.conn);
	conn_read_stop(&rig.conn);
	turn();
	assert_string_equal(rig.got, "[abc]");
	conn_read_start(&rig.conn);
	turn();
	assert_string_equal(rig.got, "[abc][abc][de]");
}

static void kept_bytes_outlive_the_end(void **state)
{
	(void)state;
	rig.take = 0;
	hear("abc");
	shutdown(rig.other, SHUT_WR);
	turn();
	assert_int_equal(rig.eofs, 1);
	rig.take = SIZE_MAX;
	conn_kick(&rig.conn);
	turn();
	assert_string_equal(rig.got, "[abc][abc]");
	assert_int_equal(rig.eofs, 1);
}

static void no_more_is_read_than_may_be_kept(void **state)
{
	(void)state;
	rig.take = 0;
	rig.conn.read_max = 4;
	hear("abcdef");
	assert_string_equal(rig.got, "[abcd]");
	rig.take = SIZE_MAX;
	conn_kick(&rig.conn);
	turn();
	assert_string_equal(rig.got, "[abcd][abcd][ef]");
}

static void closing_inside_is_told_afterwards(void **state)
{
	(void)state;
	rig.close_inside = true;
	hear("abc");
	assert_int_equal(rig.closes, 1);
	assert_int_equal(conn_send(&rig.conn, "x", 1), -1);
}

static void fill(size_t *sent)
{
	static char much[100000];

	while (conn_unsent(&rig.conn) == 0) {
		assert_int_equal(conn_send(&rig.conn, much, sizeof(much)), 0);
		*sent += sizeof(much);
	}
}

static void what_does_not_fit_is_sent_later_and_then_the_end(void **state)
{
	static char got[100000];
	size_t sent = 0, heard = 0;
	ssize_t n = 1;

	(void)state;
	fill(&sent);
	conn_shutdown(&rig.conn);
	for (int i = 0; i < 1000 && n != 0; i++) {
		turn();
		n = recv(rig.other, got, sizeof(got), 0);
		heard += n > 0 ? (size_t)n : 0;
	}
	assert_int_equal(n, 0);
	assert_int_equal(heard, sent);
	assert_int_equal(rig.conn.sent, sent);
	assert_int_equal(rig.drains, 1);
}

static void who_hung_up_can_still_have_said_something(void **state)
{
	size_t sent = 0;

	(void)state;
	fill(&sent);
	assert_int_equal(send(rig.other, "no", 2, 0), 2);
	close(rig.other);
	turn();
	assert_string_equal(rig.got, "[no]");
	assert_true(rig.conn.write_failed);
	assert_true(rig.conn.eof);
	assert_int_equal(conn_unsent(&rig.conn), 0);
}

/* What was kept is given to the new owner, what was not sent yet is sent; the old one is told of its end. */
static void a_connection_changes_hands(void **state)
{
	static char got[100000];
	struct conn heir;
	size_t sent = 0, heard = 0;

	(void)state;
	rig.take = 0;
	hear("first");
	fill(&sent);
	conn_hold(&rig.conn);
	conn_take(&heir, &rig.conn, &events);
	assert_int_equal(rig.closes, 0);
	conn_drop(&rig.conn);
	assert_int_equal(rig.closes, 1);
	rig.take = SIZE_MAX;
	hear("second");
	assert_string_equal(rig.got, "[first][first][second]");
	for (int i = 0; i < 1000 && heard < sent; i++) {
		ssize_t n = recv(rig.other, got, sizeof(got), 0);
		heard += n > 0 ? (size_t)n : 0;
		turn();
	}
	assert_int_equal(heard, sent);
	conn_close(&heir);
	assert_int_equal(rig.closes, 2);
	rig.closes = 1; /* as the others leave it */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_up, rig_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_is_not_used_comes_again_with_more),
		TEST(a_stopped_reader_gets_what_it_left_when_it_starts),
		TEST(kept_bytes_outlive_the_end),
		TEST(no_more_is_read_than_may_be_kept),
		TEST(closing_inside_is_told_afterwards),
		TEST(what_does_not_fit_is_sent_later_and_then_the_end),
		TEST(who_hung_up_can_still_have_said_something),
		TEST(a_connection_changes_hands),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
