/* service: composes settings, peers and gate, and keeps the scoreboard's line true. One timer
 * serves both reasons to act later: what must not happen within the call that told it (a look at
 * the directory after a refusal, a release when a connection is free), and the end of a back-off
 * that a request waits for. */
#include "service/service.h"

#include "base/log.h"
#include "base/mem.h"
#include "service/balance.h"
#include "service_internal.h"

#define LOOK_US 50000   /* a refusal leads to one look in this time */
#define RETRY_SEC 0.001 /* when a peer may be tried and yet nothing went out */

/* Where nothing is accounted. Nobody reads it. */
static struct board_service scratch;

static struct service *service_of(struct peer_home *h)
{
	return container_of(h, struct service, home);
}

/* ---- what is told ---- */

static void publish(struct service *s)
{
	struct board_service *b = s->home.board;
	const struct site *site = s->site;
	uint32_t n = 0, drains = 0;

	if (b == &scratch)
		return;
	board_write_begin(b);
	list_for_each (node, &s->home.current) {
		const struct peer *p = peer_of(node);
		if (peer_slot(p) == PEER_NO_SLOT)
			continue;
		peer_tell(p, &b->peers[peer_slot(p)]);
		n++;
	}
	list_for_each (node, &s->home.replaced) {
		if (peer_list_drain(peer_of(node), n + drains))
			peer_tell(peer_of(node), &b->peers[n + drains++]);
	}
	b->npeers = n;
	b->nreplaced = drains;
	b->pause_ino = site == NULL ? 0 : site->pause.ino;
	b->pause_ctime = site == NULL ? 0 : site->pause.ctime_ns;
	b->stop_ino = site == NULL ? 0 : site->stop.ino;
	b->stop_ctime = site == NULL ? 0 : site->stop.ctime_ns;
	b->ini_stamp = s->stamp;
	board_write_end(b);
}

static void news(const struct service *s)
{
	if (s->book != NULL && !s->book->closing && s->env->news != NULL)
		s->env->news(s->env->user, s->name);
}

static void tell_held(struct service *s)
{
	atomic_store_explicit(&s->home.board->held, s->held, memory_order_relaxed);
}

/* ---- waiting ---- */

static void arm(struct service *s)
{
	ev_tstamp delay = 0.;
	uint64_t now;

	if (s->env->loop == NULL)
		return;
	ev_timer_stop(s->env->loop, &s->timer);
	s->due = 0;
	if (!s->look_due && !s->hurry) {
		if (!gate_has_queue(&s->gate) || !balance_earliest(&s->home, &s->due))
			return;
		now = peer_clock();
		delay = s->due > now ? (ev_tstamp)(s->due - now) / 1e6 : RETRY_SEC;
	}
	ev_timer_set(&s->timer, delay, 0.);
	ev_timer_start(s->env->loop, &s->timer);
}

