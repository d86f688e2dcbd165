/* h2frame: what the client sends: heads, payload, trailers, resets, as nghttp2 tells of them. The connection's
   window is given back as soon as payload has come, so that a stream that waits holds up no other. */
#include <string.h>

#include "base/random.h"
#include "h2front_internal.h"

#define LARGE (8 * 1024) /* a piece of payload from which on more of the kind is expected */

static struct h2_stream *stream_of(nghttp2_session *session, int32_t id)
{
	return nghttp2_session_get_stream_user_data(session, id);
}

/* ---- payload ---- */

static void keep_payload(struct h2_stream *s, const uint8_t *p, size_t n)
{
	if (buf_used(&s->in) == 0) {
		(void)buf_reserve(&s->in, (n < LARGE ? n : H2_WINDOW) + 2 * H2_IN_ROOM);
		s->in.head = s->in.tail = H2_IN_ROOM;
	}
	(void)buf_reserve(&s->in, n);
	memcpy(s->in.data + s->in.tail, p, n);
	buf_commit(&s->in, n);
}

static int on_data_chunk(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *p,
			 size_t n, void *user)
{
	struct h2_stream *s = stream_of(session, id);
	(void)flags;
	(void)user;
	(void)nghttp2_session_consume_connection(session, n);
	/* Answered already: it is asked to send no more as soon as the answer is out. */
	if (s == NULL || s->exchange == NULL || s->in_done)
		return 0;
	keep_payload(s, p, n);
	h2_stream_touch(s);
	return 0;
}

/* ---- heads ---- */

/* The memory of a section that is over serves the worker's next one. */
static void end_section(struct h2_conn *c)
{
	c->in_head = 0;
	if (c->hub->text.data == NULL) {
		c->hub->text = c->section.text;
		c->section.text = (struct buf){0};
	}
	h2_section_free(&c->section);
}

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
	struct h2_conn *c = user;
	const struct h1_limits *limits = &c->hub->proxy->request_limits;
	bool request = frame->headers.cat == NGHTTP2_HCAT_REQUEST;
	if (c->in_head != 0) /* it was malformed */
		end_section(c);
	c->section.text = c->hub->text;
	c->hub->text = (struct buf){0};
	c->in_head = frame->hd.stream_id;
	h2_section_begin(&c->section, limits, !request);
	if (request) {
		struct h2_stream *s = h2_stream_new(c, frame->hd.stream_id);
		(void)nghttp2_session_set_stream_user_data(session, s->id, s);
	}
	return 0;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
		     size_t name_n, const uint8_t *value, size_t value_n, uint8_t flags, void *user)
{
	struct h2_conn *c = user;
	(void)session;
	(void)frame;
	(void)flags;
	h2_section_add(&c->section, str_make((const char *)name, name_n),
		       str_make((const char *)value, value_n));
	return 0;
}

