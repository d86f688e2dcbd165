/* tree: the services directory as a model. An inotify event never means more than "look at this
 * directory again"; what is there now is compared with what was known, and differences are told.
 * The same look comes at start, after an overflow, and every 2 s in small slices (file systems that
 * lose events). Used by workers and master (with events) and by the commands (one scan, no loop).
 * */
#ifndef KP_FILES_TREE_H
#define KP_FILES_TREE_H

#include <ev.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TREE_NAME_MAX 63
#define TREE_SOCKET_NAME_MAX 255
#define TREE_SOCKETS_MAX 32 /* instances of a service; more are named in `error` */

/* What a name stands for now. Equal ids: the same file in the same state. */
struct file_id {
	uint64_t dev, ino; /* ino 0: absent */
	/* Not compared for sockets: chmod and chown are no handoff. Of a FIFO that was written to
	   (that moves its ctime): the time of its birth. */
	int64_t ctime_ns;
};

/* Which requests an instance is for, by the directory that its name lies in. */
enum tree_group {
	GROUP_MAIN,    /* "app.sock" */
	GROUP_ROLLOUT, /* "rollout/app.sock": the canary */
	GROUPS,
};

struct tree_socket {
	char name[TREE_SOCKET_NAME_MAX + 1]; /* in the service's directory: "rollout/app.sock" */
	struct file_id id;                   /* of the socket itself, links followed */
	enum tree_group group;
};

#define TREE_HOLD_UNSAID UINT64_MAX

/* One service's directory as last seen. */
struct site {
	char name[TREE_NAME_MAX + 1];
	char *path; /* services_dir/name */
	struct file_id dir;
	int64_t birth_ns; /* of the directory */
	int64_t claim_ns; /* mtime of service.ini, else birth_ns: who was first */
	struct file_id ini, hosts, rollout_ini;
	struct file_id tls_pem;         /* links followed */
	struct file_id pause, stop;     /* ino 0: absent, or refused */
	bool pause_leased, stop_leased; /* a FIFO: the master keeps the lease */
	bool refused;     /* one of them is there and cannot be honoured: `error` says why */
	uint64_t hold_ms; /* what a regular `pause` says; TREE_HOLD_UNSAID: nothing; 0: for ever */
	char *stop_message; /* what `stop` says; NULL: nothing */
	bool unread; /* nobody knows its settings: no look at it has got as far as reading them */
	struct tree_socket *sockets; /* by group, then by name */
	size_t nsockets;
	char *error; /* why part of it is not honoured, with what to do; NULL: nothing */
	void *owner; /* the tree's user may hang its own object here */
};

enum tree_change {
	TREE_NEW = 1,      /* the service has just appeared */
	TREE_SOCKETS = 2,  /* names or inodes of *.sock, the canary's included */
	TREE_SETTINGS = 4, /* service.ini, hosts, rollout.ini or tls.pem */
	TREE_STATE = 8,    /* pause or stop: there or not, or what they say */
	TREE_ERROR = 16,   /* `error` */
};

struct tree;
struct tree_events {
	/* `what`: an or of tree_change. */
	void (*changed)(void *user, struct site *site, unsigned what);
	/* The directory is gone (for 0.2 s: it may be being replaced); the site is freed after the call. */
	void (*gone)(void *user, struct site *site);
	/* A directory whose name is no service's (once). NULL: nobody wants to know. */
	void (*misnamed)(void *user, const char *name);
};

/* Watches and scans services_dir; the first whole scan is done before it returns (changed() for
   each). loop NULL: one scan, no watching. NULL and errno when the directory cannot be opened. A
   directory that vanishes later empties the tree until it is back. */
struct tree *tree_open(struct ev_loop *loop, const char *services_dir,
		       const struct tree_events *events, void *user);
void tree_close(struct tree *t);

/* Look at this service's directory now (a socket refused: its link's target may have been bound
   anew). */
void tree_look(struct tree *t, struct site *site);

struct site *tree_find(const struct tree *t, const char *name);
/* All sites, in no order: for (size_t i = 0; (s = tree_next(t, &i)) != NULL;). */
struct site *tree_next(const struct tree *t, size_t *i);

/* One look at one service, without a tree: its files as they are now (birth_ns and claim_ns are
   left 0). A FIFO counts here even if the proxy cannot honour it: the caller may have other rights,
   and what the proxy makes of it its status tells. NULL and errno: ENOENT when there is no such
   directory. The caller frees it. */
struct site *tree_scan_service(const char *services_dir, const char *name);
void tree_free_site(struct site *site);

/* The id of a FIFO, whoever may open it; false: the path is no FIFO's. */
bool tree_fifo_id(const char *path, struct file_id *id);

/* Which settings are in force: a hash of the ids of service.ini, hosts, rollout.ini and tls.pem. Workers put it
   into board_service.ini_stamp, master and `wait` compare. Never 0. */
uint64_t settings_stamp(const struct site *site);

/* Counters for metrics and doctor: queue overflows, watches that could not be had. */
struct tree_stats {
	uint64_t overflows, unwatched, scans;
};
struct tree_stats tree_stats(const struct tree *t);

#endif
