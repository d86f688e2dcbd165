/* publish: what its two files share. */
#ifndef KP_RUN_PUBLISH_INTERNAL_H
#define KP_RUN_PUBLISH_INTERNAL_H

#include "base/list.h"
#include "base/map.h"
#include "files/status.h"
#include "run/gather.h"
#include "run/probe.h"
#include "run/publish.h"

/* An instance as it was counted in the last handoff. */
struct live {
	uint64_t inode;
	enum tree_group group;
};

/* One service as published. */
struct post {
	char name[TREE_NAME_MAX + 1];
	struct list queued;  /* in publisher.queue, or alone */
	struct list probing; /* in publisher.probing while a target is due some time */
	struct status last;  /* what was published; !known: nothing */
	bool known, loaded;
	bool missing;       /* the file does not hold it: to be written again */
	uint64_t signature; /* of the workers' counters when it was last looked at */
	ev_tstamp written;  /* loop time of the last write */
	struct probes probes;
	struct live *live; /* the last set of sockets that was not empty */
	size_t nlive;
};

struct publisher {
	struct ev_loop *loop;
	const char *runtime_dir;
	struct board *board;
	struct registry *registry;
	struct tree *tree;
	struct map posts; /* name → struct post */
	struct list queue, probing;
	size_t cursor; /* of the tick's round through posts */
	unsigned rounds;
	bool views_stale; /* settings changed: another service's conflict may have gone or come */
	bool failing;     /* the last write failed and was logged */
	bool begun, stopped;
	bool blind;
	publish_gathered *gathered;
	void *user;
	ev_prepare prepare;
	ev_idle idle; /* keeps the loop awake while the queue is not empty */
	ev_timer probe_timer;
	struct gather_worker workers[BOARD_REGIONS];
	size_t nworkers;
};

/* Reads the regions, probes what is due, writes the file if need be. Returns the connects made. */
unsigned post_publish(struct publisher *p, struct post *post);
/* Changes whenever a worker's word about the service does (as far as counters can tell). */
uint64_t post_signature(struct publisher *p, const struct post *post);
/* Sees that a file was taken away. */
bool post_is_missing(const struct publisher *p, struct post *post);
/* Is what was published still the master's own view? */
bool post_view_differs(const struct publisher *p, const struct post *post);
void post_free(struct post *post);

#endif