/* What nghttp2 would leave out of the head makes the request malformed (RFC 9113 8.2.1). */
static int on_invalid_header(nghttp2_session *session, const nghttp2_frame *frame,
			     const uint8_t *name, size_t name_n, const uint8_t *value,
			     size_t value_n, uint8_t flags, void *user)
{
	(void)session;
	(void)frame;
	(void)name;
	(void)name_n;
	(void)value;
	(void)value_n;
	(void)flags;
	(void)user;
	return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

/* Streams of one urgency share the connection, unless the client says that they shall not (RFC 9218 4.2). */
static void share_fairly(struct h2_conn *c, struct h2_stream *s)
{
	static const nghttp2_extpri fair = {.urgency = NGHTTP2_EXTPRI_DEFAULT_URGENCY, .inc = 1};
	if (!c->section.prioritised)
		(void)nghttp2_session_change_extpri_stream_priority(c->session, s->id, &fair, 0);
}

static void begin_request(struct h2_conn *c, struct h2_stream *s, bool fin)
{
	struct proxy *p = c->hub->proxy;
	struct head *h = p->head;
	struct str raw;
	char nonce[16];
	random_hex(nonce, sizeof(nonce) / 2);
	int status = h2_section_request(&c->section, &p->request_limits, fin, nonce, h, &raw);
	share_fairly(c, s);
	c->used = true;
	s->in_fin = fin;
	s->exchange = exchange_new(p, &s->front);
	if (status != 0) {
		s->in_done = true;
		exchange_refuse(s->exchange, status);
		return;
	}
	s->tunnel = h->upgrade;
	s->in_done = fin || (h->body == BODY_LENGTH && h->length == 0);
	exchange_start(s->exchange, h, raw);
	if (s->exchange == NULL)
		return;
	if (s->in_done)
		exchange_flush(s->exchange);
	else
		c->unflushed = s;
}

static void end_with_trailers(struct h2_conn *c, struct h2_stream *s)
{
	struct str trailers;
	s->in_fin = true;
	if (s->exchange == NULL || s->in_done)
		return;
	if (!h2_section_trailers(&c->section, &trailers)) {
		s->in_done = true;
		exchange_refuse(s->exchange, 400);
		return;
	}
	buf_add(&s->in_trailers, trailers);
	h2_stream_touch(s);
}

static void end_headers(struct h2_conn *c, const nghttp2_frame *frame)
{
	struct h2_stream *s = stream_of(c->session, frame->hd.stream_id);
	bool fin = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
	if (s != NULL && frame->headers.cat == NGHTTP2_HCAT_REQUEST)
		begin_request(c, s, fin);
	else if (s != NULL && fin)
		end_with_trailers(c, s);
	end_section(c);
}

/* ---- frames ---- */

static int on_begin_frame(nghttp2_session *session, const nghttp2_frame_hd *hd, void *user)
{
	struct h2_conn *c = user;
	(void)session;
	if (c->unflushed != NULL && (hd->type != NGHTTP2_DATA || hd->stream_id != c->unflushed->id))
		h2_stream_settle(c);
	h2_calm_frame(c, hd);
	return 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
	struct h2_conn *c = user;
	switch (frame->hd.type) {
	case NGHTTP2_HEADERS: end_headers(c, frame); break;
	case NGHTTP2_DATA: {
		struct h2_stream *s = stream_of(session, frame->hd.stream_id);
		if (s == NULL || (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) == 0)
			break;
		s->in_fin = true;
		h2_stream_touch(s);
		break;
	}
	case NGHTTP2_PING:
		if ((frame->hd.flags & NGHTTP2_FLAG_ACK) != 0 && c->phase == H2_LEAVING)
			h2_send_away(c);
		break;
	default: break;
	}
	return 0;
}

/* An answer that is out although the request is not yet whole: what is left of it need not be sent. */
static int on_frame_sent(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
	struct h2_conn *c = user;
	int32_t id = frame->hd.stream_id;
	bool ends = (frame->hd.type == NGHTTP2_DATA || frame->hd.type == NGHTTP2_HEADERS) &&
		    (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
	if (ends && nghttp2_session_get_stream_remote_close(session, id) == 0) {
		struct h2_stream *s = stream_of(session, id);
		if (s != NULL)
			s->out_done = true;
		if (s != NULL && s->exchange == NULL)
			(void)nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, id,
							NGHTTP2_NO_ERROR);
	}
	if (frame->hd.type == NGHTTP2_RST_STREAM)
		h2_calm_reset(c, frame->rst_stream.error_code);
	return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t id, uint32_t error, void *user)
{
	struct h2_stream *s = stream_of(session, id);
	struct h2_conn *c = user;
	(void)error;
	if (c->in_head == id)
		end_section(c);
	if (s != NULL) {
		(void)nghttp2_session_set_stream_user_data(session, id, NULL);
		s->closed = true;
		if (c->direct == s) /* its exchange is on the stack */
			h2_stream_touch(s);
		else
			h2_stream_free(s);
	}
	if (c->nstreams == 0)
		h2_mark(c);
	return 0;
}

void h2_frame_callbacks(nghttp2_session_callbacks *cb)
{
	nghttp2_session_callbacks_set_on_begin_headers_callback(cb, on_begin_headers);
	nghttp2_session_callbacks_set_on_header_callback(cb, on_header);
	nghttp2_session_callbacks_set_on_invalid_header_callback(cb, on_invalid_header);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb, on_data_chunk);
	nghttp2_session_callbacks_set_on_begin_frame_callback(cb, on_begin_frame);
	nghttp2_session_callbacks_set_on_frame_recv_callback(cb, on_frame);
	nghttp2_session_callbacks_set_on_frame_send_callback(cb, on_frame_sent);
	nghttp2_session_callbacks_set_on_stream_close_callback(cb, on_stream_close);
}
