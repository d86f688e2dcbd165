/* A conn with TLS under it, and OpenSSL's own client at the other end of a socket pair: byte by byte, in floods,
 * through a socket that is full, and to its end in every way. */
#include "unit.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/tls.h"
#include "tls_pem.h"

static struct {
	struct ev_loop *loop;
	struct conn_io io;
	struct conn conn, next;
	struct tls_tickets *tickets;
	struct tls *tls;
	struct tls_cert *cert;
	struct str asked; /* the name that the client asked for */
	char asked_room[64];
	SSL_CTX *client_ctx;
	SSL *ssl;
	int other;
	struct buf got;
	size_t take; /* how much data() uses at most */
	bool hand_on;
	int eofs, drains, errors, closes;
} rig;

static const struct conn_events events;

static size_t on_data(struct conn *c, struct slice in)
{
	size_t used = in.n < rig.take ? in.n : rig.take;
	if (rig.hand_on) {
		rig.hand_on = false;
		conn_take(&rig.next, c, &events);
		conn_give(&rig.next, in.n);
		return in.n;
	}
	buf_append(&rig.got, in.p, used);
	memset(in.p - in.before, 'b', in.before);
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

static struct tls_cert *choose(void *user, struct str name)
{
	(void)user;
	memcpy(rig.asked_room, name.p, name.n);
	rig.asked = str_make(rig.asked_room, name.n);
	return str_eq(name, STR("nobody.org")) ? NULL : rig.cert;
}

static int rig_up(void **state)
{
	const struct tls_source own = {.service = "blog"};
	char why[128];
	int fd[2];
	(void)state;
	memset(&rig, 0, sizeof(rig));
	rig.take = SIZE_MAX;
	rig.tickets = tls_tickets_new();
	tls_tickets_turn(rig.tickets, 1000000);
	rig.tls = tls_new(rig.tickets, true);
	tls_set_choose(rig.tls, choose, NULL);
	rig.cert = tls_cert_make(rig.tls, &own, why, sizeof(why));
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd), 0);
	rig.loop = ev_loop_new(EVFLAG_AUTO);
	conn_io_init(&rig.io, rig.loop);
	conn_init(&rig.conn, &rig.io, fd[0], &events);
	tls_stream_start(rig.tls, &rig.conn);
	rig.other = fd[1];
	rig.client_ctx = SSL_CTX_new(TLS_client_method());
	rig.ssl = SSL_new(rig.client_ctx);
	SSL_set_fd(rig.ssl, rig.other);
	SSL_set_connect_state(rig.ssl);
	SSL_set_tlsext_host_name(rig.ssl, "a.org");
	return 0;
}

static int rig_down(void **state)
{
	(void)state;
	conn_close(&rig.conn);
	if (rig.next.io != NULL)
		conn_close(&rig.next);
	assert_int_equal(rig.closes, rig.next.io == NULL ? 1 : 2);
	SSL_free(rig.ssl);
	SSL_CTX_free(rig.client_ctx);
	tls_cert_drop(rig.cert);
	tls_free(rig.tls);
	tls_tickets_free(rig.tickets);
	conn_io_fini(&rig.io);
	ev_loop_destroy(rig.loop);
	buf_free(&rig.got);
	close(rig.other);
	return 0;
}

static void turn(void)
{
	for (int i = 0; i < 4; i++)
		ev_run(rig.loop, EVRUN_NOWAIT);
}

/* 1, or OpenSSL's reason for having failed. */
static int shake(void)
{
	for (int i = 0; i < 20; i++) {
		int rc = SSL_do_handshake(rig.ssl);
		if (rc == 1) {
			turn();
			return 1;
		}
		int why = SSL_get_error(rig.ssl, rc);
		if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE)
			return ERR_GET_REASON(ERR_get_error());
		turn();
	}
	return 0;
}

static void say(const char *text)
{
	assert_int_equal(SSL_write(rig.ssl, text, (int)strlen(text)), (int)strlen(text));
	turn();
}

