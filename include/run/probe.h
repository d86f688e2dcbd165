/* probe: the master's own knowledge of who listens. One connect and close when a socket
 * appears, again when a worker was refused, and with back-off (5 ms doubling to 2 s) for as
 * long as it is refused: no event tells when somebody begins to listen. A socket that listens
 * is left in peace. */
#ifndef KP_RUN_PROBE_H
#define KP_RUN_PROBE_H

#include <ev.h>
#include <stdbool.h>
#include <stddef.h>

#include "files/tree.h"
#include "run/gather.h"

struct probe_target {
	ev_tstamp due; /* 0: nothing to do */
	unsigned backoff_ms;
	uint64_t refused_by, ready_by; /* regions that reported so when last heard */
	bool named;                    /* still in the directory (used by probes_sync) */
};

/* What is known of one service's sockets; all zero is nothing. found[i] belongs to target[i]. */
struct probes {
	struct gather_probe *found;
	struct probe_target *target;
	size_t count;
};

/* Forgets sockets that are gone; new ones are due at once. */
void probes_sync(struct probes *p, const struct site *site, ev_tstamp now);
/* Workers' reports: a fresh refusal, or a fresh success where we know of a refusal, makes it
   due. */
void probes_hear(struct probes *p, const struct gather_worker *workers, size_t n, ev_tstamp now);
/* Probes what is due, by site's paths. Returns how many connects that took. *moved: a name
   stands for another socket than the site says (look again). */
unsigned probes_run(struct probes *p, const struct site *site, ev_tstamp now, bool *moved);
/* The earliest time that anything is due; 0: never. */
ev_tstamp probes_due(const struct probes *p);
void probes_free(struct probes *p);

#endif
