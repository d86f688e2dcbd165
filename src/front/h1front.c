/* h1front: what the client sends: heads, bodies, what is too slow, too long or too late. */
#include "front/h1front.h"

#include "base/mem.h"
#include "front/h2front.h"
#include "h1front_internal.h"
#include "net/sock.h"

#define LINGER_MS 2000
#define GONE_MS 1   /* until a client that takes no more is left, from a clean stack */
#define HELD_MS 900 /* between looks whether a held client that is not read from is still there */

static const struct conn_events h1front_conn_events;

static size_t head_read_max(const struct proxy *p)
{
	return p->request_limits.head + H1FRONT_HEAD_SPARE;
}

/* ---- deadlines ---- */

static bool is_held(const struct h1front *f)
{
	return f->exchange != NULL && exchange_is_held(f->exchange);
}

static uint64_t wait_ms(const struct h1front *f)
{
	const struct proxy_settings *s = f->proxy->settings;
	if (f->conn.write_failed)
		return GONE_MS;
	bool client_lags = conn_unsent(&f->conn) != 0;
	if (f->phase == H1_PHASE_LINGER && !client_lags)
		return LINGER_MS;
	/* It is not the client that is late; whether it leaves, reading would tell. */
	if (is_held(f) && !client_lags)
		return f->conn.reading ? 0 : HELD_MS;
	if (f->phase == H1_PHASE_HEAD && !client_lags)
		return f->used && f->seen == 0 ? s->idle_timeout : s->head_timeout;
	bool body_comes = f->conn.reading && !f->in.done && f->in.kind != BODY_CLOSE;
	/* Of a tunnel whose app has said its last only the client's end is missing. */
	return body_comes || client_lags || f->conn.shut ? s->body_timeout : 0;
}

void h1front_set_deadline(struct h1front *f)
{
	f->sent_mark = f->conn.sent;
	deadline_set(f->proxy->timers, &f->deadline, wait_ms(f));
}

void h1front_break_off(struct h1front *f)
{
	f->conn.write_failed = true; /* no orderly end of TLS either */
	if (f->out.kind == BODY_CLOSE)
		sock_reset_on_close(f->conn.fd);
	conn_close(&f->conn);
}

static void leave(struct h1front *f)
{
	struct exchange *x = f->exchange;
	bool amid = x != NULL || conn_unsent(&f->conn) != 0;
	f->exchange = NULL;
	if (x != NULL)
		exchange_abort(x);
	if (amid)
		h1front_break_off(f);
	else
		conn_close(&f->conn);
}

static void refuse(struct h1front *f, int status)
{
	f->keep = false;
	if (f->exchange == NULL) {
		f->phase = H1_PHASE_REQUEST;
		f->in.done = true;
		f->minor = 1;
		f->exchange = exchange_new(f->proxy, &f->front);
	}
	exchange_refuse(f->exchange, status);
}

static void on_deadline(struct deadline *d)
{
	struct h1front *f = container_of(d, struct h1front, deadline);
	bool client_lags = conn_unsent(&f->conn) != 0;
	bool moving = client_lags && f->sent_mark != f->conn.sent;
	bool held = is_held(f) && !client_lags && !f->conn.write_failed;
	bool in_request = f->phase == H1_PHASE_REQUEST ||
			  (f->phase == H1_PHASE_HEAD && f->seen != 0);
	if (moving || (held && !sock_is_hung_up(f->conn.fd)))
		h1front_set_deadline(f);
	else if (in_request && !held && !client_lags && !f->conn.write_failed)
		refuse(f, 408);
	else
		leave(f);
}

void h1front_linger(struct h1front *f)
{
	/* A client that announced its end sends nothing more: closing cannot reset what it has not read. */
	bool silent = f->conn.eof || (f->asked_to_close && f->in.done);
	if (silent && conn_unsent(&f->conn) == 0) {
		conn_close(&f->conn);
		return;
	}
	f->phase = H1_PHASE_LINGER;
	conn_shutdown(&f->conn);
	conn_read_start(&f->conn);
	h1front_set_deadline(f);
}