static bool has_got(const char *text)
{
	return str_eq(buf_str(&rig.got), str_of(text));
}

static void both_ways(void **state)
{
	char text[16];
	(void)state;
	assert_null(tls_stream_cert(&rig.conn));
	assert_int_equal(shake(), 1);
	assert_true(str_eq(rig.asked, STR("a.org")));
	assert_ptr_equal(tls_stream_cert(&rig.conn), rig.cert);
	assert_false(tls_stream_is_h2(&rig.conn));
	say("hello");
	assert_true(has_got("hello"));
	assert_int_equal(conn_send(&rig.conn, "answer", 6), 0);
	assert_int_equal(conn_unsent(&rig.conn), 0);
	assert_true(rig.conn.sent > 6);
	assert_int_equal(SSL_read(rig.ssl, text, sizeof(text)), 6);
	assert_memory_equal(text, "answer", 6);
}

static void the_protocol_is_agreed_on(void **state)
{
	(void)state;
	assert_int_equal(SSL_set_alpn_protos(rig.ssl, (const uint8_t *)"\x08http/1.1\x02h2", 12),
			 0);
	assert_int_equal(shake(), 1);
	assert_true(tls_stream_is_h2(&rig.conn));
}

static void a_name_that_nobody_has(void **state)
{
	(void)state;
	SSL_set_tlsext_host_name(rig.ssl, "nobody.org");
	assert_int_equal(shake(), SSL_R_TLSV1_UNRECOGNIZED_NAME);
	assert_int_equal(rig.errors, 1);
}

static void noise_is_an_error(void **state)
{
	(void)state;
	assert_int_equal(send(rig.other, "GET / HTTP/1.1\r\n\r\n", 18, 0), 18);
	turn();
	assert_int_equal(rig.errors, 1);
	assert_int_equal(buf_used(&rig.got), 0);
}

/* A client between which and us every byte comes alone. */
static void byte_by_byte(void **state)
{
	BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
	char room[20000];
	bool done = false;
	(void)state;
	SSL_set_bio(rig.ssl, in, out);
	for (int i = 0; i < 10 && !done; i++) {
		ssize_t n = recv(rig.other, room, sizeof(room), 0);
		if (n > 0)
			BIO_write(in, room, (int)n);
		done = SSL_do_handshake(rig.ssl) == 1;
		if (done)
			assert_int_equal(SSL_write(rig.ssl, "hello", 5), 5);
		for (char c; BIO_read(out, &c, 1) == 1;) {
			assert_int_equal(send(rig.other, &c, 1, 0), 1);
			ev_run(rig.loop, EVRUN_NOWAIT);
		}
	}
	assert_true(done);
	assert_true(has_got("hello"));
}

/* More in a record than the owner has room for: the rest comes without a further event. */
static void small_reads(void **state)
{
	static char text[16001];
	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	rig.conn.read_max = 1000;
	assert_int_equal(shake(), 1);
	say(text);
	for (int i = 0; i < 40; i++)
		turn();
	assert_true(has_got(text));
	conn_read_stop(&rig.conn);
	say("more");
	assert_true(has_got(text));
	conn_read_start(&rig.conn);
	turn();
	assert_int_equal(buf_used(&rig.got), sizeof(text) - 1 + 4);
}

static size_t read_all(void)
{
	static char text[1 << 20];
	size_t all = 0;
	for (int idle = 0; idle < 3;) {
		int n = SSL_read(rig.ssl, text, sizeof(text));
		idle = n > 0 ? 0 : idle + 1;
		all += n > 0 ? (size_t)n : 0;
		turn();
	}
	return all;
}

static void what_the_socket_does_not_take_is_kept(void **state)
{
	static char text[3000000];
	(void)state;
	assert_int_equal(shake(), 1);
	assert_int_equal(conn_send(&rig.conn, text, sizeof(text)), 0);
	assert_true(conn_unsent(&rig.conn) > sizeof(text) / 2);
	assert_int_equal(conn_send(&rig.conn, "end", 3), 0);
	assert_int_equal(rig.drains, 0);
	assert_int_equal(read_all(), sizeof(text) + 3);
	assert_int_equal(rig.drains, 1);
	assert_int_equal(conn_unsent(&rig.conn), 0);
}

