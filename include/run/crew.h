/* crew: the worker processes. Forks them, replaces the dead and the silent, keeps every
 * listener slot with a live worker, and brings in a new generation before the old one goes.
 *
 * STARTING (forked, scanning) → SERVING (accepts for its slots) → RETIRING (drains) → gone. */
#ifndef KP_RUN_CREW_H
#define KP_RUN_CREW_H

#include <ev.h>
#include <stdbool.h>
#include <sys/types.h>

#include "run/estate.h"
#include "service/registry.h"

#define CREW_REGIONS (BOARD_REGIONS - 1) /* the last one holds totals of the dead */

enum hand_state { HAND_NONE, HAND_STARTING, HAND_SERVING, HAND_RETIRING };

/* One worker; its index is its region. */
struct hand {
	pid_t pid;
	enum hand_state state;
	unsigned slot, generation;
	ev_tstamp since; /* of the state */
	bool foreign;    /* uses the scoreboard of a predecessor, which we cannot read */
	bool ended;      /* told to end before its time; not silent, not to be replaced */
};

/* A slot's way back after deaths. */
struct berth {
	struct crew *crew;
	unsigned slot;
	unsigned backoff_ms;
	ev_timer timer;
};

struct crew_events {
	/* In the forked child: let go of what belongs to the master's loop. Signals are blocked. */
	void (*child)(void *user);
	/* A worker is dead; its region is still there. */
	void (*died)(void *user, unsigned region);
	/* Someone came or went (regions as they are now). */
	void (*changed)(void *user);
	/* The generation that was begun serves (true), or was given up (false). */
	void (*grown)(void *user, bool serving);
	/* After crew_stop: nobody is left. */
	void (*empty)(void *user);
};

struct crew {
	struct ev_loop *loop;
	const struct settings *settings;
	struct estate *estate;
	const struct registry *elder;
	const struct crew_events *events;
	void *user;
	struct hand hand[CREW_REGIONS];
	struct berth berth[BOARD_SLOTS];
	unsigned generation; /* the one that serves */
	unsigned growing;    /* the one that is being started; 0: none */
	ev_tstamp growing_since;
	ev_timer watch; /* while anybody starts */
	ev_tstamp last_tick, lenient_until;
	bool stopping;
};

/* Takes over the estate's workers, if there are any. Everything is kept by pointer. */
void crew_init(struct crew *c, struct ev_loop *loop, const struct settings *settings,
	       struct estate *estate, const struct crew_events *events, void *user);
/* Starts a generation of settings->proxy.worker_count workers; it takes the slots when all are
   ready, then the others retire. grown() tells; one that is not ready in 10 s is given up if
   others serve. */
void crew_grow(struct crew *c);
/* After SIGCHLD. A pid that is no worker's goes to other(), which may be NULL. */
void crew_reap(struct crew *c, void (*other)(void *user, pid_t pid, int status));
/* Once a second: the silent and the overdue. */
void crew_tick(struct crew *c);
/* Sends a signal to all. */
void crew_signal(struct crew *c, int sig);
/* SIGTERM to all; nobody is replaced any more. */
void crew_stop(struct crew *c);
unsigned crew_size(const struct crew *c);
/* Is any of them foreign? */
bool crew_has_foreign(const struct crew *c);
/* Writes who is alive into the estate, for a successor. */
void crew_leave(struct crew *c);
void crew_fini(struct crew *c);

#endif
