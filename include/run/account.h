/* account: the user that master and workers are, and the step down to it. */
#ifndef KP_RUN_ACCOUNT_H
#define KP_RUN_ACCOUNT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct account {
	char name[64]; /* or the number, when it has none */
	uid_t uid;
	gid_t gid;
	bool change; /* we are root and must step down */
};

/* Who the proxy is to be. Started as root: `user`, or when that is "" kamal-proxy, else nobody;
   root itself is refused. Started as anybody else: that one; `user` must be "" or name it.
   False and why. */
bool account_resolve(const char *user, struct account *a, char *why, size_t size);
/* Steps down for good (initgroups, gid, uid). False and errno. Nothing when there is no change
   to make. */
bool account_become(const struct account *a);

#endif
