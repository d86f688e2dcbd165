/* The life of the workers as the master sees it: ready, silent, dead, replaced, retired. */
#include "run/crew.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "crew_internal.h"

#define WATCH_EVERY 0.005 /* seconds, while anybody starts */
#define GROW_PATIENCE 10.0
#define SILENT_MS 10000
#define STOPPED_AFTER 3.0 /* a tick this late: the machine or we were stopped */
#define DRAIN_EXTRA 2.0   /* beyond shutdown_timeout */
#define YOUNG 1.0         /* dead within this: back off */
#define BACKOFF_FIRST_MS 100
#define BACKOFF_MOST_MS 5000

static void take_over(struct crew *c)
{
	struct estate *e = c->estate;
	for (size_t i = 0; i < e->nworkers; i++) {
		const struct estate_worker *w = &e->workers[i];
		if (w->region >= CREW_REGIONS || w->pid <= 0)
			continue;
		struct hand *h = &c->hand[w->region];
		*h = (struct hand){
			.pid = (pid_t)w->pid,
			.slot = w->slot,
			.generation = w->generation,
			.foreign = e->board_fd != board_fd(e->board),
		};
		hand_enter(c, h, w->retiring ? HAND_RETIRING : HAND_SERVING);
		if (!w->retiring)
			c->generation = w->generation;
	}
	if (e->board_fd != board_fd(e->board)) {
		close(e->board_fd);
		e->board_fd = board_fd(e->board);
	}
}

static void wait_longer(struct crew *c, unsigned slot)
{
	struct berth *b = &c->berth[slot];
	b->backoff_ms = b->backoff_ms == 0 ? BACKOFF_FIRST_MS : b->backoff_ms * 2;
	if (b->backoff_ms > BACKOFF_MOST_MS)
		b->backoff_ms = BACKOFF_MOST_MS;
	log_warn("worker slot %u: next try in %u ms", slot, b->backoff_ms);
	ev_timer_set(&b->timer, b->backoff_ms / 1000.0, 0);
	ev_timer_start(c->loop, &b->timer);
}

static void refill(struct berth *b)
{
	struct crew *c = b->crew;
	if (c->stopping || c->growing != 0)
		return; /* a generation that grows is filled by watch() */
	if (crew_fork(c, b->slot, c->generation) < 0) {
		wait_longer(c, b->slot);
		return;
	}
	crew_assign(c);
	c->events->changed(c->user);
}

static void refill_later(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop;
	(void)revents;
	refill(w->data);
}

/* Retires everybody who is not of the generation that serves now. */
static void retire_others(struct crew *c)
{
	for (unsigned i = 0; i < CREW_REGIONS; i++) {
		struct hand *h = &c->hand[i];
		if (h->state != HAND_SERVING && h->state != HAND_STARTING)
			continue;
		if (h->generation == c->generation)
			continue;
		hand_enter(c, h, HAND_RETIRING);
		kill(h->pid, SIGHUP);
	}
}

static void grown(struct crew *c)
{
	c->generation = c->growing;
	c->growing = 0;
	atomic_store(&board_master(c->estate->board)->generation, c->generation);
	crew_assign(c);
	retire_others(c);
	c->events->changed(c->user);
	c->events->grown(c->user, true);
}

static bool others_serve(const struct crew *c)
{
	for (unsigned i = 0; i < CREW_REGIONS; i++) {
		if (c->hand[i].state == HAND_SERVING && c->hand[i].generation != c->growing)
			return true;
	}
	return false;
}

static void give_up(struct crew *c, const char *why)
{
	log_error("the new workers are not taking over: %s; the old ones serve on", why);
	for (unsigned i = 0; i < CREW_REGIONS; i++) {
		struct hand *h = &c->hand[i];
		if (h->state == HAND_NONE || h->state == HAND_RETIRING ||
		    h->generation != c->growing)
			continue;
		h->ended = true;
		hand_enter(c, h, HAND_RETIRING);
		kill(h->pid, SIGKILL);
	}
	c->growing = 0;
	c->events->grown(c->user, false);
}

