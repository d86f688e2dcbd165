/* gather: the many views of one service made into one: what the master's tree says, what each
 * worker has told, what probes found, what was published before. Pure: no clock, no file, no
 * log. */
#ifndef KP_RUN_GATHER_H
#define KP_RUN_GATHER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "files/scoreboard.h"
#include "files/status.h"
#include "files/tree.h"
#include "service/service.h"

/* One live worker, retiring ones included. */
struct gather_worker {
	unsigned region;
	bool known;   /* it has told about the service: `seen` is valid */
	bool passive; /* it accepts nothing: not yet (its first scan is under way), or no more */
	struct board_service seen;
};

/* What the master itself found out about a target by connecting to it. */
struct gather_probe {
	uint64_t dev, ino;
	enum board_peer_state state;
	const char *why; /* PEER_DENIED: path, mode and the command that mends it */
};

struct gather {
	const struct service_view *view;
	const struct gather_worker *workers;
	size_t nworkers;
	bool blind; /* there are workers that cannot be asked: draining is not 0 */
	const struct gather_probe *probes; /* any order; a target without one is untried */
	size_t nprobes;
	const struct board_service *past; /* totals of workers that are gone; NULL: none */
	const struct status *last;        /* what was published; NULL: nothing yet */
};

/* Fills out->state, pause, stop, in_flight … cut_off, error, settings and targets. The caller
   does service, hosts, path, generation and since. */
void gather_status(const struct gather *g, struct status *out);

/* Has anything changed that is published at once? Any counter that is published once a second? */
bool gather_is_urgent(const struct status *last, const struct status *now);
bool gather_differs(const struct status *last, const struct status *now);

size_t gather_count_targets(const struct status *s);

#endif
