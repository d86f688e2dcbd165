/* lock: who runs. The master holds an OFD write lock on <runtime_dir>/lock for as long as it
 * lives; its descriptor is in no other process. The file holds its pid, and nothing once it has
 * ended in order. */
#ifndef KP_RUN_LOCK_H
#define KP_RUN_LOCK_H

#include <stdbool.h>

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

#endif
