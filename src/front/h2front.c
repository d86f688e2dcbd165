/* h2front: an HTTP/2 connection from its preface to its last GOAWAY: how it is taken over, how long it may be
   idle, how it goes. */
#include "front/h2front.h"

#include "base/mem.h"
#include "h2front_internal.h"

#define GRACE_MS 1000 /* for streams that the client began before it heard that it shall go */
#define LINGER_MS 2000
#define CONNECTION_WINDOW (16 * 1024 * 1024) /* streams have windows of their own */

static const struct conn_events h2_conn_events;

bool h2front_is_preface(struct str in)
{
	return str_has_prefix(in, STR("PRI * HTTP/2.0\r\n"));
}

/* ---- deadlines ---- */

static enum h2_wait waits_for(const struct h2_conn *c)
{
	if (conn_unsent(&c->conn) != 0)
		return H2_WAIT_CLIENT;
	if (c->phase == H2_LEAVING)
		return H2_WAIT_GRACE;
	if (c->phase == H2_LINGER)
		return H2_WAIT_END;
	if (c->in_head != 0 || !c->used)
		return H2_WAIT_HEAD;
	return c->nstreams == 0 ? H2_WAIT_IDLE : H2_WAIT_NONE;
}

static uint64_t wait_ms(const struct h2_conn *c)
{
	const struct proxy_settings *s = c->hub->proxy->settings;
	switch (c->waits) {
	case H2_WAIT_CLIENT: return s->body_timeout;
	case H2_WAIT_GRACE: return GRACE_MS;
	case H2_WAIT_END: return LINGER_MS;
	case H2_WAIT_HEAD: return s->head_timeout;
	case H2_WAIT_IDLE: return s->idle_timeout;
	case H2_WAIT_NONE: break;
	}
	return 0;
}

static void set_deadline(struct h2_conn *c)
{
	c->sent_mark = c->conn.sent;
	deadline_set(c->hub->proxy->timers, &c->deadline, wait_ms(c));
}

/* A head that comes in drops does not get its time anew. */
void h2_watch(struct h2_conn *c)
{
	enum h2_wait now = waits_for(c);
	if (now == c->waits)
		return;
	c->waits = now;
	set_deadline(c);
}

/* ---- going ---- */

static void drop_streams(struct h2_conn *c)
{
	list_for_each_safe (it, &c->streams)
		h2_stream_free(container_of(it, struct h2_stream, node));
}

void h2_leave(struct h2_conn *c)
{
	drop_streams(c);
	list_remove(&c->dirty);
	conn_close(&c->conn);
}

void h2_send_away(struct h2_conn *c)
{
	int32_t last = nghttp2_session_get_last_proc_stream_id(c->session);
	c->phase = H2_LAST;
	(void)nghttp2_submit_goaway(c->session, NGHTTP2_FLAG_NONE, last, NGHTTP2_NO_ERROR, NULL, 0);
	h2_mark(c);
}

/* RFC 9113 6.8: first a warning, so that what the client has just sent is not lost. Its answer to the ping tells
   that it knows. */
static void warn_client(struct h2_conn *c)
{
	if (c->phase != H2_OPEN)
		return;
	c->phase = H2_LEAVING;
	(void)nghttp2_submit_shutdown_notice(c->session);
	(void)nghttp2_submit_ping(c->session, NGHTTP2_FLAG_NONE, NULL);
	h2_mark(c);
}

void h2_linger(struct h2_conn *c)
{
	if (c->phase == H2_LINGER)
		return;
	c->phase = H2_LINGER;
	drop_streams(c);
	conn_shutdown(&c->conn);
	conn_read_start(&c->conn);
	if (c->conn.eof)
		h2_leave(c);
}

static void on_deadline(struct deadline *d)
{
	struct h2_conn *c = container_of(d, struct h2_conn, deadline);
	switch (c->waits) {
	case H2_WAIT_CLIENT:
		if (c->sent_mark == c->conn.sent)
			h2_leave(c);
		else
			set_deadline(c);
		break;
	case H2_WAIT_HEAD:
		(void)nghttp2_session_terminate_session(c->session, NGHTTP2_NO_ERROR);
		h2_mark(c);
		break;
	case H2_WAIT_IDLE: warn_client(c); break;
	case H2_WAIT_GRACE: h2_send_away(c); break;
	case H2_WAIT_END: h2_leave(c); break;
	case H2_WAIT_NONE: break;
	}
}

