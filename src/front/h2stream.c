/* h2stream: a stream's life, its time, and its payload on the way to the app. What an app does not take yet is
   kept, at most a stream's window. */
#include "base/mem.h"
#include "h2front_internal.h"

static deadline_cb on_deadline;

/* ---- life ---- */

struct h2_stream *h2_stream_new(struct h2_conn *c, int32_t id)
{
	struct list *spare = list_pop_front(&c->hub->spare);
	struct h2_stream *s;
	struct buf out = {0};
	if (spare != NULL) {
		s = container_of(spare, struct h2_stream, node);
		out = s->out;
		c->hub->nspare--;
	} else {
		s = mem_alloc(sizeof(*s));
	}
	*s = (struct h2_stream){.conn = c, .id = id, .front = c->client, .out = out};
	s->front.ops = &h2_front_ops;
	deadline_init(&s->deadline, on_deadline);
	list_init(&s->touched);
	list_push_back(&c->streams, &s->node);
	c->nstreams++;
	return s;
}

/* A stream that got little keeps its memory for the next one. */
static void rest(struct h2_hub *hub, struct h2_stream *s)
{
	buf_free(&s->in);
	buf_free(&s->in_trailers);
	buf_free(&s->out_trailers);
	if (s->out.cap > H2_SPARE_BUFFER)
		buf_free(&s->out);
	buf_clear(&s->out);
	if (hub->nspare == H2_SPARE_STREAMS) {
		buf_free(&s->out);
		mem_free(s);
		return;
	}
	hub->nspare++;
	list_push_front(&hub->spare, &s->node);
}

void h2_stream_free(struct h2_stream *s)
{
	struct h2_conn *c = s->conn;
	struct exchange *x = s->exchange;
	s->exchange = NULL;
	if (x != NULL)
		exchange_abort(x);
	if (c->unflushed == s)
		c->unflushed = NULL;
	deadline_clear(&s->deadline);
	list_remove(&s->touched);
	list_remove(&s->node);
	c->nstreams--;
	rest(c->hub, s);
}

void h2_stream_free_spare(struct h2_hub *hub)
{
	struct list *node;
	while ((node = list_pop_front(&hub->spare)) != NULL) {
		struct h2_stream *s = container_of(node, struct h2_stream, node);
		buf_free(&s->out);
		mem_free(s);
	}
	hub->nspare = 0;
}

/* ---- time ---- */

/* Does the app take payload that the client has not sent? A tunnel may be silent. */
static bool client_owes_payload(const struct h2_stream *s)
{
	return s->exchange != NULL && !s->in_fin && !s->in_done && !s->tunnel &&
	       buf_used(&s->in) == 0 && exchange_wants_body(s->exchange);
}

void h2_stream_watch(struct h2_stream *s)
{
	struct proxy *p = s->conn->hub->proxy;
	bool watch = buf_used(&s->out) != 0 || client_owes_payload(s);
	s->sent_mark = s->conn->data_sent;
	deadline_set(p->timers, &s->deadline, watch ? p->settings->body_timeout : 0);
}

/* Nothing of it was sent: because the client gives it no window, or because others had their turn? */
static bool is_stalled(const struct h2_stream *s)
{
	return s->conn->data_sent == s->sent_mark ||
	       nghttp2_session_get_stream_remote_window_size(s->conn->session, s->id) <= 0;
}

static void on_deadline(struct deadline *d)
{
	struct h2_stream *s = container_of(d, struct h2_stream, deadline);
	struct exchange *x = s->exchange;
	bool lags = buf_used(&s->out) != 0;
	if (!lags && x != NULL) {
		exchange_refuse(x, 408);
	} else if (is_stalled(s)) {
		s->exchange = NULL;
		if (x != NULL)
			exchange_abort(x);
		(void)nghttp2_submit_rst_stream(s->conn->session, NGHTTP2_FLAG_NONE, s->id,
						NGHTTP2_CANCEL);
		h2_mark(s->conn);
	} else {
		h2_stream_watch(s);
	}
}

/* ---- payload toward the app ---- */

void h2_stream_touch(struct h2_stream *s)
{
	if (list_empty(&s->touched))
		list_push_back(&s->conn->touched, &s->touched);
	h2_mark(s->conn);
}

static struct slice payload_of(struct h2_stream *s)
{
	return (struct slice){
		.p = s->in.data == NULL ? NULL : s->in.data + s->in.head,
		.n = buf_used(&s->in),
		.before = s->in.head,
		.after = s->in.cap - s->in.tail,
	};
}

/* The app has taken so much. A large upload to an app that keeps up gets a wider window: with the first one a
   client far away would mostly wait. */
static void give_window(struct h2_stream *s, size_t n)
{
	nghttp2_session *session = s->conn->session;
	(void)nghttp2_session_consume_stream(session, s->id, n);
	s->taken += n;
	if (s->wide || s->in_fin || s->taken < H2_WINDOW)
		return;
	s->wide = true;
	(void)nghttp2_session_set_local_window_size(session, NGHTTP2_FLAG_NONE, s->id,
						    H2_WIDE_WINDOW);
	h2_mark(s->conn);
}

/* All that is there goes to the app, if it takes any. */
static void pass_on(struct h2_stream *s)
{
	struct slice data = payload_of(s);
	struct buf in = s->in;
	bool has_trailers = buf_used(&s->in_trailers) != 0;
	bool fin = s->in_fin && !has_trailers;
	if (s->exchange == NULL || s->in_done || (data.n == 0 && !s->in_fin) ||
	    !exchange_wants_body(s->exchange))
		return;
	s->in = (struct buf){0};
	s->in_done = s->in_fin;
	if (data.n != 0 || fin)
		exchange_body(s->exchange, data, fin, STR(""));
	if (has_trailers && s->exchange != NULL)
		exchange_body(s->exchange, (struct slice){0}, true, buf_str(&s->in_trailers));
	if (data.n != 0)
		give_window(s, data.n);
	buf_free(&in);
}

static void settle_one(struct h2_stream *s)
{
	if (s->closed) {
		h2_stream_free(s);
		return;
	}
	pass_on(s);
	if (s->exchange != NULL)
		exchange_flush(s->exchange);
	h2_stream_watch(s);
}

void h2_stream_settle(struct h2_conn *c)
{
	struct list *node;
	struct h2_stream *s = c->unflushed;
	c->unflushed = NULL;
	if (s != NULL) {
		list_remove(&s->touched);
		settle_one(s);
	}
	while ((node = list_pop_front(&c->touched)) != NULL)
		settle_one(container_of(node, struct h2_stream, touched));
}
