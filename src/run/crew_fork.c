/* Forking a worker, and the table that says which worker accepts for which slot. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "crew_internal.h"
#include "run/worker.h"

static uint64_t monotonic_ms(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

unsigned hand_region(const struct crew *c, const struct hand *h)
{
	return (unsigned)(h - c->hand);
}

struct board_worker *hand_board(struct crew *c, const struct hand *h)
{
	return board_worker(board_region(c->estate->board, hand_region(c, h)));
}

void hand_enter(struct crew *c, struct hand *h, enum hand_state state)
{
	h->state = state;
	h->since = ev_now(c->loop);
}

static int by_number(const void *a, const void *b)
{
	int x = *(const int *)a, y = *(const int *)b;
	return (x > y) - (x < y);
}

/* Whatever the master has open and a worker has no business with: its lock, its end of the life
   pipe, its loop and watches. They may be many and belong to rooms below, so it is all but what
   is named. */
static void close_others(const struct estate *e)
{
	size_t n = 0;
	int *keep = mem_alloc((e->nlisteners + 9) * sizeof(int));
	for (size_t i = 0; i < e->nlisteners; i++)
		keep[n++] = e->listeners[i].fd;
	const int own[] = {0,          1,         2,           e->life[0],
			   e->news[1], e->log_fd, e->board_fd, tls_tickets_fd(e->tickets)};
	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
		if (own[i] >= 0)
			keep[n++] = own[i];
	}
	qsort(keep, n, sizeof(int), by_number);
	for (size_t i = 0; i + 1 < n; i++) {
		if (keep[i + 1] - keep[i] > 1)
			close_range((unsigned)keep[i] + 1, (unsigned)keep[i + 1] - 1, 0);
	}
	close_range((unsigned)keep[n - 1] + 1, ~0U, 0);
	mem_free(keep);
}

static void child(struct crew *c, struct hand *h)
{
	struct estate *e = c->estate;
	atomic_store(&hand_board(c, h)->pid, (uint32_t)getpid());
	c->events->child(c->user);
	/* Ctrl-C reaches the whole foreground group; a worker ends when the master says so. */
	signal(SIGINT, SIG_IGN);
	/* From here on only what the worker waits for is held back until it is ready for it. */
	sigset_t held;
	sigemptyset(&held);
	sigaddset(&held, SIGTERM);
	sigaddset(&held, SIGHUP);
	sigaddset(&held, SIGUSR1);
	sigaddset(&held, SIGUSR2);
	sigprocmask(SIG_SETMASK, &held, NULL);
	close_others(e);
	const struct worker_args args = {
		.settings = c->settings,
		.board = e->board,
		.region = hand_region(c, h),
		.slot = h->slot,
		.generation = h->generation,
		.listeners = e->listeners,
		.nlisteners = e->nlisteners,
		.news_fd = e->news[1],
		.life_fd = e->life[0],
		.log_fd = e->log_fd,
		.tickets = e->tickets,
		.elder = c->elder,
	};
	_exit(worker_run(&args));
}

/* A region nobody uses; when there is none, whoever has retired longest has to hurry. */
static struct hand *free_hand(struct crew *c)
{
	struct hand *longest = NULL;
	for (unsigned i = 0; i < CREW_REGIONS; i++) {
		struct hand *h = &c->hand[i];
		if (h->state == HAND_NONE)
			return h;
		if (h->state == HAND_RETIRING && (longest == NULL || h->since < longest->since))
			longest = h;
	}
	/* Idle clients are hung up on then; what is in flight still has its time. */
	if (longest != NULL && !longest->ended) {
		longest->ended = true;
		log_warn("worker %u.%u (pid %d) must end early: too many generations are draining",
			 longest->generation, longest->slot, (int)longest->pid);
		kill(longest->pid, SIGTERM);
	}
	return NULL;
}

static void mark(struct crew *c, const struct hand *h)
{
	struct board_worker *w = hand_board(c, h);
	atomic_store(&w->slot, h->slot);
	atomic_store(&w->generation, h->generation);
	atomic_store(&w->ready, 0);
	atomic_store(&w->heartbeat, monotonic_ms());
}

int crew_fork(struct crew *c, unsigned slot, unsigned generation)
{
	sigset_t all, before;
	struct hand *h = free_hand(c);
	if (h == NULL)
		return -1;
	*h = (struct hand){.slot = slot, .generation = generation};
	mark(c, h);
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	pid_t pid = fork();
	if (pid == 0)
		child(c, h);
	sigprocmask(SIG_SETMASK, &before, NULL);
	if (pid < 0) {
		log_error("cannot start a worker: %s; trying again", strerror(errno));
		return -1;
	}
	h->pid = pid;
	atomic_store(&hand_board(c, h)->pid, (uint32_t)pid);
	hand_enter(c, h, HAND_STARTING);
	ev_timer_again(c->loop, &c->watch);
	return (int)hand_region(c, h);
}

static struct hand *find_hand(struct crew *c, enum hand_state state, unsigned generation,
			      unsigned slot)
{
	for (unsigned i = 0; i < CREW_REGIONS; i++) {
		struct hand *h = &c->hand[i];
		if (h->state == state && !h->foreign && h->generation == generation &&
		    h->slot == slot)
			return h;
	}
	return NULL;
}

/* Whoever may stand in: a serving worker of this generation (0: of any). Another one for each
   slot. */
static struct hand *stand_in(struct crew *c, unsigned generation, unsigned slot)
{
	for (unsigned i = 0; i < CREW_REGIONS; i++) {
		struct hand *h = &c->hand[(i + slot) % CREW_REGIONS];
		if (h->state == HAND_SERVING && !h->foreign &&
		    (generation == 0 || h->generation == generation))
			return h;
	}
	return NULL;
}

static struct hand *best_owner(struct crew *c, unsigned slot)
{
	unsigned own = slot % c->settings->proxy.worker_count;
	struct hand *h = find_hand(c, HAND_SERVING, c->generation, own);
	if (h == NULL)
		h = stand_in(c, c->generation, slot);
	if (h == NULL)
		h = stand_in(c, 0, slot);
	if (h == NULL)
		h = find_hand(c, HAND_STARTING, c->growing != 0 ? c->growing : c->generation, own);
	return h;
}

static void tell_owner(struct crew *c, uint32_t owner)
{
	if (owner != 0 && owner <= CREW_REGIONS && c->hand[owner - 1].state != HAND_NONE &&
	    c->hand[owner - 1].pid > 0)
		kill(c->hand[owner - 1].pid, SIGUSR2);
}

void crew_assign(struct crew *c)
{
	struct board_master *m = board_master(c->estate->board);
	uint32_t before[BOARD_SLOTS];
	for (unsigned slot = 0; slot < c->estate->slots; slot++) {
		const struct hand *h = best_owner(c, slot);
		before[slot] = atomic_load(&m->owner[slot]);
		atomic_store(&m->owner[slot], h == NULL ? 0 : hand_region(c, h) + 1);
	}
	/* First those who take, then those who let go: a slot is never without. */
	for (unsigned slot = 0; slot < c->estate->slots; slot++) {
		if (before[slot] != atomic_load(&m->owner[slot]))
			tell_owner(c, atomic_load(&m->owner[slot]));
	}
	for (unsigned slot = 0; slot < c->estate->slots; slot++) {
		if (before[slot] != atomic_load(&m->owner[slot]))
			tell_owner(c, before[slot]);
	}
}
