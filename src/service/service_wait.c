/* service_wait: who waits, for how long, and when they are let go. One timer serves all reasons to
 * act later: what must not happen within the call that told it (a look at the directory after a
 * refusal, a release when a connection is free), and the end of a back-off that a request waits
 * for. Another one ends the waits whose time is over. */
#include "base/mem.h"
#include "service/balance.h"
#include "service_internal.h"

#define RETRY_SEC 0.001 /* when a peer may be tried and yet nothing went out */
#define SLICE 128       /* requests let go or answered in one turn of the loop */
#define STEP_MS 250     /* how long a wait may be depends on whether something listens: so often */

uint64_t service_clock(void)
{
	return peer_clock() / 1000;
}

static bool somebody_may_go(const struct service *s)
{
	return s->door == DOOR_OPEN ? gate_has_queue(&s->gate) : gate_has_released(&s->gate);
}

void service_arm(struct service *s)
{
	ev_tstamp delay = 0.;
	uint64_t now;

	s->home.wanting = somebody_may_go(s);
	if (s->env->loop == NULL)
		return;
	ev_timer_stop(s->env->loop, &s->timer);
	s->due = 0;
	if (!s->look_due && !s->hurry) {
		if (!s->home.wanting || !balance_earliest(&s->home, s->rollout != NULL, &s->due))
			return;
		now = peer_clock();
		delay = s->due > now ? (ev_tstamp)(s->due - now) / 1e6 : RETRY_SEC;
	}
	ev_timer_set(&s->timer, delay, 0.);
	ev_timer_start(s->env->loop, &s->timer);
}

/* True: there are more. */
static bool answer_stopped(struct service *s)
{
	struct waiter *w;

	for (unsigned i = 0; i < SLICE && (w = gate_first(&s->gate, false)) != NULL; i++)
		gate_end(w, WAIT_STOPPED);
	return gate_first(&s->gate, false) != NULL;
}

void service_release(struct service *s)
{
	service_hold(s);
	if (gate_has_queue(&s->gate)) {
		if (gate_release(&s->gate, s->door == DOOR_OPEN, SLICE) ||
		    (s->door == DOOR_STOPPED && answer_stopped(s)))
			s->hurry = true;
		service_arm(s);
	}
	service_drop(s);
}

/* The loop's time may lag behind the clock of the back-offs: the timer's word counts. */
static void on_timer(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct service *s = container_of(w, struct service, timer);
	uint64_t due = s->due;

	(void)loop;
	(void)revents;
	service_hold(s);
	s->hurry = false;
	if (s->look_due) {
		s->look_due = false;
		if (s->site != NULL)
			s->env->look(s->env->user, s->site);
	}
	balance_wake(&s->home, due);
	service_release(s);
	service_drop(s);
}

/* ---- the end of a wait ---- */

static bool is_held(const struct service *s, const struct waiter *w)
{
	return s->door == DOOR_PAUSED && !w->released;
}

/* ms that this one may wait; 0: for ever. An app that listens but is busy is worth the time that
   its answer would be. */
static uint64_t limit_of(const struct service *s, const struct waiter *w)
{
	uint64_t socket = service_settings(s)->socket_timeout;
	uint64_t target = service_settings(s)->target_timeout;

	if (is_held(s, w))
		return s->hold_ms;
	if (socket == 0 || !balance_listens(&s->home))
		return socket;
	return target != 0 && target < socket ? socket : target;
}

/* ms until the time of the first of its kind is over; UINT64_MAX: never. */
static uint64_t time_left(struct service *s, bool released)
{
	const struct waiter *w = gate_first(&s->gate, released);
	uint64_t limit = w == NULL ? 0 : limit_of(s, w);
	uint64_t age;

	if (limit == 0)
		return UINT64_MAX;
	age = service_clock() - w->since;
	return age >= limit ? 0 : limit - age;
}

