/* watch: inotify in an event loop. One instance, any number of directories; each event names a
 * directory and an entry in it, and means no more than "look there again". The sole user of
 * sys/inotify.h. */
#ifndef KP_FILES_WATCH_H
#define KP_FILES_WATCH_H

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"

/* Embedded in whoever owns the directory. Several may stand for one directory (links). */
struct watch_dir {
	struct list node;
	int wd; /* −1: not watched */
};

enum watch_what {
	WATCH_CREATED = 1,  /* made under this name: perhaps still being written */
	WATCH_MOVED_IN = 2, /* renamed to this name: whole */
	WATCH_REMOVED = 4,  /* deleted or renamed away */
	WATCH_WRITTEN = 8,  /* closed by one who could write */
	WATCH_CHANGED = 16, /* mode, owner, times */
	WATCH_SELF = 32,    /* the directory itself went or moved; the name is "" */
};

/* The callbacks may not add or drop directories, except in done(). */
struct watch_events {
	void (*entry)(void *user, struct watch_dir *dir, const char *name, unsigned what);
	void (*lost)(void *user); /* events were lost: look at everything */
	void (*done)(void *user); /* after a batch of the above: now act */
};

struct watch;
/* NULL and errno: EMFILE when the user has too many instances (fs.inotify.max_user_instances). */
struct watch *watch_new(struct ev_loop *loop, const struct watch_events *events, void *user);
void watch_free(struct watch *w); /* drops what is watched; the watch_dirs stay their owners' */

void watch_dir_init(struct watch_dir *d);
/* Watches the directory that has this path now; if d stood for another one, that is dropped.
   `writes`: also WATCH_WRITTEN and WATCH_CHANGED. False and errno: not watched (ENOSPC:
   fs.inotify.max_user_watches). */
bool watch_add(struct watch *w, struct watch_dir *d, const char *path, bool writes);
void watch_drop(struct watch *w, struct watch_dir *d);

#endif