static void release(struct service *s)
{
	service_hold(s);
	if (gate_has_queue(&s->gate)) {
		gate_release(&s->gate);
		arm(s);
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
	release(s);
	service_drop(s);
}

static void on_left(struct gate *g)
{
	struct service *s = container_of(g, struct service, gate);

	s->held--;
	tell_held(s);
	if (s->env->board != NULL)
		board_hold_give(s->env->board, str_of(s->name));
	if (gate_has_queue(g))
		return;
	s->home.wanting = s->hurry = false;
	if (!s->look_due && s->env->loop != NULL)
		ev_timer_stop(s->env->loop, &s->timer);
}

bool service_is_open(const struct service *s)
{
	return gate_is_open(&s->gate);
}

bool service_wait(struct service *s, struct waiter *w)
{
	uint64_t ms = service_settings(s)->socket_timeout;
	uint64_t limit = service_settings(s)->max_held;

	if (waiter_waits(w))
		return true;
	if (s->removed || s->held >= limit)
		return false;
	if (s->env->board != NULL && !board_hold_take(s->env->board, str_of(s->name), limit))
		return false;
	s->held++;
	tell_held(s);
	gate_push(&s->gate, w, s->env->timers, ms);
	s->home.wanting = true;
	if (!ev_is_active(&s->timer))
		arm(s);
	return true;
}

void service_unwait(struct service *s, struct waiter *w)
{
	(void)s;
	gate_leave(w);
}

enum service_door service_door(const struct service *s)
{
	(void)s;
	return DOOR_OPEN;
}

struct str service_stop_message(const struct service *s)
{
	(void)s;
	return STR("");
}

struct str service_error_page(struct service *s, int status)
{
	(void)s;
	(void)status;
	return STR("");
}

bool service_has_rollout(const struct service *s)
{
	(void)s;
	return false;
}

bool service_in_rollout(const struct service *s, struct str value)
{
	(void)s;
	(void)value;
	return false;
}

void service_give_up(struct service *s)
{
	(void)s;
}

struct peer *service_pick(struct service *s, bool canary)
{
	(void)canary;
	return balance_pick(&s->home);
}

/* ---- what peers tell ---- */

static void on_peer_changed(struct peer_home *h)
{
	publish(service_of(h));
	news(service_of(h));
}

static void on_peer_refused(struct peer_home *h)
{
	struct service *s = service_of(h);
	uint64_t now = peer_clock();

	if (s->env->look == NULL || s->removed || now - s->looked_at < LOOK_US)
		return;
	s->looked_at = now;
	s->look_due = true;
	arm(s);
}

static void on_parked(struct peer_home *h)
{
	struct service *s = service_of(h);

	if (s->hurry)
		return;
	s->hurry = true;
	arm(s);
}

static void on_emptied(struct peer_home *h)
{
	news(service_of(h));
}

static void on_unused(struct peer_home *h)
{
	struct service *s = service_of(h);

	list_remove(&s->removed_node);
	if (s->env->loop != NULL)
		ev_timer_stop(s->env->loop, &s->timer);
	if (s->home.board != &scratch)
		board_service_release(s->home.board);
	claims_free(s->claims);
	service_free_settings(s);
	mem_free(s->error);
	mem_free(s);
}

static const struct peer_home_ops home_ops = {
	.changed = on_peer_changed,
	.refused = on_peer_refused,
	.parked = on_parked,
	.emptied = on_emptied,
	.unused = on_unused,
};

/* ---- life ---- */

void service_book_init(struct service_book *b, const struct service_env *env)
{
	*b = (struct service_book){.env = env, .routes = routes_new()};
	list_init(&b->touched);
	list_init(&b->removed);
}

void service_book_fini(struct service_book *b)
{
	struct list *node;

	while ((node = list_pop_front(&b->removed)) != NULL)
		container_of(node, struct service, removed_node)->book = NULL;
	routes_free(b->routes);
}

static struct board_service *board_line(const struct service *s)
{
	struct board_service *b;

	if (s->env->region == NULL)
		return &scratch;
	b = board_service_claim(s->env->region, str_of(s->name));
	if (b == NULL)
		log_warn("%s: no room in the scoreboard: its status will not be complete", s->name);
	return b == NULL ? &scratch : b;
}

static struct service *find_removed(struct service_book *b, const char *name)
{
	list_for_each (node, &b->removed) {
		struct service *s = container_of(node, struct service, removed_node);
		if (strcmp(s->name, name) == 0)
			return s;
	}
	return NULL;
}

static void home_init(struct service *s)
{
	struct peer_home *h = &s->home;

	h->ops = &home_ops;
	h->loop = s->env->loop;
	h->timers = s->env->timers;
	h->name = s->name;
	h->max_idle = s->env->settings->proxy.max_idle_upstream;
	h->drain_ms = s->env->settings->service.drain_timeout;
	list_init(&h->current);
	list_init(&h->replaced);
	h->board = board_line(s);
}

struct service *service_new(struct service_book *b, struct site *site)
{
	struct service *s = find_removed(b, site->name);
	size_t size = strlen(site->name) + 1;

	if (s != NULL) {
		list_remove(&s->removed_node);
		s->removed = false;
		service_hold(s);
		return s;
	}
	s = mem_zero(sizeof(*s) + size);
	memcpy(s->name, site->name, size);
	s->env = b->env;
	s->book = b;
	list_init(&s->removed_node);
	gate_init(&s->gate);
	s->gate.left = on_left;
	ev_timer_init(&s->timer, on_timer, 0., 0.);
	home_init(s);
	s->claims = claims_new(s);
	service_hold(s);
	return s;
}

void service_update(struct service *s, struct site *site, unsigned what,
		    const struct service *elder)
{
	bool tell = (what & (TREE_NEW | TREE_SETTINGS | TREE_STATE)) != 0;

	service_hold(s);
	s->site = site;
	s->home.dir = site->path;
	if ((what & (TREE_NEW | TREE_SETTINGS)) != 0)
		service_read_settings(s, elder);
	if ((what & (TREE_NEW | TREE_SOCKETS)) != 0 &&
	    balance_update(&s->home, site->sockets, site->nsockets))
		tell = true;
	balance_forget(&s->home);
	publish(s);
	if (tell)
		news(s);
	release(s);
	service_drop(s);
}

void service_remove(struct service *s)
{
	s->removed = true;
	s->site = NULL;
	s->home.dir = NULL;
	s->look_due = false;
	claims_drop(s->claims);
	claims_settle(s->book);
	balance_update(&s->home, NULL, 0);
	publish(s);
	news(s);
	list_push_back(&s->book->removed, &s->removed_node);
	release(s);
	service_drop(s);
}

void service_hold(struct service *s)
{
	peer_home_hold(&s->home);
}

void service_drop(struct service *s)
{
	peer_home_drop(&s->home);
}

/* ---- what can be asked ---- */

const char *service_name(const struct service *s)
{
	return s->name;
}

const struct service_settings *service_settings(const struct service *s)
{
	return s->settings == NULL ? &s->env->settings->service : s->settings;
}

struct board_service *service_board(struct service *s)
{
	return s->home.board;
}

bool service_is_removed(const struct service *s)
{
	return s->removed;
}
