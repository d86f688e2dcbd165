/* h2answer: what the client gets on a stream: heads, payload as fast as both windows allow, trailers, and a reset
   where an answer breaks off. */
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "h2front_internal.h"
#include "http/h1.h"

static struct h2_stream *stream_of(const struct front *front)
{
	return container_of(front, struct h2_stream, front);
}

/* ---- payload ---- */

static void submit_trailers(struct h2_stream *s)
{
	nghttp2_nv fields[HEAD_FIELDS_MAX];
	struct str section = buf_str(&s->out_trailers);
	struct field f;
	size_t n = 0;
	while (n < HEAD_FIELDS_MAX && h1_next_trailer(&section, &f)) {
		fields[n++] = (nghttp2_nv){.name = (uint8_t *)(uintptr_t)f.name.p,
					   .value = (uint8_t *)(uintptr_t)f.value.p,
					   .namelen = f.name.n,
					   .valuelen = f.value.n};
	}
	(void)nghttp2_submit_trailer(s->conn->session, s->id, fields, n);
}

/* How much of the payload the next frame takes; send_payload moves it. */
/* NOLINTNEXTLINE(readability-non-const-parameter): its type is nghttp2's */
static ssize_t read_payload(nghttp2_session *session, int32_t id, uint8_t *to, size_t most,
			    uint32_t *flags, nghttp2_data_source *source, void *user)
{
	struct h2_stream *s = source->ptr;
	size_t n = buf_used(&s->out);
	(void)session;
	(void)id;
	(void)to;
	(void)user;
	if (n == 0 && !s->out_fin) {
		s->deferred = true;
		return NGHTTP2_ERR_DEFERRED;
	}
	*flags |= NGHTTP2_DATA_FLAG_NO_COPY;
	if (n > most)
		return (ssize_t)most;
	if (s->out_fin) {
		*flags |= NGHTTP2_DATA_FLAG_EOF;
		if (buf_used(&s->out_trailers) != 0) {
			*flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
			submit_trailers(s);
		}
	}
	return (ssize_t)n;
}

static void took(struct h2_stream *s, size_t n)
{
	bool was_full = buf_used(&s->out) >= H2_OUT_FULL;
	buf_consume(&s->out, n);
	s->conn->data_sent += n;
	if (s->out.cap > H2_SPARE_BUFFER && buf_used(&s->out) == 0 && s->conn->direct != s)
		buf_free(&s->out);
	if (was_full && buf_used(&s->out) < H2_OUT_FULL && s->exchange != NULL)
		exchange_resume(s->exchange);
	h2_stream_watch(s);
}

static int send_payload(nghttp2_session *session, nghttp2_frame *frame, const uint8_t *head,
			size_t n, nghttp2_data_source *source, void *user)
{
	struct h2_hub *hub = ((struct h2_conn *)user)->hub;
	struct h2_stream *s = source->ptr;
	char *to = hub->turn_memory + hub->turn_used;
	(void)session;
	(void)frame;
	if (H2_TURN_MAX - hub->turn_used < n + H2_FRAME_HEAD) {
		hub->turn_full = true;
		return NGHTTP2_ERR_WOULDBLOCK;
	}
	memcpy(to, head, H2_FRAME_HEAD);
	if (n != 0)
		memcpy(to + H2_FRAME_HEAD, s->out.data + s->out.head, n);
	hub->turn_used += n + H2_FRAME_HEAD;
	took(s, n);
	return 0;
}

void h2_answer_callbacks(nghttp2_session_callbacks *cb)
{
	nghttp2_session_callbacks_set_send_data_callback(cb, send_payload);
}

/* ---- heads ---- */

/* Copies a span behind the others; NULL when there is no room. */
static uint8_t *put(struct text *t, struct str s)
{
	char *at = t->p + t->n;
	text_add(t, s);
	return (uint8_t *)at;
}

static bool put_field(nghttp2_nv *to, struct text *t, struct str name, struct str value)
{
	*to = (nghttp2_nv){.name = put(t, name),
			   .namelen = name.n,
			   .value = put(t, value),
			   .valuelen = value.n};
	return !t->full;
}

static bool passes(const struct head *h, const struct field *f)
{
	if (h->status != 101)
		return true;
	/* RFC 8441 5 */
	return f->id != HDR_UPGRADE && !str_ieq(f->name, STR("sec-websocket-accept"));
}

/* Lays a head out in the worker's memory, in hub->fields; the number of fields, 0: it is too large (none that is
   read from an app is). */
static size_t lay_out(struct h2_hub *hub, const struct head *h, int status, const char *length)
{
	struct text t = text_in(hub->proxy->head_memory, PROXY_HEAD_MAX);
	char digits[] = {(char)('0' + status / 100), (char)('0' + status / 10 % 10),
			 (char)('0' + status % 10)};
	size_t n = 0;
	bool fits = put_field(&hub->fields[n++], &t, STR(":status"), str_make(digits, 3));
	for (size_t i = 0; i < h->nfields; i++) {
		if (passes(h, &h->fields[i]))
			fits = fits && put_field(&hub->fields[n++], &t, h->fields[i].name,
						 h->fields[i].value);
	}
	if (length != NULL)
		fits = fits &&
		       put_field(&hub->fields[n++], &t, STR("content-length"), str_of(length));
	return fits ? n : 0;
}

