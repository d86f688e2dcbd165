/* service_doors: pause and stop: who may go, what becomes of the requests that are in flight when the
 * door closes, and from when on the master may believe that it is closed. */
#include "base/mem.h"
#include "service_internal.h"

#define SLACK_MS 10 /* clocks that differ must not give a request its time twice */
#define AGAIN_MS 50 /* at least, between looks at what is in flight */

static enum service_door door_of(const struct site *site)
{
	if (site == NULL)
		return DOOR_OPEN;
	if (site->stop.ino != 0)
		return DOOR_STOPPED;
	return site->pause.ino != 0 ? DOOR_PAUSED : DOOR_OPEN;
}

static uint64_t hold_of(const struct service *s)
{
	if (s->site == NULL || s->site->hold_ms == TREE_HOLD_UNSAID)
		return service_settings(s)->max_pause;
	return s->site->hold_ms;
}

/* ---- what is in flight ---- */

/* ms that it has; 0: as long as it takes. */
static uint64_t flight_limit(const struct service *s)
{
	uint64_t drain = service_settings(s)->drain_timeout;
	uint64_t third = s->hold_ms / 3 + 1;

	if (s->door != DOOR_PAUSED || s->hold_ms == 0)
		return drain;
	return drain != 0 && drain < third ? drain : third;
}

static bool is_in_flight(const struct service *s)
{
	return s->home.in_flight + s->home.draining + s->released != 0;
}

static void arm_cut(struct service *s, uint64_t at_least)
{
	uint64_t limit = flight_limit(s), age = service_clock() - s->closed_at;
	uint64_t left = age >= limit ? 0 : limit - age;

	if (s->env->loop == NULL)
		return;
	ev_timer_stop(s->env->loop, &s->cut);
	if (s->door == DOOR_OPEN || limit == 0 || !is_in_flight(s))
		return;
	ev_timer_set(&s->cut, (ev_tstamp)(left < at_least ? at_least : left) / 1000., 0.);
	ev_timer_start(s->env->loop, &s->cut);
}

/* What was released before the door closed may still come, and has its time from then on. */
static void on_cut(struct ev_loop *loop, ev_timer *t, int revents)
{
	struct service *s = container_of(t, struct service, cut);
	uint64_t limit = flight_limit(s);
	uint64_t age = limit > SLACK_MS ? limit - SLACK_MS : 0;

	(void)loop;
	(void)revents;
	service_hold(s);
	list_for_each_safe (node, &s->home.current)
		peer_cut(peer_of(node), age);
	list_for_each_safe (node, &s->home.replaced)
		peer_cut(peer_of(node), age);
	/* A migration must not wait for those that nobody takes. */
	if (service_clock() - s->closed_at >= age)
		service_end_released(s);
	arm_cut(s, AGAIN_MS + limit / 4);
	service_drop(s);
}

/* ---- the door ---- */

void service_settle_door(struct service *s)
{
	enum service_door was = s->door;

	s->door = door_of(s->site);
	s->hold_ms = hold_of(s);
	s->home.closed = s->door != DOOR_OPEN;
	if (was == DOOR_OPEN && s->door == DOOR_OPEN)
		return;
	if (was == DOOR_OPEN) {
		s->closed_at = service_clock();
		gate_catch(&s->gate, s->closed_at);
	} else if (s->door == DOOR_OPEN) {
		s->released += (uint32_t)gate_free(&s->gate, service_clock());
	}
	arm_cut(s, 0);
	service_arm_limit(s);
}

bool service_pause_holds(const struct service *s)
{
	return s->door == DOOR_OPEN || s->released == 0;
}

bool service_stop_holds(const struct service *s)
{
	return s->door != DOOR_STOPPED || (s->released == 0 && !gate_has_queue(&s->gate));
}

void service_tell_door(struct service *s)
{
	if (s->told || !service_pause_holds(s) || !service_stop_holds(s))
		return;
	service_publish(s);
	service_news(s);
}

enum service_door service_door(const struct service *s)
{
	return s->door;
}

struct str service_stop_message(const struct service *s)
{
	return s->site == NULL ? STR("") : str_of(s->site->stop_message);
}

void service_doors_init(struct service *s)
{
	ev_timer_init(&s->cut, on_cut, 0., 0.);
}

void service_doors_fini(struct service *s)
{
	if (s->env->loop != NULL)
		ev_timer_stop(s->env->loop, &s->cut);
}