/* ---- requests ---- */

static void begin_request(struct h1front *f, struct head *h, struct str raw, size_t in_hand)
{
	f->phase = H1_PHASE_REQUEST;
	f->used = true;
	f->seen = 0;
	f->minor = h->minor;
	f->asked_to_close = !h->keep_alive;
	f->keep = h->keep_alive && !f->proxy->retiring;
	f->in_hand = in_hand;
	h1_body_init(&f->in, h->body, h->length);
	if (h->body == BODY_NONE || (h->body == BODY_LENGTH && h->length == 0))
		f->in.done = true;
	f->conn.read_max = f->in.done ? (uint32_t)head_read_max(f->proxy) : CONN_READ_MAX;
	f->exchange = exchange_new(f->proxy, &f->front);
	exchange_start(f->exchange, h, raw);
	f->in_hand = 0;
}

/* Is it another protocol that begins here? Asked only of what is no request. */
static bool is_h2(const struct h1front *f, struct str in)
{
	return f->proxy->settings->h2c && f->front.cert == NULL && !f->used &&
	       h2front_is_preface(in);
}

static size_t take_head(struct h1front *f, struct slice slice)
{
	struct str in = slice_str(slice);
	struct proxy *p = f->proxy;
	bool hopeless = f->seen != 0 && in.n <= p->request_limits.head &&
			!h1_may_be_whole(in, f->seen);
	size_t used;
	enum h1_result r = hopeless ? H1_PARTIAL
				    : h1_parse_request(in, &p->request_limits, p->head, &used);
	if (r == H1_PARTIAL) {
		bool first = f->seen == 0;
		f->seen = in.n;
		if (first)
			h1front_set_deadline(f);
		return 0;
	}
	if (r == H1_VERSION && is_h2(f, in)) {
		h2front_take(p, &f->conn, &f->front, slice);
		return in.n;
	}
	if (r != H1_DONE) {
		refuse(f, h1_result_status(r));
		return in.n;
	}
	begin_request(f, p->head, str_make(in.p, used), in.n - used);
	return used;
}

static size_t take_body(struct h1front *f, struct slice in)
{
	struct slice data;
	struct str trailers = {0};
	size_t used;
	if (f->in.done || !exchange_wants_body(f->exchange))
		return 0;
	enum h1_result r = h1_body_decode(&f->in, in, &data, &used, &trailers);
	if (r != H1_DONE && r != H1_PARTIAL) {
		refuse(f, 400);
		return in.n;
	}
	if (data.n != 0 || r == H1_DONE)
		exchange_body(f->exchange, data, r == H1_DONE, trailers);
	return used;
}

static size_t skip_body(struct h1front *f, struct slice in)
{
	struct slice data;
	struct str trailers;
	size_t used;
	enum h1_result r = h1_body_decode(&f->in, in, &data, &used, &trailers);
	if (r != H1_DONE && r != H1_PARTIAL) {
		conn_close(&f->conn);
		return in.n;
	}
	if (r == H1_DONE) {
		f->phase = H1_PHASE_HEAD;
		h1front_set_deadline(f);
	}
	return used;
}

static size_t take_some(struct h1front *f, struct slice in)
{
	switch (f->phase) {
	case H1_PHASE_HEAD:
		/* Who does not take its answers gets no more of them. */
		return conn_unsent(&f->conn) == 0 ? take_head(f, in) : 0;
	case H1_PHASE_REQUEST: return take_body(f, in);
	case H1_PHASE_SKIP: return skip_body(f, in);
	case H1_PHASE_LINGER: break;
	}
	return in.n;
}

/* A held request's body stays in the kernel. */
static bool body_must_wait(const struct h1front *f)
{
	return is_held(f) && !f->in.done;
}

/* Does what is left wait for the app to take it, for its turn, or for the client to take its answers (and
   not just for more bytes)? */
static bool must_wait(const struct h1front *f)
{
	if (f->exchange != NULL)
		return f->in.done || !exchange_wants_body(f->exchange);
	return f->phase == H1_PHASE_HEAD && conn_unsent(&f->conn) != 0;
}