static void the_ends(void **state)
{
	char text[16];
	(void)state;
	assert_int_equal(shake(), 1);
	say("last");
	assert_int_equal(SSL_shutdown(rig.ssl), 0);
	turn();
	assert_true(has_got("last"));
	assert_int_equal(rig.eofs, 1);
	assert_int_equal(conn_send(&rig.conn, "bye", 3), 0);
	conn_shutdown(&rig.conn);
	assert_int_equal(SSL_read(rig.ssl, text, sizeof(text)), 3);
	assert_int_equal(SSL_read(rig.ssl, text, sizeof(text)), 0);
	assert_int_equal(SSL_get_error(rig.ssl, 0), SSL_ERROR_ZERO_RETURN);
	assert_int_equal(recv(rig.other, text, 1, 0), 0);
}

static void data_and_end_in_one_go(void **state)
{
	(void)state;
	assert_int_equal(shake(), 1);
	assert_int_equal(SSL_write(rig.ssl, "last", 4), 4);
	assert_int_equal(SSL_shutdown(rig.ssl), 0);
	turn();
	assert_true(has_got("last"));
	assert_int_equal(rig.eofs, 1);
}

static void a_fin_alone_is_an_end(void **state)
{
	(void)state;
	assert_int_equal(shake(), 1);
	assert_int_equal(shutdown(rig.other, SHUT_WR), 0);
	turn();
	assert_int_equal(rig.eofs, 1);
	assert_int_equal(rig.errors, 0);
}

static void what_is_broken_off_has_no_end(void **state)
{
	char text[16];
	(void)state;
	assert_int_equal(shake(), 1);
	rig.conn.write_failed = true;
	conn_close(&rig.conn);
	while (SSL_read(rig.ssl, text, sizeof(text)) > 0)
		;
	assert_int_not_equal(SSL_get_error(rig.ssl, 0), SSL_ERROR_ZERO_RETURN);
}

static void another_owner_goes_on(void **state)
{
	char text[16];
	(void)state;
	rig.hand_on = true;
	assert_int_equal(shake(), 1);
	say("hello");
	assert_int_equal(rig.closes, 1);
	assert_true(conn_is_closed(&rig.conn));
	assert_true(has_got("hello"));
	assert_int_equal(conn_send(&rig.next, "answer", 6), 0);
	assert_int_equal(SSL_read(rig.ssl, text, sizeof(text)), 6);
	say(" again");
	assert_true(has_got("hello again"));
}

static void new_keys(int times)
{
	for (int i = 0; i < times && rig.errors == 0; i++) {
		assert_int_equal(SSL_key_update(rig.ssl, SSL_KEY_UPDATE_REQUESTED), 1);
		assert_int_equal(SSL_do_handshake(rig.ssl), 1);
		turn();
	}
}

static void new_keys_now_and_then_but_no_flood(void **state)
{
	(void)state;
	assert_int_equal(shake(), 1);
	new_keys(10);
	say("hello");
	assert_true(has_got("hello"));
	new_keys(1000);
	assert_int_equal(rig.errors, 1);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, rig_up, rig_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(both_ways),
		TEST(the_protocol_is_agreed_on),
		TEST(a_name_that_nobody_has),
		TEST(noise_is_an_error),
		TEST(byte_by_byte),
		TEST(small_reads),
		TEST(what_the_socket_does_not_take_is_kept),
		TEST(the_ends),
		TEST(data_and_end_in_one_go),
		TEST(a_fin_alone_is_an_end),
		TEST(what_is_broken_off_has_no_end),
		TEST(another_owner_goes_on),
		TEST(new_keys_now_and_then_but_no_flood),
	};
	signal(SIGPIPE, SIG_IGN); /* OpenSSL's client writes as it likes */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
