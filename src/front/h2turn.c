/* h2turn: what the streams of a connection have to say gathers until all else in the loop's turn is done, then
   leaves in one send; what all connections share for that. */
#include <string.h>

#include "base/mem.h"
#include "h2front_internal.h"

#define UNANSWERED_MAX 1100 /* acknowledgements a client does not take; above h2calm's budget */
#define QUEUE_MAX 1000      /* frames for a client that does not read: it gets no more done */

/* ---- one connection's turn ---- */

static void post(struct h2_conn *c)
{
	struct h2_hub *hub = c->hub;
	if (hub->turn_used != 0)
		(void)conn_send(&c->conn, hub->turn_memory, hub->turn_used);
	hub->turn_used = 0;
}

/* A frame that nghttp2 has made, behind those that wait already. */
static void collect(struct h2_conn *c, const uint8_t *p, size_t n)
{
	struct h2_hub *hub = c->hub;
	if (n > H2_TURN_MAX - hub->turn_used)
		post(c);
	if (n > H2_TURN_MAX) {
		(void)conn_send(&c->conn, p, n);
		return;
	}
	memcpy(hub->turn_memory + hub->turn_used, p, n);
	hub->turn_used += n;
}

static ssize_t next_frame(struct h2_conn *c, const uint8_t **p)
{
	c->hub->turn_full = false;
	c->inside = true;
	ssize_t n = nghttp2_session_mem_send(c->session, p);
	c->inside = false;
	return n;
}

void h2_send(struct h2_conn *c)
{
	struct h2_hub *hub = c->hub;
	hub->turn_used = 0;
	while (conn_unsent(&c->conn) == 0 && !c->conn.write_failed) {
		const uint8_t *p;
		ssize_t n = next_frame(c, &p);
		c->broken = n < 0;
		if (n < 0 || (n == 0 && !hub->turn_full))
			break;
		if (n > 0)
			collect(c, p, (size_t)n);
		if (hub->turn_used >= H2_TURN_SEND || n == 0)
			post(c);
	}
	post(c);
	c->broken = c->broken || c->conn.write_failed;
}

static bool is_over(const struct h2_conn *c)
{
	return !nghttp2_session_want_read(c->session) && !nghttp2_session_want_write(c->session);
}

/* Who does not take our frames gets no more of his done. */
static void hold_back(struct h2_conn *c)
{
	bool much = nghttp2_session_get_outbound_queue_size(c->session) > QUEUE_MAX;
	if (much && conn_unsent(&c->conn) != 0)
		conn_read_stop(&c->conn);
	else if (!c->conn.reading)
		conn_read_start(&c->conn);
}

static void take_turn(struct h2_conn *c)
{
	conn_hold(&c->conn);
	h2_stream_settle(c);
	if (c->phase != H2_LINGER)
		h2_send(c);
	if (c->broken)
		h2_leave(c);
	else if (c->phase != H2_LINGER && is_over(c) && conn_unsent(&c->conn) == 0)
		h2_linger(c);
	if (!conn_is_closed(&c->conn)) {
		hold_back(c);
		h2_watch(c);
	}
	conn_drop(&c->conn);
}

void h2_mark(struct h2_conn *c)
{
	struct h2_hub *hub = c->hub;
	if (!list_empty(&c->dirty) || conn_is_closed(&c->conn))
		return;
	if (list_empty(&hub->dirty))
		ev_feed_event(hub->proxy->loop, &hub->turn, EV_CUSTOM);
	list_push_back(&hub->dirty, &c->dirty);
}

/* ---- all of them ---- */

static void on_turn(struct ev_loop *loop, ev_prepare *w, int revents)
{
	struct h2_hub *hub = container_of(w, struct h2_hub, turn);
	struct list *node;
	(void)loop;
	(void)revents;
	while ((node = list_pop_front(&hub->dirty)) != NULL)
		take_turn(container_of(node, struct h2_conn, dirty));
}

struct h2_hub *h2_hub_of(struct proxy *p)
{
	if (p->h2 != NULL)
		return p->h2;
	struct h2_hub *hub = mem_new(struct h2_hub);
	hub->proxy = p;
	list_init(&hub->dirty);
	list_init(&hub->conns);
	list_init(&hub->spare);
	ev_prepare_init(&hub->turn, on_turn);
	ev_set_priority(&hub->turn, EV_MINPRI);
	if (nghttp2_session_callbacks_new(&hub->callbacks) != 0 ||
	    nghttp2_option_new(&hub->option) != 0)
		abort();
	h2_frame_callbacks(hub->callbacks);
	h2_answer_callbacks(hub->callbacks);
	nghttp2_option_set_no_auto_window_update(hub->option, 1);
	nghttp2_option_set_max_outbound_ack(hub->option, UNANSWERED_MAX);
	nghttp2_option_set_no_closed_streams(hub->option, 1);
	nghttp2_option_set_max_send_header_block_length(hub->option, 2 * (size_t)PROXY_HEAD_MAX);
	p->h2 = hub;
	return hub;
}

void h2_hub_free(struct h2_hub *hub)
{
	ev_clear_pending(hub->proxy->loop, &hub->turn);
	h2_stream_free_spare(hub);
	buf_free(&hub->text);
	nghttp2_session_callbacks_del(hub->callbacks);
	nghttp2_option_del(hub->option);
	hub->proxy->h2 = NULL;
	mem_free(hub);
}