/* Any slot of the growing generation that has nobody: its fork failed, or found no region. */
static bool fill_growing(struct crew *c)
{
	bool have[BOARD_SLOTS] = {false}, ready = true;
	for (unsigned i = 0; i < CREW_REGIONS; i++) {
		const struct hand *h = &c->hand[i];
		if (h->generation != c->growing ||
		    (h->state != HAND_STARTING && h->state != HAND_SERVING))
			continue;
		have[h->slot] = true;
		ready = ready && h->state == HAND_SERVING;
	}
	for (unsigned slot = 0; slot < c->settings->proxy.worker_count; slot++) {
		if (have[slot])
			continue;
		ready = false;
		if (!ev_is_active(&c->berth[slot].timer) && crew_fork(c, slot, c->growing) < 0)
			wait_longer(c, slot);
	}
	return ready;
}

static void watch(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct crew *c = w->data;
	bool starting = false, came = false;
	(void)revents;
	for (unsigned i = 0; i < CREW_REGIONS; i++) {
		struct hand *h = &c->hand[i];
		if (h->state != HAND_STARTING)
			continue;
		if (atomic_load(&hand_board(c, h)->ready) == 0) {
			starting = true;
			continue;
		}
		hand_enter(c, h, HAND_SERVING);
		came = true;
	}
	if (came && !c->stopping) {
		crew_assign(c);
		c->events->changed(c->user);
	}
	if (c->growing != 0 && !c->stopping) {
		if (fill_growing(c))
			grown(c);
		else if (ev_now(loop) - c->growing_since > GROW_PATIENCE && others_serve(c))
			give_up(c, "not ready within 10 s");
	}
	if (!starting && c->growing == 0)
		ev_timer_stop(loop, w);
}

void crew_init(struct crew *c, struct ev_loop *loop, const struct settings *settings,
	       struct estate *estate, const struct crew_events *events, void *user)
{
	*c = (struct crew){
		.loop = loop,
		.settings = settings,
		.estate = estate,
		.events = events,
		.user = user,
	};
	ev_timer_init(&c->watch, watch, WATCH_EVERY, WATCH_EVERY);
	c->watch.data = c;
	for (unsigned slot = 0; slot < BOARD_SLOTS; slot++) {
		struct berth *b = &c->berth[slot];
		b->crew = c;
		b->slot = slot;
		ev_timer_init(&b->timer, refill_later, 0, 0);
		b->timer.data = b;
	}
	c->last_tick = ev_now(loop);
	take_over(c);
}

void crew_grow(struct crew *c)
{
	c->growing = ++c->estate->generation;
	c->growing_since = ev_now(c->loop);
	for (unsigned slot = 0; slot < BOARD_SLOTS; slot++)
		ev_timer_stop(c->loop, &c->berth[slot].timer);
	fill_growing(c);
	crew_assign(c); /* the first ones begin as soon as they can */
	ev_timer_again(c->loop, &c->watch);
	c->events->changed(c->user);
}

static void say_death(const struct hand *h, int status)
{
	char how[64];
	if (WIFSIGNALED(status))
		snprintf(how, sizeof(how), "killed by signal %d%s", WTERMSIG(status),
			 WCOREDUMP(status) ? ", core dumped" : "");
	else
		snprintf(how, sizeof(how), "exit code %d", WEXITSTATUS(status));
	bool asked = h->state == HAND_RETIRING;
	log_at(asked ? LOG_INFO : LOG_ERROR, "worker %u.%u (pid %d) %s: %s", h->generation, h->slot,
	       (int)h->pid, asked ? "has drained" : "died", how);
}

static void replace(struct crew *c, unsigned slot, double age)
{
	struct berth *b = &c->berth[slot];
	if (slot >= c->settings->proxy.worker_count)
		return;
	if (age >= YOUNG) {
		b->backoff_ms = 0;
		refill(b);
		return;
	}
	wait_longer(c, slot);
}

static void bury(struct crew *c, struct hand *h, int status)
{
	struct hand dead = *h;
	unsigned region = hand_region(c, h);
	/* Since it was ready: a slow start is no early death. */
	double age = dead.state == HAND_STARTING ? 0 : ev_now(c->loop) - dead.since;
	if (!c->stopping || dead.state != HAND_RETIRING)
		say_death(&dead, status);
	if (!dead.foreign) {
		c->events->died(c->user, region);
		board_region_clear(c->estate->board, region);
	}
	*h = (struct hand){0};
	if (c->stopping)
		return;
	crew_assign(c);
	c->events->changed(c->user);
	if (dead.state == HAND_RETIRING)
		return;
	if (dead.generation == c->growing) {
		if (others_serve(c))
			give_up(c, "one of them died");
		else /* nobody to fall back on: try on, but not in a rush */
			wait_longer(c, dead.slot);
	} else if (dead.generation == c->generation && c->growing == 0) {
		replace(c, dead.slot, age);
	}
}