/* ---- what the connection says ---- */

static size_t on_data(struct conn *conn, struct slice in)
{
	struct h2_conn *c = container_of(conn, struct h2_conn, conn);
	if (c->phase == H2_LINGER)
		return in.n;
	c->inside = true;
	ssize_t n = nghttp2_session_mem_recv(c->session, (const uint8_t *)in.p, in.n);
	c->inside = false;
	h2_stream_settle(c);
	if (n < 0)
		h2_leave(c);
	else
		h2_mark(c);
	return in.n;
}

static void on_eof(struct conn *conn)
{
	h2_leave(container_of(conn, struct h2_conn, conn));
}

static void on_drained(struct conn *conn)
{
	struct h2_conn *c = container_of(conn, struct h2_conn, conn);
	if (c->phase == H2_LINGER && conn->eof)
		h2_leave(c);
	else
		h2_mark(c);
}

static void on_error(struct conn *conn, int err)
{
	(void)err;
	h2_leave(container_of(conn, struct h2_conn, conn));
}

static void on_closed(struct conn *conn)
{
	struct h2_conn *c = container_of(conn, struct h2_conn, conn);
	deadline_clear(&c->deadline);
	list_remove(&c->dirty);
	list_remove(&c->node);
	c->hub->proxy->nfronts--;
	h2_section_free(&c->section);
	nghttp2_session_del(c->session);
	mem_free(c);
}

static const struct conn_events h2_conn_events = {
	.data = on_data,
	.eof = on_eof,
	.drained = on_drained,
	.error = on_error,
	.closed = on_closed,
};

/* ---- beginning ---- */

static void introduce(struct h2_conn *c)
{
	const struct proxy_settings *s = c->hub->proxy->settings;
	const nghttp2_settings_entry entries[] = {
		{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, (uint32_t)s->max_streams},
		{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, H2_WINDOW},
		{NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE,
		 (uint32_t)(s->max_request_head + 32 * s->max_headers)},
		{NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 1},
		{NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1},
	};
	(void)nghttp2_submit_settings(c->session, NGHTTP2_FLAG_NONE, entries,
				      sizeof(entries) / sizeof(entries[0]));
	(void)nghttp2_session_set_local_window_size(c->session, NGHTTP2_FLAG_NONE, 0,
						    CONNECTION_WINDOW);
}

void h2front_take(struct proxy *p, struct conn *from, const struct front *client,
		  struct slice first)
{
	struct h2_conn *c = mem_new(struct h2_conn);
	c->hub = h2_hub_of(p);
	c->client = *client;
	c->client.h2 = true;
	list_init(&c->dirty);
	list_init(&c->streams);
	list_init(&c->touched);
	list_push_back(&c->hub->conns, &c->node);
	p->nfronts++;
	deadline_init(&c->deadline, on_deadline);
	h2_calm_init(c);
	if (nghttp2_session_server_new2(&c->session, c->hub->callbacks, c, c->hub->option) != 0)
		abort();
	conn_take(&c->conn, from, &h2_conn_events);
	introduce(c);
	if (p->retiring)
		warn_client(c);
	h2_mark(c);
	h2_watch(c);
	conn_hold(&c->conn);
	if (first.n != 0)
		(void)on_data(&c->conn, first);
	conn_drop(&c->conn);
}

/* ---- all of them ---- */

void h2front_retire(struct proxy *p)
{
	if (p->h2 == NULL)
		return;
	list_for_each_safe (it, &p->h2->conns)
		warn_client(container_of(it, struct h2_conn, node));
}

void h2front_close_all(struct proxy *p)
{
	if (p->h2 == NULL)
		return;
	list_for_each_safe (it, &p->h2->conns)
		h2_leave(container_of(it, struct h2_conn, node));
	h2_hub_free(p->h2);
}
