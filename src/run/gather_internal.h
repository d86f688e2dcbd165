/* gather: what its files share. */
#ifndef KP_RUN_GATHER_INTERNAL_H
#define KP_RUN_GATHER_INTERNAL_H

#include <stdbool.h>

#include "files/tree.h"

/* The same file, unchanged; as far as a worker tells it, which is without its device. */
static inline bool gather_same_file(struct file_id a, struct file_id b)
{
	return a.ino == b.ino && a.ctime_ns == b.ctime_ns;
}

#endif