void service_arm_limit(struct service *s)
{
	uint64_t a = time_left(s, true), b = time_left(s, false);
	uint64_t left = a < b ? a : b;
	bool all_held = s->door == DOOR_PAUSED && !gate_has_released(&s->gate);

	if (s->env->loop == NULL)
		return;
	ev_timer_stop(s->env->loop, &s->limit);
	if (left == UINT64_MAX && (all_held || !gate_has_queue(&s->gate)))
		return;
	if (!all_held && left > STEP_MS)
		left = STEP_MS;
	ev_timer_set(&s->limit, (ev_tstamp)left / 1000., 0.);
	ev_timer_start(s->env->loop, &s->limit);
}

static void on_limit(struct ev_loop *loop, ev_timer *t, int revents)
{
	struct service *s = container_of(t, struct service, limit);

	(void)loop;
	(void)revents;
	service_hold(s);
	for (unsigned i = 0; i < SLICE; i++) {
		bool released = time_left(s, true) == 0;
		struct waiter *w;
		if (!released && time_left(s, false) != 0)
			break;
		w = gate_first(&s->gate, released);
		gate_end(w, is_held(s, w) ? WAIT_HELD : WAIT_NO_SOCKET);
	}
	service_arm_limit(s);
	service_drop(s);
}

void service_end_released(struct service *s)
{
	struct waiter *w;

	while ((w = gate_first(&s->gate, true)) != NULL)
		gate_end(w, WAIT_NO_SOCKET);
}

bool service_give_up(struct service *s)
{
	bool any = gate_has_queue(&s->gate);

	service_hold(s);
	for (uint32_t n = s->held; n != 0 && gate_has_queue(&s->gate); n--)
		gate_end(gate_first(&s->gate, gate_has_released(&s->gate)), WAIT_GIVEN_UP);
	service_drop(s);
	return any;
}

/* ---- coming and leaving ---- */

static void tell_held(const struct service *s)
{
	atomic_store_explicit(&s->home.board->held, s->held, memory_order_relaxed);
}

static void on_left(struct gate *g)
{
	struct service *s = container_of(g, struct service, gate);

	s->held--;
	tell_held(s);
	if (s->env->board != NULL)
		board_hold_give(s->env->board, str_of(s->name));
	service_tell_door(s);
	if (gate_has_queue(g))
		return;
	s->home.wanting = s->hurry = false;
	if (s->env->loop == NULL)
		return;
	ev_timer_stop(s->env->loop, &s->limit);
	if (!s->look_due)
		ev_timer_stop(s->env->loop, &s->timer);
}

bool service_is_open(const struct service *s)
{
	return s->door == DOOR_OPEN && !gate_has_queue(&s->gate);
}

bool service_wait(struct service *s, struct waiter *w)
{
	uint64_t limit = service_settings(s)->max_held;

	if (waiter_waits(w))
		return true;
	if (s->removed || s->held >= limit)
		return false;
	if (s->env->board != NULL && !board_hold_take(s->env->board, str_of(s->name), limit))
		return false;
	s->held++;
	tell_held(s);
	gate_push(&s->gate, w, service_clock());
	if (gate_first(&s->gate, w->released) == w)
		service_arm_limit(s);
	s->home.wanting = somebody_may_go(s);
	if (!ev_is_active(&s->timer))
		service_arm(s);
	return true;
}

void service_unwait(struct service *s, struct waiter *w)
{
	gate_leave(w);
	if (!w->released)
		return;
	w->released = false;
	s->released--;
	service_tell_door(s);
}

void service_wait_init(struct service *s)
{
	gate_init(&s->gate);
	s->gate.left = on_left;
	ev_timer_init(&s->timer, on_timer, 0., 0.);
	ev_timer_init(&s->limit, on_limit, 0., 0.);
}

void service_wait_fini(struct service *s)
{
	if (s->env->loop == NULL)
		return;
	ev_timer_stop(s->env->loop, &s->timer);
	ev_timer_stop(s->env->loop, &s->limit);
}
