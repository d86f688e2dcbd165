/* scoreboard: shared memory in which each worker tells what only it knows, and the master what all
 * must know. One memfd, inherited by fork and handed on at an upgrade. A region has a single
 * writer; plain relaxed stores, a sequence number round what must be read together. Limits over all
 * workers are atomic counters in the master's part. A worker's region is found by (slot, generation
 * of workers); the master folds its totals into its own and clears it once the worker is dead. */
#ifndef KP_FILES_SCOREBOARD_H
#define KP_FILES_SCOREBOARD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

#define BOARD_REGIONS 64     /* workers alive at once, retiring ones included */
#define BOARD_SERVICES 16384 /* services a worker can tell about */
#define BOARD_PEERS 32
#define BOARD_SLOTS 16 /* workers of one generation = listener slots */
#define BOARD_NAME 64

/* What a worker knows of one instance it uses or still drains. */
enum board_peer_state { PEER_UNTRIED, PEER_READY, PEER_REFUSED, PEER_DENIED };
struct board_peer {
	uint64_t dev, ino;
	uint32_t in_flight;
	uint8_t state; /* enum board_peer_state */
};

/* The totals a worker only ever raises; a dead worker's are folded into the master's. */
#define BOARD_TOTALS(X)                                                                            \
	X(requests) X(errors) X(cut_off) X(retries) X(connects) X(reused) X(bytes_in) X(bytes_out)

struct board_service {
	char name[BOARD_NAME]; /* set once, before `used` */
	_Atomic uint32_t used; /* 1: in use; 2: the worker has dropped the service */
	_Atomic uint32_t seq;  /* odd while peers/pause/stop are being written */
	uint32_t npeers;       /* current ones */
	uint32_t nreplaced;    /* behind them: replaced ones that still had requests */
	struct board_peer peers[BOARD_PEERS];
	uint64_t pause_ino, stop_ino;
	int64_t pause_ctime, stop_ctime;
	uint64_t ini_stamp;         /* which settings are in force: hash of the files' ids */
	_Atomic uint32_t in_flight; /* on current sockets */
	_Atomic uint32_t draining;  /* on replaced ones */
	_Atomic uint32_t tunnels;
	_Atomic uint32_t held;
#define X(name) _Atomic uint64_t name;
	BOARD_TOTALS(X)
#undef X
};

/* A worker's own line. */
struct board_worker {
	_Atomic uint32_t pid; /* 0: region free */
	_Atomic uint32_t slot, generation;
	_Atomic uint64_t heartbeat; /* monotonic ms, written twice a second */
	_Atomic uint32_t ready;     /* 1: scanned and accepting; 2: retiring */
	_Atomic uint32_t news_lost; /* the pipe of news was full: look at everything */
	_Atomic uint64_t connections, accepted, log_dropped, overflows;
};

struct board;        /* the whole */
struct board_region; /* one worker's part */

struct board *board_new(void);      /* aborts the start with NULL + errno */
struct board *board_attach(int fd); /* after an upgrade; NULL when it is of another layout */
int board_fd(const struct board *b);
void board_free(struct board *b);

struct board_region *board_region(struct board *b, unsigned index); /* index < BOARD_REGIONS */
struct board_worker *board_worker(struct board_region *r);
/* The master: forget everything in it (its memory goes back to the system). */
void board_region_clear(struct board *b, unsigned index);

/* Find or make the entry of a service in a region (single writer: the region's worker). NULL when
   full. */
struct board_service *board_service_claim(struct board_region *r, struct str name);
/* Readers: NULL when that worker does not know the service (or has dropped it). */
struct board_service *board_service_find(struct board_region *r, struct str name);
/* Dropped: once nothing counts in it any more; its totals stay until cleared or reused. */
void board_service_release(struct board_service *s);

void board_write_begin(struct board_service *s);
void board_write_end(struct board_service *s);
/* A consistent copy of the seq-protected part (and the rest as is); false if it kept changing. */
bool board_service_read(const struct board_service *s, struct board_service *copy);

/* The master's part. */
struct board_master {
	/* Region index + 1 of the worker that accepts for a slot. */
	_Atomic uint32_t owner[BOARD_SLOTS];
	_Atomic uint32_t generation; /* of workers */
	uint32_t crew; /* all workers that use this memory: a number that no other has */
};
struct board_master *board_master(struct board *b);

/* Requests of a service held over all workers (max_held): one atomic counter a name hash. Takes a
   place if fewer than `limit` are taken. */
bool board_hold_take(struct board *b, struct str service, uint64_t limit);
void board_hold_give(struct board *b, struct str service);

#define board_raise(counter, n)                                                                    \
	atomic_store_explicit(&(counter),                                                          \
			      atomic_load_explicit(&(counter), memory_order_relaxed) + (n),        \
			      memory_order_relaxed)
#define board_lower(counter, n)                                                                    \
	atomic_store_explicit(&(counter),                                                          \
			      atomic_load_explicit(&(counter), memory_order_relaxed) - (n),        \
			      memory_order_relaxed)

#endif
