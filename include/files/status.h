/* status: <runtime_dir>/status/<service>, what the proxy tells about a service; replaced by rename.
 * "key: value" lines in a fixed order, then "targets:" and one indented line an instance:
 * "  name inode state in_flight". Written by the master, read by the commands. */
#ifndef KP_FILES_STATUS_H
#define KP_FILES_STATUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "files/scoreboard.h"
#include "files/tree.h"

enum service_state {
	SERVICE_RUNNING,
	SERVICE_PAUSED,
	SERVICE_STOPPED,
	SERVICE_NO_SOCKET,
	SERVICE_CONFLICT,
	SERVICE_INVALID,
};
const char *service_state_name(enum service_state s); /* "running", "no-socket", … */
bool service_state_parse(const char *name, enum service_state *out);

enum target_state {
	TARGET_READY,    /* it listens, and every worker uses it */
	TARGET_PENDING,  /* not yet seen by every worker, or not tried yet */
	TARGET_REFUSED,  /* nobody listens on it */
	TARGET_DENIED,   /* the proxy may not connect: permissions */
	TARGET_DRAINING, /* replaced; requests still finish on it (under the name it had) */
};
const char *target_state_name(enum target_state s);

struct status_target {
	char name[TREE_SOCKET_NAME_MAX + 1];
	uint64_t inode;
	enum target_state state;
	uint64_t in_flight;
};

struct status {
	char service[TREE_NAME_MAX + 1];
	enum service_state state;
	/* As every worker sees them: ino and ctime, ino 0 written "-". */
	struct file_id pause, stop;
	uint64_t generation; /* handoffs so far */
	char *hosts;         /* "a, b" or "*"; malloc'ed, never NULL after status_init */
	char *path;          /* prefixes, "/" when none; malloc'ed */
	bool tls;
	char *certificate; /* "-" without TLS; malloc'ed */
	uint64_t in_flight, draining, tunnels, held, requests, errors, cut_off;
	int64_t since_ms;  /* Unix time of the last change of state; written as UTC text */
	char *error;       /* "-" when none; malloc'ed */
	uint64_t settings; /* stamp of the settings in force in every worker; 0: not all agree */
	struct status_target *targets;
	size_t ntargets;
};

void status_init(struct status *s);
void status_fini(struct status *s);
void status_add_target(struct status *s, const char *name, uint64_t inode, enum target_state state,
		       uint64_t in_flight);
/* A copy of text replaces the old value of a malloc'ed member. */
void status_set_text(char **member, const char *text);

/* 0, or −1 with errno. Creates runtime_dir/status if need be; the temporary name begins with a dot. */
int status_write(const char *runtime_dir, const struct status *s);
int status_remove(const char *runtime_dir, const char *service);
/* False with errno when there is none (ENOENT) or it cannot be parsed (EINVAL). Initialises *s. */
bool status_read(const char *runtime_dir, const char *service, struct status *s);
/* The path, for messages and watching. */
void status_path(const char *runtime_dir, const char *service, char *dst, size_t size);

#endif
