/* origin: HTTP/1.1 toward one instance; knows the wire and the lease, nothing of retries or clients. */
#include "proxy/origin.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "base/mem.h"
#include "base/text.h"
#include "http/h1.h"
#include "net/conn.h"
#include "proxy/h1send.h"
#include "proxy/proxy.h"
#include "service/service.h"

#define CAREFUL_IDLE_MS 500 /* of a pooled connection for what must not be sent twice */
#define INTERIM_MAX 32      /* 1xx answers to one request */

struct origin {
	struct conn conn;
	struct lease lease;
	struct h1send out;
	struct h1_body in;
	struct proxy *proxy;
	struct origin_user *user; /* NULL while pooled or closing */
	uint64_t sent_before;     /* conn.sent when this request began */
	enum method method;
	unsigned interims;
	bool answering; /* a byte of the answer has come */
	bool head_done; /* its final head has come */
	bool reusable;  /* the answer allows another request */
};

static const struct conn_events origin_conn_events;
static const struct lease_ops origin_lease_ops;

static struct origin *origin_new(struct proxy *p, int fd)
{
	struct origin *o = mem_new(struct origin);
	o->proxy = p;
	conn_init(&o->conn, &p->io, fd, &origin_conn_events);
	lease_init(&o->lease, &origin_lease_ops);
	return o;
}

static void origin_close(struct origin *o)
{
	o->user = NULL;
	lease_end(&o->lease);
	conn_close(&o->conn);
}

static void on_closed(struct conn *c)
{
	mem_free(container_of(c, struct origin, conn));
}

static void fail(struct origin *o, enum origin_failure why)
{
	struct origin_user *u = o->user;
	origin_close(o);
	if (u != NULL)
		u->events->failed(u, why);
}

/* Why a request that broke now failed. */
static enum origin_failure failure_of(const struct origin *o)
{
	if (o->answering)
		return ORIGIN_BROKEN;
	return o->conn.sent == o->sent_before ? ORIGIN_UNWRITTEN : ORIGIN_SILENT;
}

