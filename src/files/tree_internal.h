/* tree, private: a site's hidden part, the queue of directories to look at, and the slow round. */
#ifndef KP_FILES_TREE_INTERNAL_H
#define KP_FILES_TREE_INTERNAL_H

#include <sys/stat.h>

#include "base/buf.h"
#include "base/list.h"
#include "base/map.h"
#include "files/tree.h"
#include "files/watch.h"

enum { SETTINGS_INI, SETTINGS_HOSTS, SETTINGS_FILES };

/* service.ini or hosts: what is needed to tell a whole file from one in the middle of being
   written. */
struct draft {
	bool writing;          /* made under this name, and not closed since */
	bool closed;           /* closed or renamed in since the last look */
	int64_t mtime_ns;      /* of what is in force */
	int64_t seen_mtime_ns; /* of what is not yet, … */
	double seen_at;        /* … and since when */
};

/* One look at a directory. */
struct snapshot {
	struct file_id dir, settings[SETTINGS_FILES], pause, stop;
	int64_t birth_ns, dir_mtime_ns;
	int64_t mtime_ns[SETTINGS_FILES];
	bool refused[SETTINGS_FILES]; /* a link or no file: what was in force stays so */
	struct tree_socket *sockets;
	size_t nsockets;
	bool links;     /* an instance is a link */
	bool unsettled; /* something without an event of its own may mend what is wrong */
	struct buf error;
};

enum queue_place { QUEUE_NONE, QUEUE_PENDING, QUEUE_WAITING };

struct node {
	struct site site;
	struct watch_dir watch;
	struct list queue;
	enum queue_place place;
	double due;          /* when waiting: monotonic seconds */
	double window;       /* start of the window that bounds how often one looks */
	double window_until; /* its end */
	unsigned looks;      /* in it */
	bool known;          /* the user has been told */
	bool rewatch;        /* another directory may have the name now */
	bool moving;         /* half of a change was seen: look again by itself, when due */
	double vanished_at;  /* monotonic seconds; 0: it is there */
	bool settled;        /* dir_mtime_ns tells of every change of names */
	bool links;
	int64_t dir_mtime_ns;
	struct draft drafts[SETTINGS_FILES];
};

struct tree {
	struct ev_loop *loop; /* NULL: one scan */
	const struct tree_events *events;
	void *user;
	char *path, *parent, *base;
	int root; /* −1: there is no such directory at present */
	struct file_id root_id;
	int64_t root_mtime_ns;
	bool root_settled;
	struct map sites;  /* name → struct node */
	struct map warned; /* illegal names, said once */
	struct watch *watch;
	struct watch_dir root_watch, parent_watch;
	bool root_stale, warned_watches, busy;
	struct list pending, waiting;
	ev_idle more;   /* pending is not empty */
	ev_timer later; /* waiting is not empty */
	ev_timer tick;  /* a round begins */
	ev_timer slice; /* it goes on */
	bool listing;   /* the round is reading services_dir */
	bool rounding;  /* the round is comparing sites */
	size_t cursor;
	struct tree_stats stats;
};

double tree_now(void); /* monotonic seconds */
int64_t tree_real_ns(void);
static inline int64_t tree_ns(struct timespec t)
{
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* tree.c */
void tree_check_root(struct tree *t);
struct node *tree_node(struct tree *t, const char *name); /* made if the name is legal, else NULL */
void tree_drop_node(struct tree *t, struct node *n);
void tree_watch_site(struct tree *t, struct node *n);

/* tree_queue.c */
#define TREE_SLICE 0.001
extern const struct watch_events tree_watch_events;
void tree_queue_init(struct tree *t);
void tree_queue_fini(struct tree *t);
void tree_queue(struct tree *t, struct node *n);
void tree_unqueue(struct node *n);
void tree_run_pending(struct tree *t, double budget); /* seconds */

/* tree_round.c */
void tree_round_init(struct tree *t);
void tree_round_fini(struct tree *t);
void tree_list_all(struct tree *t);    /* every name in services_dir is queued, now */
void tree_round_begin(struct tree *t); /* all of it, in slices */

/* tree_scan.c: 0, or an errno. */
int snapshot_take(struct snapshot *s, int root, const char *name);
void snapshot_fini(struct snapshot *s);
/* Nothing has changed as far as a few stats can tell. */
bool tree_is_same(const struct tree *t, const struct node *n);
bool file_id_equal(const struct file_id *a, const struct file_id *b);

/* tree_merge.c: false when the directory is gone, and the node with it. */
bool tree_look_at(struct tree *t, struct node *n);

#endif
