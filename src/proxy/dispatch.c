/* dispatch: the exchange's way to an instance and the answer's way back: waiting, retries, what may be sent
   twice and what may not (CONTRACT section 2, "nothing is lost"). */
#include <string.h>

#include "base/mem.h"
#include "exchange_internal.h"
#include "http/date.h"
#include "proxy/proxy.h"
#include "proxy/rewrite.h"

#define UNWRITTEN_MAX 16 /* connections in a row that break before they take a byte */

static const struct origin_events exchange_origin_events;
static const struct waiter_ops exchange_waiter_ops;
static deadline_cb on_target_timeout;

void exchange_dispatch_init(struct exchange *x)
{
	x->user.events = &exchange_origin_events;
	waiter_init(&x->waiter, &exchange_waiter_ops);
	deadline_init(&x->deadline, on_target_timeout);
}

/* ---- toward the app ---- */

/* Sends what was already taken of the request's payload once more. */
static void send_replay(struct exchange *x)
{
	bool fin = x->request == HALF_DONE && x->kind != BODY_NONE;
	struct slice data = {.p = x->replay.data + x->replay.head, .n = buf_used(&x->replay)};
	if (data.n != 0 || (fin && x->kind == BODY_CHUNKED))
		origin_body(x->origin, data, fin, x->trailers);
}

/* The app's time runs while it has the whole request, or does not take what there is of it. While more is
   to come from the client, the client's side watches that. */
void exchange_watch_app(struct exchange *x)
{
	bool clients_turn = x->request != HALF_DONE && !x->expects && exchange_wants_body(x);
	if (x->answer == HALF_IDLE)
		deadline_set(x->proxy->timers, &x->deadline,
			     clients_turn ? 0 : service_settings(x->service)->target_timeout);
}

static uint64_t inode_of(const struct peer *p)
{
	struct board_peer entry;
	peer_tell(p, &entry);
	return entry.ino;
}

/* The canary first, for whom it is for: if it cannot take the request, nobody shall notice. */
static struct origin *lease(struct exchange *x, bool canary_only)
{
	struct origin_demand d = {
		.fresh = x->fresh,
		.idempotent = method_is_idempotent(x->method),
		.canary = x->canary,
	};
	struct origin *o = x->canary ? origin_lease(x->proxy, x->service, &d) : NULL;
	d.canary = false;
	return o == NULL && !canary_only ? origin_lease(x->proxy, x->service, &d) : o;
}

/* False when no instance can be connected to now. True: it is on its way, or answered (then x is gone and
   *gone is set). */
static bool try_to_send(struct exchange *x, bool canary_only, bool *gone)
{
	struct origin *o = lease(x, canary_only);
	if (o == NULL)
		return false;
	x->origin = o;
	x->inode = inode_of(origin_peer(o));
	if (x->inode == x->avoid) {
		*gone = true;
		exchange_refuse(x, 502);
		return true;
	}
	x->target = arena_copy(&x->arena, str_of(peer_name(origin_peer(o))));
	origin_begin(o, &x->user, x->method, x->head, x->kind, x->length);
	exchange_watch_app(x);
	return true;
}

/* After any wait or failure: the head, and what was taken of the body, go out at once. */
static bool send_again(struct exchange *x)
{
	bool gone = false;
	if (!try_to_send(x, false, &gone))
		return false;
	if (gone)
		return true;
	send_replay(x);
	origin_flush(x->origin);
	exchange_watch_app(x);
	x->front->ops->want(x->front);
	return true;
}

static void wait_for_socket(struct exchange *x)
{
	x->avoid = 0; /* it does not answer a connect any more; its inode's number may recur */
	if (!service_wait(x->service, &x->waiter))
		exchange_refuse(x, 503);
}

void exchange_dispatch(struct exchange *x)
{
	bool gone = false;
	bool open = service_is_open(x->service);
	/* Who waits for a main instance does not stand in the canary's way. */
	bool canary_only = !open && x->canary && service_door(x->service) == DOOR_OPEN;
	if (!(open || canary_only) || !try_to_send(x, canary_only, &gone))
		wait_for_socket(x);
}

/* Behind a closed door nothing is in flight at the app as soon as this one is not: it must not be sent anew,
   unless it comes from before the door closed. */
static void dispatch_again(struct exchange *x)
{
	bool passes = service_door(x->service) == DOOR_OPEN || x->waiter.released;
	board_raise(service_board(x->service)->retries, 1);
	if (!passes && service_door(x->service) == DOOR_STOPPED)
		exchange_refuse(x, 503);
	else if (!passes || !send_again(x))
		wait_for_socket(x);
}

static bool on_retry(struct waiter *w)
{
	struct exchange *x = container_of(w, struct exchange, waiter);
	if (service_is_removed(x->service)) {
		exchange_refuse(x, 503);
		return true;
	}
	return send_again(x);
}

static void on_expired(struct waiter *w, enum wait_end why)
{
	exchange_refuse(container_of(w, struct exchange, waiter), why == WAIT_HELD ? 504 : 503);
}