/* A pooled connection that the app has closed shows it to one look without taking bytes. */
static bool is_alive(const struct origin *o)
{
	char byte;
	ssize_t n = recv(o->conn.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
	return n < 0 && errno == EAGAIN;
}

static struct origin *take_pooled(struct peer *peer, bool idempotent)
{
	struct lease *l;
	while ((l = peer_take_idle(peer, idempotent ? 0 : CAREFUL_IDLE_MS)) != NULL) {
		struct origin *o = container_of(l, struct origin, lease);
		if (idempotent || is_alive(o))
			return o;
		origin_close(o);
	}
	return NULL;
}

struct origin *origin_lease(struct proxy *p, struct service *s, const struct origin_demand *d)
{
	struct peer *peer;
	while ((peer = service_pick(s, d->canary)) != NULL) {
		struct origin *o = d->fresh ? NULL : take_pooled(peer, d->idempotent);
		if (o != NULL) {
			board_raise(service_board(s)->reused, 1);
			return o;
		}
		int fd;
		enum peer_connect result = peer_connect(peer, &fd);
		if (result == PEER_CONNECTED) {
			board_raise(service_board(s)->connects, 1);
			o = origin_new(p, fd);
			lease_begin(&o->lease, peer);
			return o;
		}
		if (result == PEER_NO_RESOURCES)
			return NULL;
	}
	return NULL;
}

void origin_begin(struct origin *o, struct origin_user *u, enum method method, struct str head,
		  enum body_kind kind, uint64_t length)
{
	struct text t = text_in(o->proxy->head_memory, PROXY_HEAD_MAX);
	text_add(&t, head);
	text_lit(&t, "X-Kamal-Target: ");
	text_add(&t, str_of(peer_name(o->lease.peer)));
	text_lit(&t, "\r\n\r\n");

	o->user = u;
	o->method = method;
	o->sent_before = o->conn.sent;
	o->answering = o->head_done = o->reusable = false;
	o->interims = 0;
	h1send_begin(&o->out, &o->conn, text_str(&t), kind, length);
	conn_read_start(&o->conn);
}

bool origin_wants_body(const struct origin *o)
{
	return conn_unsent(&o->conn) == 0 && !o->conn.write_failed;
}

bool origin_is_deaf(const struct origin *o)
{
	return o->conn.write_failed;
}

/* A write that fails is told by the read side, which wakes for a broken connection anyway: the app may have
   answered before it hung up. */
void origin_body(struct origin *o, struct slice data, bool fin, struct str trailers)
{
	if (!o->conn.write_failed)
		(void)h1send_body(&o->out, data, fin, trailers);
}

void origin_flush(struct origin *o)
{
	if (!o->conn.write_failed)
		(void)h1send_flush(&o->out);
}

void origin_pause(struct origin *o)
{
	conn_read_stop(&o->conn);
}

void origin_resume(struct origin *o)
{
	conn_read_start(&o->conn);
}

void origin_tunnel(struct origin *o)
{
	lease_to_tunnel(&o->lease);
}

struct peer *origin_peer(const struct origin *o)
{
	return o->lease.peer;
}

void origin_release(struct origin *o)
{
	o->user = NULL;
	bool clean = o->reusable && o->in.done && h1send_ended(&o->out) && !o->conn.write_failed &&
		     !o->conn.eof && conn_unsent(&o->conn) == 0 && buf_used(&o->conn.in) == 0;
	if (!clean || !lease_park(&o->lease)) {
		origin_close(o);
		return;
	}
	conn_read_start(&o->conn);
}

/* ---- the answer ---- */

static bool is_interim(const struct head *h)
{
	return h->status < 200 && h->status != 101;
}

/* Parses a head at the start of `in`. Bytes used; 0 when more are needed or the origin is gone. */
static size_t read_head(struct origin *o, struct str in)
{
	struct head *h = o->proxy->head;
	size_t used;
	enum h1_result r = h1_parse_answer(in, &o->proxy->answer_limits, h, &used);
	if (r == H1_PARTIAL)
		return 0;
	bool nonsense = r != H1_DONE || (h->status == 101 && o->out.kind != BODY_CLOSE) ||
			(is_interim(h) && ++o->interims > INTERIM_MAX);
	if (nonsense) {
		fail(o, ORIGIN_BROKEN);
		return 0;
	}
	struct origin_user *u = o->user;
	if (is_interim(h)) {
		u->events->head(u, h, BODY_NONE, 0);
		return used;
	}
	uint64_t length = 0;
	enum body_kind kind = h->status == 101 ? BODY_CLOSE : h1_answer_body(h, o->method, &length);
	o->head_done = true;
	o->reusable = h->keep_alive && kind != BODY_CLOSE;
	h1_body_init(&o->in, kind, length);
	u->events->head(u, h, kind, length);
	return used;
}

/* Passes payload up. Bytes used. The user may have let go of the origin on return. */
static size_t read_body(struct origin *o, struct slice in)
{
	struct slice data;
	struct str trailers = {0};
	size_t used;
	enum h1_result r = h1_body_decode(&o->in, in, &data, &used, &trailers);
	if (r != H1_DONE && r != H1_PARTIAL) {
		fail(o, ORIGIN_BROKEN);
		return used;
	}
	if (r == H1_DONE && used < in.n)
		o->reusable = false; /* surplus bytes: dropped with the connection */
	if (data.n != 0 || r == H1_DONE)
		o->user->events->body(o->user, data, r == H1_DONE, trailers);
	return used;
}

static size_t on_data(struct conn *c, struct slice in)
{
	struct origin *o = container_of(c, struct origin, conn);
	size_t used = 0;
	if (o->user == NULL) { /* an idle connection has nothing to say */
		origin_close(o);
		return 0;
	}
	o->answering = true;
	while (o->user != NULL && !o->head_done) {
		size_t n = read_head(o, str_make(in.p + used, in.n - used));
		used += n;
		if (n == 0)
			break;
	}
	if (o->user != NULL && o->head_done)
		used += read_body(o, slice_skip(in, used));
	if (o->user != NULL)
		o->user->events->flush(o->user);
	return o->user != NULL ? used : in.n;
}

static void on_eof(struct conn *c)
{
	struct origin *o = container_of(c, struct origin, conn);
	if (o->user == NULL) {
		origin_close(o);
	} else if (o->head_done && o->in.kind == BODY_CLOSE) {
		o->in.done = true;
		o->user->events->body(o->user, (struct slice){0}, true, STR(""));
	} else {
		fail(o, failure_of(o));
	}
}

/* A failed write alone says nothing: the app may have answered before it hung up; reading will tell. But
   nobody waits for the client any more. */
static void on_error(struct conn *c, int err)
{
	(void)err;
	struct origin *o = container_of(c, struct origin, conn);
	if (o->user == NULL)
		origin_close(o);
	else if (c->eof)
		fail(o, failure_of(o));
	else
		o->user->events->want(o->user);
}

static void on_drained(struct conn *c)
{
	struct origin *o = container_of(c, struct origin, conn);
	if (o->user != NULL)
		o->user->events->want(o->user);
}

static const struct conn_events origin_conn_events = {
	.data = on_data,
	.eof = on_eof,
	.drained = on_drained,
	.error = on_error,
	.closed = on_closed,
};

static void on_close_idle(struct lease *l)
{
	origin_close(container_of(l, struct origin, lease));
}

static void on_cut(struct lease *l)
{
	fail(container_of(l, struct origin, lease), ORIGIN_CUT);
}

static const struct lease_ops origin_lease_ops = {
	.close_idle = on_close_idle,
	.cut = on_cut,
};
