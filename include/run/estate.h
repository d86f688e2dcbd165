/* estate: what a master leaves to its successor, which is executed in its place (same pid):
 * listeners, lock, scoreboard, pipes, log, and the workers that serve. Written into a memfd
 * whose number stands in the environment, as text: two versions must be able to read it. */
#ifndef KP_RUN_ESTATE_H
#define KP_RUN_ESTATE_H

#include <stdbool.h>
#include <stddef.h>

#include "files/scoreboard.h"
#include "run/worker.h"

#define ESTATE_ENV "KAMAL_PROXY_HANDOVER"

struct estate_worker {
	long pid;
	unsigned region, slot, generation;
	bool retiring;
};

/* The read end of a `pause` or `stop` that is a FIFO. */
struct estate_lease {
	int fd;
	bool stop; /* else pause */
	char service[BOARD_NAME];
	int64_t since_ms; /* monotonic: when it was opened */
};

struct estate {
	struct listen_socket *listeners;
	size_t nlisteners;
	unsigned slots;      /* listeners of one address */
	unsigned generation; /* of workers, the newest one started */
	struct board *board;
	int board_fd;                /* what it was attached from; −1: made by us */
	struct tls_tickets *tickets; /* keys for sessions; attached when read */
	int lock_fd;
	int life[2]; /* read end for workers, write end the master's: its end is the master's end */
	int news[2]; /* likewise the other way: read end the master's */
	int log_fd;  /* −1: off */
	char *log_path;                /* access_log that log_fd was opened for */
	struct estate_worker *workers; /* read from a predecessor */
	size_t nworkers;
	struct estate_lease *leases; /* likewise */
	size_t nleases;
};

/* A memfd that outlives exec, holding it; every descriptor in it outlives exec too. −1 with
   errno. */
int estate_write(const struct estate *e);
/* After an exec that failed: none of them does any more. */
void estate_keep(const struct estate *e);
/* From the descriptor, which is closed. False when it is not understood. The board is not
   attached. */
bool estate_read(int fd, struct estate *e);
void estate_free(struct estate *e); /* memory only */

#endif