/* While its retry runs it still has its place in the queue. */
bool exchange_is_held(const struct exchange *x)
{
	return x->origin == NULL && waiter_waits(&x->waiter);
}

static const struct waiter_ops exchange_waiter_ops = {
	.retry = on_retry,
	.expired = on_expired,
};

static void on_target_timeout(struct deadline *d)
{
	exchange_refuse(container_of(d, struct exchange, deadline), 504);
}

/* ---- what failed ---- */

/* May a request of which bytes were written be sent once more? Only what is idempotent and still whole
   in hand; once, and once again if the fresh connection broke as well because its socket is going: that
   is, if by now something else than that very socket answers a connect. */
static bool may_resend(struct exchange *x)
{
	if (!method_is_idempotent(x->method) || !x->replayable)
		return false;
	if (x->resent == 1) {
		x->avoid = x->inode;
		x->canary = false; /* if it was the canary that broke it twice */
	}
	return x->resent++ < 2;
}

static void on_failed(struct origin_user *u, enum origin_failure why)
{
	struct exchange *x = container_of(u, struct exchange, user);
	x->origin = NULL;
	x->fresh = true;
	deadline_clear(&x->deadline);
	if (x->answer != HALF_IDLE) {
		exchange_refuse(x, 502);
	} else if (why == ORIGIN_UNWRITTEN && x->replayable && x->unwritten < UNWRITTEN_MAX) {
		x->unwritten++;
		dispatch_again(x);
	} else if (why == ORIGIN_SILENT && may_resend(x)) {
		dispatch_again(x);
	} else {
		exchange_refuse(x, why == ORIGIN_CUT ? 504 : 502);
	}
}

/* ---- the answer ---- */

static bool is_event_stream(const struct head *h)
{
	static const struct str type = {.p = "text/event-stream", .n = 17};
	const struct field *f = head_find(h, HDR_CONTENT_TYPE);
	return f != NULL && f->value.n >= type.n && str_ieq(str_make(f->value.p, type.n), type);
}

static void note_answer(struct exchange *x, const struct head *h)
{
	const struct field *type = head_find(h, HDR_CONTENT_TYPE);
	x->log.status = h->status;
	if (type != NULL && accesslog_is_on(x->proxy->log))
		x->log.answer_type = arena_copy(&x->arena, type->value);
	exchange_log_fields(x, h, true);
}

static void add_date(struct exchange *x, struct head *h)
{
	if (head_find(h, HDR_DATE) != NULL || h->nfields == HEAD_FIELDS_MAX)
		return;
	h->fields[h->nfields++] = (struct field){
		.name = STR("Date"),
		.value = http_date((int64_t)ev_now(x->proxy->loop)),
		.id = HDR_DATE};
}

static void on_head(struct origin_user *u, struct head *h, enum body_kind kind, uint64_t length)
{
	struct exchange *x = container_of(u, struct exchange, user);
	struct front *f = x->front;
	bool interim = h->status < 200 && h->status != 101;
	if (interim) {
		if (h->status == 100 && x->expects) {
			x->expects = false;
			exchange_watch_app(x);
		}
		rewrite_answer(h, false);
		f->ops->interim(f, h);
		return;
	}
	deadline_clear(&x->deadline);
	x->answer = HALF_OPEN;
	x->upgraded = h->status == 101;
	x->tunnel = x->upgraded || is_event_stream(h);
	note_answer(x, h);
	if (x->tunnel) {
		origin_tunnel(x->origin);
		service_unwait(x->service, &x->waiter); /* no pause waits for its end */
	}
	rewrite_answer(h, kind != BODY_NONE);
	add_date(x, h);
	if (x->hsts.n != 0)
		exchange_add_tls_fields(x, h);
	f->ops->head(f, h, kind, length);
}

static void on_body(struct origin_user *u, struct slice data, bool fin, struct str trailers)
{
	struct exchange *x = container_of(u, struct exchange, user);
	struct front *f = x->front;
	struct text kept = {0};
	if (trailers.n != 0) {
		kept = text_in(arena_alloc(&x->arena, trailers.n * 2), trailers.n * 2);
		rewrite_trailers(&kept, trailers);
	}
	x->log.answer_length += data.n;
	board_raise(service_board(x->service)->bytes_out, data.n);
	f->ops->body(f, data, fin, text_str(&kept));
	if (fin) {
		x->answer = HALF_DONE;
		if (!x->upgraded || x->request == HALF_DONE || origin_is_deaf(x->origin))
			exchange_end(x, true);
	} else if (f->ops->is_full(f)) {
		origin_pause(x->origin);
	}
}

static void on_flush(struct origin_user *u)
{
	struct front *f = container_of(u, struct exchange, user)->front;
	f->ops->flush(f);
}

static void on_want(struct origin_user *u)
{
	struct exchange *x = container_of(u, struct exchange, user);
	exchange_watch_app(x);
	x->front->ops->want(x->front);
}

static const struct origin_events exchange_origin_events = {
	.head = on_head,
	.body = on_body,
	.flush = on_flush,
	.want = on_want,
	.failed = on_failed,
};
