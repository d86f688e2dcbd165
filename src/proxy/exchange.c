/* exchange: a request's life from its head to its log line. Where it goes is dispatch.c's. */
#include "proxy/exchange.h"

#include <string.h>
#include <time.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/random.h"
#include "exchange_internal.h"
#include "proxy/proxy.h"
#include "proxy/rewrite.h"

#define REQUEST_ID_BYTES 16
#define REPLAY_KEEP 16384 /* memory of a replay buffer that stays for the next exchange */
#define CLIENT_GONE 499
#define TARGET_ROOM 512 /* in a head, for what the origin adds: the longest file name fits */

static uint64_t monotonic_ns(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000U + (uint64_t)ts.tv_nsec;
}

struct exchange *exchange_new(struct proxy *p, struct front *f)
{
	struct list *node = list_pop_front(&p->free_exchanges);
	struct exchange *x;
	struct buf replay = {0};
	if (node != NULL) {
		x = container_of(node, struct exchange, free_node);
		replay = x->replay;
	} else {
		x = mem_alloc(sizeof(*x));
	}
	memset(x, 0, offsetof(struct exchange, arena));
	arena_init(&x->arena);
	x->replay = replay;
	x->proxy = p;
	x->front = f;
	x->replayable = true;
	x->started_ns = monotonic_ns();
	x->log.proto = f->h2 ? STR("HTTP/2.0") : STR("HTTP/1.1");
	x->log.scheme = f->cert != NULL ? STR("https") : STR("http");
	exchange_dispatch_init(x);
	return x;
}

static void exchange_free(struct exchange *x)
{
	if (x->replay.cap > REPLAY_KEEP)
		buf_free(&x->replay);
	else
		buf_clear(&x->replay);
	arena_reset(&x->arena);
	list_push_front(&x->proxy->free_exchanges, &x->free_node);
}

void exchange_free_all(struct proxy *p)
{
	struct list *node;
	while ((node = list_pop_front(&p->free_exchanges)) != NULL) {
		struct exchange *x = container_of(node, struct exchange, free_node);
		buf_free(&x->replay);
		arena_reset(&x->arena);
		mem_free(x);
	}
}

/* ---- the log line ---- */

/* "X-Some-Field" → "x_some_field". */
static struct str log_name(struct arena *a, const char *name)
{
	struct str s = str_of(name);
	char *p = arena_alloc(a, s.n);
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];
		p[i] = c == '-' ? '_' : (char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
	}
	return str_make(p, s.n);
}

static void log_field(struct exchange *x, const char *name, const struct head *h, bool answer)
{
	for (size_t i = 0; i < h->nfields; i++) {
		if (!str_ieq(h->fields[i].name, str_of(name)))
			continue;
		struct logged_field *f = arena_alloc(&x->arena, sizeof(*f));
		f->name = log_name(&x->arena, name);
		f->value = arena_copy(&x->arena, h->fields[i].value);
		f->answer = answer;
		f->next = (struct logged_field *)x->log.fields;
		x->log.fields = f;
		return;
	}
}

void exchange_log_fields(struct exchange *x, const struct head *h, bool answer)
{
	const struct service_settings *s = service_settings(x->service);
	const struct strings *names = answer ? &s->log_response_header : &s->log_request_header;
	for (size_t i = 0; i < names->count; i++)
		log_field(x, names->item[i], h, answer);
}

static void write_log(struct exchange *x)
{
	struct logged_request *r = &x->log;
	if (!accesslog_is_on(x->proxy->log))
		return;
	r->time_ms = (int64_t)(ev_now(x->proxy->loop) * 1000);
	r->duration_ns = monotonic_ns() - x->started_ns;
	r->target = x->target;
	r->client_addr = str_of(x->front->client_ip);
	r->client_port = x->front->client_port;
	r->port = x->front->server_port;
	if (r->remote_addr.n == 0)
		r->remote_addr = r->client_addr;
	if (x->service != NULL)
		r->service = str_of(service_name(x->service));
	accesslog_write(x->proxy->log, r);
}

/* ---- the end ---- */

/* Log line, counters, then everything it holds. */
static void finish(struct exchange *x)
{
	deadline_clear(&x->deadline);
	if (x->service != NULL) {
		board_raise(service_board(x->service)->requests, 1);
		service_unwait(x->service, &x->waiter);
	}
	write_log(x);
	if (x->origin != NULL)
		origin_release(x->origin);
	if (x->service != NULL)
		service_drop(x->service);
	exchange_free(x);
}

void exchange_end(struct exchange *x, bool whole)
{
	struct front *f = x->front;
	finish(x);
	f->ops->done(f, whole);
}

void exchange_abort(struct exchange *x)
{
	if (!x->tunnel)
		x->log.status = CLIENT_GONE;
	finish(x);
}

/* ---- the request ---- */

/* What the log line says of the request; spans lie in the arena. */
static void note_request(struct exchange *x, const struct head *h)
{
	struct logged_request *r = &x->log;
	const struct field *type = head_find(h, HDR_CONTENT_TYPE);
	const struct field *agent = head_find(h, HDR_USER_AGENT);
	const struct field *from = head_find(h, HDR_X_FORWARDED_FOR);
	r->host = h->authority;
	r->path = h->path;
	r->query = h->query;
	r->method = h->method_name;
	r->request_length = h->body == BODY_CHUNKED ? -1 : (int64_t)h->length;
	r->content_type = type != NULL ? type->value : STR("");
	r->user_agent = agent != NULL ? agent->value : STR("");
	r->remote_addr = from != NULL ? from->value : STR("");
	if (h->minor == 0)
		r->proto = STR("HTTP/1.0");

	const struct field *id = head_find(h, HDR_X_REQUEST_ID);
	if (id != NULL && id->value.n != 0) {
		r->request_id = id->value;
	} else {
		char *hex = arena_alloc(&x->arena, REQUEST_ID_BYTES * 2);
		random_hex(hex, REQUEST_ID_BYTES);
		r->request_id = str_make(hex, REQUEST_ID_BYTES * 2);
	}
}

