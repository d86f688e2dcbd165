/* publish: keeps <runtime_dir>/status/ true. A status file is written at once when anything of
 * weight changed, once a second when only counters did. Works in slices, so that ten thousand
 * services never stop the loop. */
#ifndef KP_RUN_PUBLISH_H
#define KP_RUN_PUBLISH_H

#include <ev.h>
#include <stdbool.h>

#include "files/scoreboard.h"
#include "files/status.h"
#include "files/tree.h"
#include "service/registry.h"

#define PUBLISH_PAST                                                                               \
	(BOARD_REGIONS - 1) /* region of totals whose workers are gone; the master's alone */

struct publisher;

/* A service was looked at: its files as the master sees them, and what is true of it now (what is
   urgent of that has been written). May neither touch the tree nor call the publisher. */
typedef void publish_gathered(void *user, const struct site *site, const struct status *now);

/* Removes status files of services that the registry does not have; the others are taken over.
   tree may be asked to look again. All are kept by pointer. */
struct publisher *publisher_new(struct ev_loop *loop, const char *runtime_dir, struct board *board,
				struct registry *registry, struct tree *tree);
void publisher_free(struct publisher *p);
void publisher_tell(struct publisher *p, publish_gathered *gathered, void *user);
/* The first workers are there: what was queued so far is written now, once, with what they say. */
void publisher_begin(struct publisher *p);

/* The master's own tree has told. */
void publisher_changed(struct publisher *p, const char *service, unsigned what);
void publisher_gone(struct publisher *p, const char *service);
/* A worker has told. */
void publisher_news(struct publisher *p, struct str service);
/* Workers of a predecessor with another scoreboard are alive: who knows what they drain. */
void publisher_set_blind(struct publisher *p, bool blind);
/* Look at everything: a worker has come or gone, or its news were lost. */
void publisher_all(struct publisher *p);
/* Ten times a second: looks at a tenth of all for changed counters. */
void publisher_tick(struct publisher *p);

/* A worker is dead: its totals are kept before its region is cleared. */
void publisher_fold(struct publisher *p, unsigned region);
/* The process ends: nothing is written any more. */
void publisher_stop(struct publisher *p);

#endif
