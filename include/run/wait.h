/* wait: the verb that makes `mv … && kamal-proxy wait --drained && kill OLD` safe. It looks at
 * the service's files itself and is content only when the status names exactly those, as seen
 * by every worker, while a running proxy holds the lock: an answer from before the mv is
 * impossible. */
#ifndef KP_RUN_WAIT_H
#define KP_RUN_WAIT_H

#include <stdbool.h>
#include <stddef.h>

#include "files/status.h"
#include "files/tree.h"

enum wait_for {
	WAIT_READY,   /* a socket listens, paused or not */
	WAIT_RUNNING, /* and the state is running */
	WAIT_DRAINED, /* as ready, and nothing is in flight on replaced sockets */
	WAIT_PAUSED,  /* every worker holds, and nothing is in flight at all */
	WAIT_SEEN,    /* the files are in force in every worker, no more */
};

struct wait_goal {
	enum wait_for what;
	bool tunnels; /* and there is no tunnel */
};

/* Pure: does the status say what the files say, and what is wanted? False and what is missing,
   in words. */
bool wait_is_met(const struct wait_goal *goal, const struct site *site, const struct status *status,
		 char *missing, size_t size);

/* The verb `wait`; argv[0] is the verb. */
int wait_main(int argc, char **argv);

#endif
