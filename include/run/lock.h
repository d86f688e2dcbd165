/* lock: who runs. The master holds an OFD write lock on the first byte of <runtime_dir>/lock for as
 * long as it lives; its descriptor is in no other process. The file holds its pid, and nothing once
 * it has ended in order. Its workers hold a read lock each on a byte further on that is their
 * crew's: a later master learns from it whether workers of a dead one still serve. */
#ifndef KP_RUN_LOCK_H
#define KP_RUN_LOCK_H

#include <stdbool.h>
#include <stdint.h>

struct lock {
	int fd;
	bool orphans; /* the last holder did not end in order: its workers may still serve */
};

enum lock_result { LOCK_TAKEN, LOCK_HELD, LOCK_ERROR };

/* LOCK_HELD: *holder is the pid in the file (0: unknown). LOCK_ERROR: errno. The file keeps what it
   holds until lock_sign. */
enum lock_result lock_take(const char *runtime_dir, struct lock *l, long *holder);
/* Writes our pid. */
void lock_sign(const struct lock *l);
/* An orderly end: empties the file (the lock goes with the descriptor). */
void lock_leave(const struct lock *l);

/* Does a running proxy hold it? */
bool lock_is_held(const char *runtime_dir);

/* A worker of the crew is there, until it ends. Workers that cannot say so (errno in the log) are not
   waited for by a master that did not start them. */
void lock_join(const char *runtime_dir, uint32_t crew);
/* Is there a worker of another crew? lock_fd: the master's. */
bool lock_has_strangers(int lock_fd, uint32_t crew);

#endif