static size_t on_data(struct conn *c, struct slice in)
{
	struct h1front *f = container_of(c, struct h1front, conn);
	size_t used = 0;
	while (used < in.n && !conn_is_closed(c)) {
		size_t n = take_some(f, slice_skip(in, used));
		if (n == 0)
			break;
		used += n;
	}
	if (conn_is_closed(c))
		return in.n;
	if (f->exchange != NULL)
		exchange_flush(f->exchange);
	if (body_must_wait(f) || (used < in.n && must_wait(f)))
		conn_read_stop(c);
	if (f->exchange != NULL)
		h1front_set_deadline(f);
	return used;
}

static void on_eof(struct conn *c)
{
	struct h1front *f = container_of(c, struct h1front, conn);
	bool raw = f->exchange != NULL && f->in.kind == BODY_CLOSE && !f->in.done;
	if (raw) {
		f->in.done = true;
		exchange_body(f->exchange, (struct slice){0}, true, STR(""));
		return;
	}
	/* A half-closed client counts as gone, but what it was answered still goes out. */
	if (f->exchange == NULL && conn_unsent(c) != 0) {
		f->keep = false;
		h1front_linger(f);
		return;
	}
	leave(f);
}

static void on_drained(struct conn *c)
{
	struct h1front *f = container_of(c, struct h1front, conn);
	if (f->exchange != NULL)
		exchange_resume(f->exchange);
	else if (f->phase == H1_PHASE_LINGER && c->eof)
		conn_close(c);
	else
		conn_read_start(c);
	if (!conn_is_closed(c))
		h1front_set_deadline(f);
}

static void on_error(struct conn *c, int err)
{
	(void)err;
	leave(container_of(c, struct h1front, conn));
}

static void on_closed(struct conn *c)
{
	struct h1front *f = container_of(c, struct h1front, conn);
	deadline_clear(&f->deadline);
	list_remove(&f->node);
	f->proxy->nfronts--;
	mem_free(f);
}

static const struct conn_events h1front_conn_events = {
	.data = on_data,
	.eof = on_eof,
	.drained = on_drained,
	.error = on_error,
	.closed = on_closed,
};

static struct h1front *h1front_new(struct proxy *p)
{
	struct h1front *f = mem_new(struct h1front);
	f->proxy = p;
	deadline_init(&f->deadline, on_deadline);
	list_push_back(&p->fronts, &f->node);
	p->nfronts++;
	return f;
}

static void begin_reading(struct h1front *f)
{
	f->conn.read_max = (uint32_t)head_read_max(f->proxy);
	h1front_set_deadline(f);
}

void h1front_accept(struct proxy *p, int fd, const struct sockaddr_storage *from,
		    unsigned server_port)
{
	struct h1front *f = h1front_new(p);
	front_init(&f->front, p, from, server_port);
	f->front.ops = &h1front_ops;
	conn_init(&f->conn, &p->io, fd, &h1front_conn_events);
	begin_reading(f);
	conn_read_now(&f->conn);
}

void h1front_take(struct proxy *p, struct conn *conn, const struct front *front, struct slice in)
{
	struct h1front *f = h1front_new(p);
	f->front = *front;
	f->front.ops = &h1front_ops;
	conn_take(&f->conn, conn, &h1front_conn_events);
	begin_reading(f);
	conn_give(&f->conn, in.n);
}

void h1front_close_idle(struct proxy *p)
{
	list_for_each_safe (it, &p->fronts) {
		struct h1front *f = container_of(it, struct h1front, node);
		bool idle = f->phase == H1_PHASE_HEAD && f->seen == 0;
		if (idle && conn_unsent(&f->conn) == 0 && buf_used(&f->conn.in) == 0)
			conn_close(&f->conn);
	}
}

void h1front_close_all(struct proxy *p)
{
	list_for_each_safe (it, &p->fronts)
		leave(container_of(it, struct h1front, node));
}