void crew_reap(struct crew *c, void (*other)(void *user, pid_t pid, int status))
{
	int status;
	pid_t pid;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		struct hand *h = NULL;
		for (unsigned i = 0; i < CREW_REGIONS && h == NULL; i++) {
			if (c->hand[i].state != HAND_NONE && c->hand[i].pid == pid)
				h = &c->hand[i];
		}
		if (h != NULL)
			bury(c, h, status);
		else if (other != NULL)
			other(c->user, pid, status);
	}
	if (c->stopping && crew_size(c) == 0)
		c->events->empty(c->user);
}

static bool is_silent(struct crew *c, const struct hand *h)
{
	struct timespec ts;
	if (h->foreign || h->ended || ev_now(c->loop) < c->lenient_until)
		return false;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	uint64_t now = (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
	uint64_t beat = atomic_load(&hand_board(c, h)->heartbeat);
	return now > beat && now - beat > SILENT_MS;
}

static bool is_overdue(const struct crew *c, const struct hand *h)
{
	double limit = (double)c->settings->proxy.shutdown_timeout / 1000.0 + DRAIN_EXTRA;
	return h->state == HAND_RETIRING && ev_now(c->loop) - h->since > limit;
}

void crew_tick(struct crew *c)
{
	ev_tstamp now = ev_now(c->loop);
	/* After a stop of ours nobody's heartbeat says anything for a while. */
	if (now - c->last_tick > STOPPED_AFTER)
		c->lenient_until = now + SILENT_MS / 1000.0;
	c->last_tick = now;
	for (unsigned i = 0; i < CREW_REGIONS; i++) {
		struct hand *h = &c->hand[i];
		if (h->state == HAND_NONE)
			continue;
		if (is_silent(c, h))
			log_error("worker %u.%u (pid %d) has been silent for 10 s: killed",
				  h->generation, h->slot, (int)h->pid);
		else if (is_overdue(c, h))
			log_warn("worker %u.%u (pid %d) did not end in time: killed", h->generation,
				 h->slot, (int)h->pid);
		else
			continue;
		h->ended = true;
		kill(h->pid, SIGKILL);
	}
}

void crew_signal(struct crew *c, int sig)
{
	for (unsigned i = 0; i < CREW_REGIONS; i++) {
		if (c->hand[i].state != HAND_NONE)
			kill(c->hand[i].pid, sig);
	}
}

void crew_stop(struct crew *c)
{
	c->stopping = true;
	c->growing = 0;
	for (unsigned i = 0; i < CREW_REGIONS; i++) {
		struct hand *h = &c->hand[i];
		if (h->state != HAND_NONE)
			hand_enter(c, h, HAND_RETIRING);
	}
	crew_signal(c, SIGTERM);
	for (unsigned slot = 0; slot < BOARD_SLOTS; slot++)
		ev_timer_stop(c->loop, &c->berth[slot].timer);
	if (crew_size(c) == 0)
		c->events->empty(c->user);
}

unsigned crew_size(const struct crew *c)
{
	unsigned n = 0;
	for (unsigned i = 0; i < CREW_REGIONS; i++)
		n += c->hand[i].state != HAND_NONE;
	return n;
}

bool crew_has_foreign(const struct crew *c)
{
	for (unsigned i = 0; i < CREW_REGIONS; i++) {
		if (c->hand[i].state != HAND_NONE && c->hand[i].foreign)
			return true;
	}
	return false;
}

void crew_leave(struct crew *c)
{
	struct estate *e = c->estate;
	e->workers = mem_grow(e->workers, CREW_REGIONS * sizeof(*e->workers));
	e->nworkers = 0;
	for (unsigned i = 0; i < CREW_REGIONS; i++) {
		const struct hand *h = &c->hand[i];
		if (h->state == HAND_NONE)
			continue;
		e->workers[e->nworkers++] = (struct estate_worker){
			.pid = h->pid,
			.region = i,
			.slot = h->slot,
			.generation = h->generation,
			.retiring = h->state == HAND_RETIRING,
		};
	}
}

void crew_fini(struct crew *c)
{
	ev_timer_stop(c->loop, &c->watch);
	for (unsigned slot = 0; slot < BOARD_SLOTS; slot++)
		ev_timer_stop(c->loop, &c->berth[slot].timer);
}
