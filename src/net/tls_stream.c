/* tls_stream: one connection. OpenSSL reads from the bytes that one recv brought into a buffer of the process,
 * and writes into another one, which leaves in one send; only what the socket does not take is kept. */
#include <errno.h>
#include <openssl/err.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "tls_internal.h"

#define PIECE (128 * 1024) /* of plain text that is sealed before it is tried to send */
/* Of a connection's life. Each costs a derivation of keys, or an answer that the client need not read; clients in
   earnest have one in 100 GB. */
#define ASIDES_MAX 100

struct tls_stream {
	struct conn_stream base;
	struct tls *tls;
	SSL *ssl;
	struct tls_cert *cert; /* NULL: not chosen yet */
	struct str input;      /* what is left of what was received; valid within recv */
	struct buf in;         /* received, and not wanted yet */
	struct buf out;        /* sealed, and not taken by the socket yet */
	unsigned asides;       /* new keys, and alerts in answer to what is not done here */
	bool ended;            /* the client has said that nothing more comes */
	bool failed;
};

static const struct stream_ops tls_ops;

static struct tls_stream *stream_of(const struct conn *c)
{
	return container_of(c->stream, struct tls_stream, base);
}

struct tls *tls_of(SSL *ssl)
{
	const struct tls_stream *s = SSL_get_app_data(ssl);
	return s->tls;
}

void tls_stream_chose(SSL *ssl, struct tls_cert *c)
{
	struct tls_stream *s = SSL_get_app_data(ssl);
	s->cert = tls_cert_hold(c);
}

/* ---- what OpenSSL reads from and writes to ---- */

void tls_stream_heard(int out, int version, int type, const void *p, size_t n, SSL *ssl, void *arg)
{
	struct tls_stream *s = SSL_get_app_data(ssl);
	bool new_keys = out == 0 && type == SSL3_RT_HANDSHAKE && n != 0 &&
			*(const uint8_t *)p == SSL3_MT_KEY_UPDATE;
	(void)version;
	(void)arg;
	if (new_keys || (out != 0 && type == SSL3_RT_ALERT))
		s->asides++;
}

static int bio_read(BIO *b, char *p, int n)
{
	struct tls_stream *s = BIO_get_data(b);
	size_t take = s->input.n < (size_t)n ? s->input.n : (size_t)n;
	BIO_clear_retry_flags(b);
	if (s->asides > ASIDES_MAX)
		return -1;
	if (take == 0) {
		BIO_set_retry_read(b);
		return -1;
	}
	memcpy(p, s->input.p, take);
	s->input = str_make(s->input.p + take, s->input.n - take);
	return (int)take;
}

/* Never refuses: a record is written whole or not begun. */
static int bio_write(BIO *b, const char *p, int n)
{
	struct tls_stream *s = BIO_get_data(b);
	struct tls *t = s->tls;
	size_t len = (size_t)n;
	if (buf_used(&s->out) == 0 && len <= TLS_ROOM - t->used) {
		memcpy(t->out + t->used, p, len);
		t->used += len;
	} else {
		buf_append(&s->out, p, len);
	}
	return n;
}

static long bio_ctrl(BIO *b, int cmd, long num, void *ptr)
{
	(void)b;
	(void)num;
	(void)ptr;
	return cmd == BIO_CTRL_FLUSH ? 1 : 0;
}

static int bio_create(BIO *b)
{
	BIO_set_init(b, 1);
	return 1;
}

BIO_METHOD *tls_stream_bio(void)
{
	BIO_METHOD *m = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "conn");
	if (m == NULL)
		abort();
	BIO_meth_set_read(m, bio_read);
	BIO_meth_set_write(m, bio_write);
	BIO_meth_set_ctrl(m, bio_ctrl);
	BIO_meth_set_create(m, bio_create);
	return m;
}

/* ---- sending ---- */

/* How many of the bytes the socket took; −1 when it never will take any. */
static ssize_t send_raw(struct conn *c, const char *p, size_t n)
{
	ssize_t sent = conn_plain.send(c, p, n);
	if (sent >= 0)
		return sent;
	return errno == EAGAIN || errno == EINTR ? 0 : -1;
}

/* The buffer of the process is free for others when this returns. */
static bool push_shared(struct conn *c, struct tls_stream *s)
{
	struct tls *t = s->tls;
	ssize_t sent = send_raw(c, t->out, t->used);
	size_t used = t->used;
	t->used = 0;
	if (sent < 0)
		return false;
	if ((size_t)sent == used)
		return true;
	/* What is left comes before what had no room there. */
	struct buf rest = {0};
	buf_append(&rest, t->out + sent, used - (size_t)sent);
	buf_add(&rest, buf_str(&s->out));
	buf_free(&s->out);
	s->out = rest;
	return true;
}

/* Sends what is sealed, as far as the socket takes it. False with errno: it never will. */
static bool push(struct conn *c, struct tls_stream *s)
{
	bool ok = s->tls->used == 0 || push_shared(c, s);
	if (ok && buf_used(&s->out) != 0) {
		ssize_t sent = send_raw(c, s->out.data + s->out.head, buf_used(&s->out));
		ok = sent >= 0;
		if (ok)
			buf_consume(&s->out, (size_t)sent);
	}
	if (!ok || buf_used(&s->out) == 0)
		buf_free(&s->out);
	s->base.unsent = buf_used(&s->out);
	return ok;
}

