/* tree, private: a site's hidden part, the queue of directories to look at, and the slow round. */
#ifndef KP_FILES_TREE_INTERNAL_H
#define KP_FILES_TREE_INTERNAL_H

#include <sys/stat.h>

#include "base/buf.h"
#include "base/list.h"
#include "base/map.h"
#include "files/tree.h"
#include "files/watch.h"

/* A change within a clock tick of a look may leave a time as that look saw it. */
#define TREE_RACY_NS INT64_C(50000000)
/* What has not changed for so long is whole, even if nobody has closed it. */
#define TREE_SETTLE_NS INT64_C(1000000000)

enum { SETTINGS_INI, SETTINGS_HOSTS, SETTINGS_ROLLOUT, SETTINGS_FILES };
extern const char *const tree_settings_names[SETTINGS_FILES];
#define TREE_CERTIFICATE "tls.pem"
enum { HOLD_PAUSE, HOLD_STOP, HOLDS };
extern const char *const tree_hold_names[HOLDS];
/* Where a group's instances lie, below the service's directory; GROUP_MAIN: "". */
extern const char *const tree_group_dirs[GROUPS];

/* One of the settings files: what is needed to tell a whole file from one in the middle of being
   written. */
struct draft {
	bool writing;          /* made under this name, and not closed since */
	bool closed;           /* closed or renamed in since the last look */
	int64_t mtime_ns;      /* of what is in force */
	int64_t seen_mtime_ns; /* of what is not yet, … */
	double seen_at;        /* … and since when */
};

/* What `pause` or `stop` says: read once, and kept while the file is the same. */
struct hold {
	struct file_id read; /* whose content this is; ino 0: none was read */
	bool settled;        /* its ctime tells of every later change */
	bool writing;        /* made under this name, and not closed since */
	uint64_t ms;         /* pause */
	char *message;       /* stop; NULL: nothing */
	char *error;         /* what is wrong with the content; NULL: nothing */
	/* The FIFO that is in force, and since when. */
	uint64_t lease_ino;
	int64_t lease_born_ns, lease_since_ns;
};

/* What is carried from one look to the next. */
struct holds {
	struct hold of[HOLDS];
	bool unchecked; /* a FIFO counts whether or not we could keep its lease */
};

/* One look at a directory. */
struct snapshot {
	struct file_id dir, settings[SETTINGS_FILES], holds[HOLDS], tls_pem;
	int64_t birth_ns, dir_mtime_ns;
	int64_t mtime_ns[SETTINGS_FILES], tls_pem_mtime_ns;
	bool refused[SETTINGS_FILES];     /* a link or no file: what was in force stays so */
	bool leased[HOLDS];               /* a FIFO */
	bool hold_refused;                /* pause or stop is there and cannot be honoured */
	struct file_id group_dir[GROUPS]; /* ino 0: none, or not readable; GROUP_MAIN: not used */
	int64_t group_mtime_ns[GROUPS];
	struct tree_socket *sockets;
	size_t nsockets;
	bool links;     /* an instance is a link */
	bool unsettled; /* something without an event of its own may mend what is wrong */
	struct buf error;
};

struct node;

/* A directory that is watched for a site. */
struct place {
	struct watch_dir watch;
	struct node *node;
	enum tree_group group;
	struct file_id dir; /* of a group's; the site has its own */
	int64_t mtime_ns;   /* as of the last look */
};

enum queue_place { QUEUE_NONE, QUEUE_PENDING, QUEUE_WAITING };

struct node {
	struct site site;
	struct place main;
	struct place *groups[GROUPS]; /* NULL: there is none; GROUP_MAIN: not used */
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
	bool settled;        /* the directories' mtimes tell of every change of names */
	bool links;
	struct draft drafts[SETTINGS_FILES], tls_pem;
	struct holds holds;
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

/* tree_watch.c */
void tree_warn_watches(struct tree *t, const char *limit, int why);
void tree_watch_site(struct tree *t, struct node *n);
/* Watches the groups' directories that are there, and no others. True when one is watched that was
   not when it was read: read it again. */
bool tree_watch_groups(struct tree *t, struct node *n, const struct snapshot *s);
/* For what could not be watched so far. */
void tree_watch_missing(struct tree *t, struct node *n);
void tree_unwatch(struct tree *t, struct node *n);
unsigned tree_count_unwatched(const struct node *n);

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

/* tree_scan.c: 0, or an errno. Of the site only name, path and the sockets known so far are asked. */
int snapshot_take(struct snapshot *s, int root, const struct site *site, struct holds *holds);
void snapshot_fini(struct snapshot *s);
void snapshot_report(struct snapshot *s, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
bool file_id_equal(const struct file_id *a, const struct file_id *b);
struct file_id file_id_of(const struct stat *st);
const char *file_kind(mode_t mode);

/* tree_hold.c */
void holds_init(struct holds *h);
void holds_fini(struct holds *h);
/* Looks at `pause` or `stop` in the directory `dir`, the site's. */
void hold_look(struct snapshot *s, int dir, const struct site *site, struct holds *holds,
	       int which);
/* It is not there, or not honoured: what it said is forgotten. */
void hold_forget(struct hold *h);

/* tree_same.c: nothing has changed as far as a few stats can tell. */
bool tree_is_same(const struct tree *t, const struct node *n);

/* tree_merge.c: false when the directory is gone, and the node with it. */
bool tree_look_at(struct tree *t, struct node *n);
/* TREE_STATE if anything is another now. */
unsigned tree_merge_holds(struct site *site, const struct snapshot *s, const struct holds *h);
/* Nothing is known any more of who is writing what. */
void tree_forget_drafts(struct node *n);

#endif
