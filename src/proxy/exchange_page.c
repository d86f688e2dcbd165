/* exchange_page: what the proxy answers itself: error pages, the service's own or built in, the maintenance page
 * of a stopped service, and health checks while the app is not to be asked. */
#include <string.h>

#include "exchange_internal.h"
#include "http/date.h"
#include "proxy/page.h"
#include "proxy/proxy.h"

#define PAGE_MAX (1024 * 1024) /* a page that its messages make longer is not sent */

struct own_answer {
	int status;
	struct str type, retry_after; /* the latter empty: none */
	char *body;
	size_t n;
};

static void add_field(struct head *h, enum field_id id, struct str name, struct str value)
{
	h->fields[h->nfields++] = (struct field){.name = name, .value = value, .id = id};
}

static void send_own(struct exchange *x, const struct own_answer *a)
{
	struct front *f = x->front;
	struct head *h = x->proxy->head;

	memset(h, 0, offsetof(struct head, fields));
	h->status = a->status;
	h->reason = str_of(status_reason(a->status));
	add_field(h, HDR_CONTENT_TYPE, STR("Content-Type"), a->type);
	if (a->retry_after.n != 0)
		add_field(h, HDR_OTHER, STR("Retry-After"), a->retry_after);
	add_field(h, HDR_DATE, STR("Date"), http_date((int64_t)ev_now(x->proxy->loop)));
	exchange_add_tls_fields(x, h);
	x->log.status = a->status;
	x->log.answer_length = a->n;
	x->log.answer_type = a->type;
	x->answer = HALF_OPEN;
	f->ops->head(f, h, BODY_LENGTH, a->n);
	size_t n = x->method == METHOD_HEAD ? 0 : a->n;
	f->ops->body(f, (struct slice){.p = a->body, .n = n}, true, STR(""));
}

static bool is_maintenance(const struct exchange *x, int status)
{
	return status == 503 && x->service != NULL && service_door(x->service) == DOOR_STOPPED;
}

/* Of what was sent to the app it is the app that is late. */
static bool is_held_too_long(const struct exchange *x)
{
	return x->service != NULL && service_door(x->service) == DOOR_PAUSED && x->target.n == 0;
}

static struct str message_of(const struct exchange *x, int status)
{
	struct str said = {0};
	if (status == 504 && is_held_too_long(x))
		return page_held();
	if (!is_maintenance(x, status))
		return page_message(status);
	said = service_stop_message(x->service);
	return said.n != 0 ? said : page_maintenance();
}

static void send_page(struct exchange *x, int status)
{
	struct str message = message_of(x, status);
	struct str own = {0};
	if (x->service != NULL)
		own = service_error_page(x->service, status);
	size_t room = page_room(message, own);
	if (room > PAGE_MAX) {
		own = STR("");
		room = page_room(message, own);
	}
	struct text page = text_in(arena_alloc(&x->arena, room), room);
	page_write(&page, status, message, own);

	struct own_answer a = {
		.status = status,
		.type = STR("text/html; charset=utf-8"),
		.body = page.p,
		.n = page.n,
	};
	if (status == 503)
		a.retry_after = is_maintenance(x, status) ? STR("30") : STR("1");
	send_own(x, &a);
}

void exchange_refuse(struct exchange *x, int status)
{
	if (x->service != NULL && status >= 500 && !is_maintenance(x, status))
		board_raise(service_board(x->service)->errors, 1);
	if (x->origin != NULL) {
		struct origin *o = x->origin;
		x->origin = NULL;
		origin_release(o);
	}
	if (x->answer == HALF_OPEN && !x->upgraded && x->front->ops->take_back(x->front))
		x->answer = HALF_IDLE;
	bool whole = x->answer == HALF_IDLE;
	if (whole)
		send_page(x, status);
	exchange_end(x, whole);
}

static bool is_health_check(const struct exchange *x, struct str path)
{
	return (x->method == METHOD_GET || x->method == METHOD_HEAD) &&
	       str_eq(path, str_of(service_settings(x->service)->health_check_path));
}

bool exchange_answer_health(struct exchange *x, struct str path)
{
	static char ok[] = "OK\n";
	const struct own_answer a = {
		.status = 200,
		.type = STR("text/plain; charset=utf-8"),
		.body = ok,
		.n = sizeof(ok) - 1,
	};

	if (!is_health_check(x, path))
		return false;
	send_own(x, &a);
	exchange_end(x, true);
	return true;
}