static ssize_t tls_send(struct conn *c, const void *p, size_t n)
{
	struct tls_stream *s = stream_of(c);
	size_t done = 0;
	bool ok = push(c, s);
	while (ok && done < n && s->base.unsent == 0) {
		size_t piece = n - done < PIECE ? n - done : PIECE;
		ERR_clear_error();
		int sealed = SSL_write(s->ssl, (const char *)p + done, (int)piece);
		ok = push(c, s);
		if (ok && sealed <= 0) {
			s->failed = true;
			errno = EPROTO;
			return -1;
		}
		done += ok ? (size_t)sealed : 0;
	}
	return ok ? (ssize_t)done : -1;
}

/* ---- receiving ---- */

/* Opens as much as n bytes hold; the handshake is done on the way. */
static size_t open_some(struct tls_stream *s, char *p, size_t n)
{
	size_t done = 0;
	while (done < n) {
		ERR_clear_error();
		int got = SSL_read(s->ssl, p + done, (int)(n - done));
		if (got <= 0) {
			int why = SSL_get_error(s->ssl, got);
			s->ended = why == SSL_ERROR_ZERO_RETURN;
			s->failed = !s->ended && why != SSL_ERROR_WANT_READ;
			break;
		}
		done += (size_t)got;
		if (s->input.n == 0 && SSL_pending(s->ssl) == 0)
			break;
	}
	return done;
}

/* Opens what was kept, or else what the socket has; what is not wanted yet is kept. */
static ssize_t receive(struct conn *c, struct tls_stream *s, char *p, size_t n, size_t *opened)
{
	struct tls *t = s->tls;
	size_t kept = buf_used(&s->in);
	if (kept != 0) {
		s->input = buf_str(&s->in);
	} else if (SSL_pending(s->ssl) == 0) {
		ssize_t got = conn_plain.recv(c, t->in, n < TLS_ROOM ? n : TLS_ROOM);
		if (got <= 0)
			return got;
		s->input = str_make(t->in, (size_t)got);
	}
	*opened = open_some(s, p, n);
	if (kept == 0)
		buf_add(&s->in, s->input);
	else
		buf_consume(&s->in, kept - s->input.n);
	if (buf_used(&s->in) == 0)
		buf_free(&s->in);
	s->input = STR("");
	return 1;
}

static ssize_t tls_recv(struct conn *c, void *p, size_t n)
{
	struct tls_stream *s = stream_of(c);
	size_t opened = 0;
	if (!s->ended && !s->failed) {
		ssize_t got = receive(c, s, p, n, &opened);
		if (got <= 0)
			return got; /* a FIN alone ends it like a close_notify: HTTP knows its own ends */
		s->failed = !push(c, s) || s->failed; /* what was read counts first */
	}
	bool over = s->ended || s->failed;
	s->base.more = opened != 0 && (over || buf_used(&s->in) != 0 || SSL_pending(s->ssl) != 0);
	if (opened != 0)
		return (ssize_t)opened;
	if (s->ended)
		return 0;
	errno = s->failed ? EPROTO : EAGAIN;
	return -1;
}

/* ---- the end ---- */

static void say_end(struct tls_stream *s)
{
	if (s->failed || !SSL_is_init_finished(s->ssl) ||
	    (SSL_get_shutdown(s->ssl) & SSL_SENT_SHUTDOWN) != 0)
		return;
	ERR_clear_error();
	(void)SSL_shutdown(s->ssl);
}

static void tls_shutdown(struct conn *c)
{
	struct tls_stream *s = stream_of(c);
	say_end(s);
	if (push(c, s) && s->base.unsent == 0)
		conn_plain.shutdown(c);
}

static void tls_close(struct conn *c)
{
	struct tls_stream *s = stream_of(c);
	/* What was broken off must not look as if it had come to its end. */
	if (!c->write_failed && conn_unsent(c) == 0) {
		say_end(s);
		(void)push(c, s);
	}
	c->stream = NULL;
	SSL_free(s->ssl);
	tls_cert_drop(s->cert);
	buf_free(&s->in);
	buf_free(&s->out);
	mem_free(s);
	conn_plain.close(c);
}

static const struct stream_ops tls_ops = {
	.recv = tls_recv,
	.send = tls_send,
	.shutdown = tls_shutdown,
	.close = tls_close,
};

/* ---- life ---- */

void tls_stream_start(struct tls *t, struct conn *c)
{
	struct tls_stream *s = mem_new(struct tls_stream);
	BIO *bio = BIO_new(t->bio);
	s->base.ops = &tls_ops;
	s->tls = t;
	s->ssl = SSL_new(t->ctx);
	if (bio == NULL || s->ssl == NULL)
		abort();
	BIO_set_data(bio, s);
	SSL_set_bio(s->ssl, bio, bio);
	SSL_set_app_data(s->ssl, s);
	SSL_set_accept_state(s->ssl);
	conn_set_stream(c, &s->base);
}

const struct tls_cert *tls_stream_cert(const struct conn *c)
{
	return stream_of(c)->cert;
}

bool tls_stream_is_amid(const struct conn *c)
{
	const SSL *ssl = stream_of(c)->ssl;
	return !SSL_in_before(ssl) && !SSL_is_init_finished(ssl);
}

bool tls_stream_is_h2(const struct conn *c)
{
	const unsigned char *p;
	unsigned n;
	SSL_get0_alpn_selected(stream_of(c)->ssl, &p, &n);
	return str_eq(str_make((const char *)p, n), STR("h2"));
}
