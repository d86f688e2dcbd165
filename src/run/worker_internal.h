/* worker, seen from inside its files: worker.c (composition, signals, life) and worker_doors.c (accepting). */
#ifndef KP_RUN_WORKER_INTERNAL_H
#define KP_RUN_WORKER_INTERNAL_H

#include "base/timer.h"
#include "files/tree.h"
#include "net/listener.h"
#include "proxy/proxy.h"
#include "run/worker.h"

struct door {
	struct listener listener;
	struct worker *worker;
	const struct listen_socket *socket;
	unsigned port;
};

enum life { LIFE_SERVING, LIFE_RETIRING, LIFE_ENDING };

struct worker {
	const struct worker_args *args;
	struct proxy proxy;
	struct service_env env;
	struct tree *tree;
	struct board_worker *line; /* in the scoreboard */
	struct door *doors;
	ev_io signals, life;
	ev_timer heartbeat, orphan, end;
	ev_prepare turn;
	int signal_fd;
	enum life state;
	bool gave_up; /* the held ones have been answered */
	uint64_t accepted;
	uint64_t dropped; /* lines of the access log, as last said */
};

/* worker_doors.c: makes them; listens at those that are ours now, and at no others; accepts what has queued and
   closes them for good. */
void worker_make_doors(struct worker *w);
void worker_tend_doors(struct worker *w);
void worker_close_doors(struct worker *w);

#endif