static void on_interim(struct front *front, const struct head *h)
{
	struct h2_stream *s = stream_of(front);
	struct h2_hub *hub = s->conn->hub;
	size_t n = lay_out(hub, h, h->status, NULL);
	if (n == 0)
		return;
	(void)nghttp2_submit_headers(s->conn->session, NGHTTP2_FLAG_NONE, s->id, NULL, hub->fields,
				     n, NULL);
	h2_mark(s->conn);
}

/* To the client of a WebSocket a 2xx says that it is open: an app that knows none does not get that far. */
static int status_for(const struct h2_stream *s, const struct head *h)
{
	if (h->status == 101)
		return 200;
	return s->tunnel && h->status >= 200 && h->status < 300 ? 502 : h->status;
}

static void on_head(struct front *front, const struct head *h, enum body_kind kind, uint64_t length)
{
	struct h2_stream *s = stream_of(front);
	char digits[24];
	struct text t = text_in(digits, sizeof(digits) - 1);
	text_u64(&t, length);
	digits[t.n] = '\0';
	s->waiting = lay_out(s->conn->hub, h, status_for(s, h),
			     kind == BODY_LENGTH ? digits : NULL);
	if (h->status == 101)
		h2_stream_touch(s);
}

/* The head that waits goes to nghttp2; alone, if nothing follows it. */
static void submit_head(struct h2_stream *s, bool empty)
{
	nghttp2_data_provider from = {.source.ptr = s, .read_callback = read_payload};
	bool alone = s->out_fin && empty && buf_used(&s->out_trailers) == 0;
	size_t n = s->waiting;
	if (n == 0)
		return;
	s->waiting = 0;
	s->begun = true;
	(void)nghttp2_submit_response(s->conn->session, s->id, s->conn->hub->fields, n,
				      alone ? NULL : &from);
}

/* From where it lies; what the client does not take just now is kept. */
static void send_direct(struct h2_stream *s, struct slice data)
{
	struct buf own = s->out;
	s->out = (struct buf){.data = data.p, .tail = data.n, .cap = data.n};
	s->conn->direct = s;
	h2_send(s->conn);
	s->conn->direct = NULL;
	struct str left = buf_str(&s->out);
	s->out = own;
	if (left.n != 0)
		buf_add(&s->out, left);
}

static bool can_send_direct(const struct h2_stream *s, size_t n)
{
	const struct h2_conn *c = s->conn;
	return n >= H2_DIRECT && buf_used(&s->out) == 0 && conn_unsent(&c->conn) == 0 &&
	       !c->inside && !c->broken;
}

static void ask_for_payload(struct h2_stream *s)
{
	if (s->deferred)
		(void)nghttp2_session_resume_data(s->conn->session, s->id);
	s->deferred = false;
}

static void on_body(struct front *front, struct slice data, bool fin, struct str trailers)
{
	struct h2_stream *s = stream_of(front);
	bool direct = can_send_direct(s, data.n);
	if (data.n != 0 && !direct)
		buf_add(&s->out, slice_str(data));
	if (fin) {
		s->out_fin = true;
		buf_add(&s->out_trailers, trailers);
	}
	submit_head(s, data.n == 0);
	ask_for_payload(s);
	if (direct)
		send_direct(s, data);
	h2_stream_watch(s);
	h2_mark(s->conn);
}

static void on_flush(struct front *front)
{
	struct h2_stream *s = stream_of(front);
	submit_head(s, true);
	h2_mark(s->conn);
}

static void on_want(struct front *front)
{
	h2_stream_touch(stream_of(front));
}

static bool is_full(const struct front *front)
{
	return buf_used(&container_of(front, const struct h2_stream, front)->out) >= H2_OUT_FULL;
}

static bool take_back(struct front *front)
{
	struct h2_stream *s = stream_of(front);
	bool waits = s->waiting != 0;
	s->waiting = 0;
	return waits;
}

static void on_done(struct front *front, bool whole)
{
	struct h2_stream *s = stream_of(front);
	nghttp2_session *session = s->conn->session;
	s->exchange = NULL;
	s->waiting = 0;
	if (s->closed)
		return;
	if (!whole || !s->begun)
		(void)nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, s->id,
						NGHTTP2_INTERNAL_ERROR);
	else if (s->out_done)
		(void)nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, s->id,
						NGHTTP2_NO_ERROR);
	h2_stream_watch(s);
	h2_mark(s->conn);
}

const struct front_ops h2_front_ops = {
	.interim = on_interim,
	.head = on_head,
	.body = on_body,
	.flush = on_flush,
	.want = on_want,
	.is_full = is_full,
	.take_back = take_back,
	.done = on_done,
};
