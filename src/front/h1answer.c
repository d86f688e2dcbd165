/* h1answer: what the client gets: heads in its version of HTTP, bodies in a framing it understands, and how
 * the connection goes on after the answer. */
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "h1front_internal.h"

static struct h1front *h1front_of(struct front *front)
{
	return container_of(front, struct h1front, front);
}

static void add_status_line(struct text *t, const struct head *h)
{
	text_lit(t, "HTTP/1.1 ");
	text_u64(t, (uint64_t)h->status);
	text_char(t, ' ');
	text_add(t, h->reason);
	text_lit(t, "\r\n");
}

static void add_fields(struct text *t, const struct head *h)
{
	for (size_t i = 0; i < h->nfields; i++) {
		text_add(t, h->fields[i].name);
		text_lit(t, ": ");
		text_add(t, h->fields[i].value);
		text_lit(t, "\r\n");
	}
}

/* Bytes that the client does not take, or never will, are watched. */
static void look_after(struct h1front *f)
{
	if (conn_unsent(&f->conn) != 0 || f->conn.write_failed || f->conn.shut)
		h1front_set_deadline(f);
}

static void on_interim(struct front *front, const struct head *h)
{
	struct h1front *f = h1front_of(front);
	struct text t = text_in(f->proxy->head_memory, PROXY_HEAD_MAX);
	if (f->minor == 0) /* RFC 9110 15.2: never to HTTP/1.0 */
		return;
	add_status_line(&t, h);
	add_fields(&t, h);
	text_lit(&t, "\r\n");
	if (!t.full)
		(void)conn_send(&f->conn, t.p, t.n);
}

/* Can what is still unread of the request be thrown away at once? */
static bool rest_is_in_hand(const struct h1front *f)
{
	return f->in.done || (f->in.kind == BODY_LENGTH && f->in.left <= f->in_hand);
}

/* The framing toward this client. */
static enum body_kind client_kind(struct h1front *f, enum body_kind kind)
{
	if (kind != BODY_CHUNKED && kind != BODY_CLOSE)
		return kind;
	if (f->minor >= 1)
		return BODY_CHUNKED;
	f->keep = false;
	return BODY_CLOSE;
}

static void add_connection(struct text *t, const struct h1front *f)
{
	if (!f->keep)
		text_lit(t, "Connection: close\r\n");
	else if (f->minor == 0)
		text_lit(t, "Connection: keep-alive\r\n");
}

static void upgrade_both_ways(struct h1front *f, struct text *t)
{
	text_lit(t, "Connection: Upgrade\r\n");
	f->keep = false;
	h1_body_init(&f->in, BODY_CLOSE, 0);
	f->in.done = false;
	f->conn.read_max = CONN_READ_MAX;
}

static void on_head(struct front *front, const struct head *h, enum body_kind kind, uint64_t length)
{
	struct h1front *f = h1front_of(front);
	struct text t = text_in(f->proxy->head_memory, PROXY_HEAD_MAX);
	add_status_line(&t, h);
	add_fields(&t, h);
	if (h->status == 101) {
		upgrade_both_ways(f, &t);
	} else {
		if (f->proxy->retiring || !rest_is_in_hand(f))
			f->keep = false;
		kind = client_kind(f, kind);
		if (kind == BODY_CHUNKED) {
			text_lit(&t, "Transfer-Encoding: chunked\r\n");
		} else if (kind == BODY_LENGTH) {
			text_lit(&t, "Content-Length: ");
			text_u64(&t, length);
			text_lit(&t, "\r\n");
		}
		add_connection(&t, f);
	}
	text_lit(&t, "\r\n");
	h1send_begin(&f->out, &f->conn, text_str(&t), kind, length);
	if (h->status == 101)
		conn_read_start(&f->conn);
}

static void on_body(struct front *front, struct slice data, bool fin, struct str trailers)
{
	struct h1front *f = h1front_of(front);
	(void)h1send_body(&f->out, data, fin, trailers);
	look_after(f);
}

static void on_flush(struct front *front)
{
	struct h1front *f = h1front_of(front);
	(void)h1send_flush(&f->out);
	look_after(f);
}

static void on_want(struct front *front)
{
	struct h1front *f = h1front_of(front);
	conn_read_start(&f->conn);
	h1front_set_deadline(f);
}

static bool is_full(const struct front *front)
{
	const struct h1front *f = container_of(front, const struct h1front, front);
	return conn_unsent(&f->conn) != 0 || f->conn.write_failed;
}

static bool take_back(struct front *front)
{
	struct h1front *f = h1front_of(front);
	bool waits = f->out.head.n != 0;
	f->out.head = STR("");
	return waits;
}

static void on_done(struct front *front, bool whole)
{
	struct h1front *f = h1front_of(front);
	f->exchange = NULL;
	if (!whole || f->conn.write_failed) {
		h1front_break_off(f);
		return;
	}
	if (!f->keep) {
		h1front_linger(f);
		return;
	}
	f->phase = f->in.done ? H1_PHASE_HEAD : H1_PHASE_SKIP;
	f->conn.read_max = (uint32_t)(f->proxy->request_limits.head + H1FRONT_HEAD_SPARE);
	if (!f->conn.reading)
		conn_read_start(&f->conn);
	h1front_set_deadline(f);
}

const struct front_ops h1front_ops = {
	.interim = on_interim,
	.head = on_head,
	.body = on_body,
	.flush = on_flush,
	.want = on_want,
	.is_full = is_full,
	.take_back = take_back,
	.done = on_done,
};