/* Finds the service; *prefix is the length of the path prefix to strip. False: nobody has it. */
static bool find_service(struct exchange *x, const struct head *h, size_t *prefix)
{
	char memory[256];
	struct str host = STR("");
	struct str path = h->path.p[0] == '/' ? h->path : STR("/");
	if (h->authority.n != 0 && !host_normalise(h->authority, memory, sizeof(memory), &host))
		return false;
	struct service *s = registry_route(x->proxy->registry, host, path, prefix);
	if (s == NULL)
		return false;
	service_hold(s);
	x->service = s;
	return true;
}

/* As the app shall see it. */
static struct str stripped_path(const struct exchange *x, const struct head *h, size_t prefix)
{
	struct str path = h->path;
	if (prefix > path.n || !service_settings(x->service)->strip_path_prefix)
		return path;
	path.p += prefix;
	path.n -= prefix;
	return path.n == 0 ? STR("/") : path;
}

static bool write_head(struct exchange *x, const struct head *h, struct str path)
{
	struct request_facts facts = {
		.client_ip = str_of(x->front->client_ip),
		.scheme = x->log.scheme,
		.request_id = x->log.request_id,
		.now_ms = (int64_t)(ev_now(x->proxy->loop) * 1000),
		.trusted = exchange_trusts(x),
		.path = path,
		.upgrade = h->upgrade,
	};
	struct text t = text_in(x->proxy->head_memory, PROXY_HEAD_MAX - TARGET_ROOM);
	rewrite_request(&t, h, &facts);
	if (!facts.trusted)
		x->log.remote_addr = STR("");
	x->head = arena_copy(&x->arena, text_str(&t));
	return !t.full;
}

void exchange_start(struct exchange *x, struct head *h, struct str raw)
{
	size_t prefix = 0;
	struct str own = arena_copy(&x->arena, raw);
	head_rebase(h, raw.p, own.p);
	note_request(x, h);
	x->method = h->method;
	x->wants_upgrade = h->upgrade;
	x->expects = h->expect_continue;
	x->kind = h->upgrade ? BODY_CLOSE : h->body;
	x->length = h->length;
	bool has_body = x->kind == BODY_CHUNKED || (x->kind == BODY_LENGTH && x->length != 0);
	x->request = has_body || h->upgrade ? HALF_OPEN : HALF_DONE;

	if (!find_service(x, h, &prefix)) {
		exchange_refuse(x, 404);
		return;
	}
	exchange_log_fields(x, h, false);
	struct str path = stripped_path(x, h, prefix);
	enum service_door door = service_door(x->service);
	if (door != DOOR_OPEN && exchange_answer_health(x, path))
		return;
	int refused = exchange_judge_tls(x, h, prefix);
	if (refused == 0 && door == DOOR_STOPPED)
		refused = 503;
	if (refused != 0) {
		exchange_refuse(x, refused);
		return;
	}
	if (service_has_rollout(x->service))
		x->canary = service_in_rollout(x->service, head_cookie(h, STR("kamal-rollout")));
	if (!write_head(x, h, path))
		exchange_refuse(x, 431);
	else
		exchange_dispatch(x);
}

bool exchange_wants_body(const struct exchange *x)
{
	if (x->request == HALF_DONE || x->origin == NULL || (x->wants_upgrade && !x->upgraded))
		return false;
	return origin_wants_body(x->origin);
}

/* Keeps payload for another attempt, up to one read's worth: at least the first bytes, of which none may
   have been written yet, can then always be sent again. */
static void keep_for_replay(struct exchange *x, struct str data)
{
	if (!x->replayable || x->answer != HALF_IDLE)
		return;
	if (buf_used(&x->replay) + data.n > CONN_READ_MAX) {
		x->replayable = false;
		buf_free(&x->replay);
		return;
	}
	if (data.n != 0)
		buf_add(&x->replay, data);
}

void exchange_body(struct exchange *x, struct slice data, bool fin, struct str trailers)
{
	if (fin) {
		x->request = HALF_DONE;
		if (trailers.n != 0) {
			struct text t = text_in(arena_alloc(&x->arena, trailers.n * 2),
						trailers.n * 2);
			rewrite_trailers(&t, trailers);
			x->trailers = text_str(&t);
		}
	}
	keep_for_replay(x, slice_str(data));
	if (x->service != NULL)
		board_raise(service_board(x->service)->bytes_in, data.n);
	x->expects = false;
	origin_body(x->origin, data, fin, x->trailers);
	exchange_watch_app(x);
	if (x->upgraded && x->answer == HALF_DONE && (fin || origin_is_deaf(x->origin)))
		exchange_end(x, true);
}

void exchange_flush(struct exchange *x)
{
	if (x->origin != NULL)
		origin_flush(x->origin);
}

void exchange_resume(struct exchange *x)
{
	if (x->origin != NULL)
		origin_resume(x->origin);
}
