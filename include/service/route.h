/* route: host and path → an opaque handle. Exact host, then the longest wildcard, then the
 * catch-all; the first of these that has any claim decides, and within it the longest path
 * prefix on a segment boundary. Two claims of one host and prefix: the older has it, the other
 * waits (conflict) and takes over when the first goes. Look-up is constant in the number of
 * services. */
#ifndef KP_SERVICE_ROUTE_H
#define KP_SERVICE_ROUTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

struct routes;

struct claim {
	const char *name; /* service name: decides ties of age */
	int64_t since_ns; /* the older claim has it */
	void *handle;
};

struct routes *routes_new(void);
void routes_free(struct routes *r);

/* hosts: normalised names, "*.x" wildcards, or "*" for the catch-all. prefixes: "/" or "/a/b".
   The claim is kept by pointer until routes_remove, and must not change meanwhile. False: it was
   there already, or was not there. */
bool routes_add(struct routes *r, struct str host, struct str prefix, const struct claim *c);
bool routes_remove(struct routes *r, struct str host, struct str prefix, const struct claim *c);

/* host normalised (http/message.h host_normalise); path as sent. NULL: nobody. *prefix_len:
   length of the prefix that matched, 0 for "/". */
void *routes_find(const struct routes *r, struct str host, struct str path, size_t *prefix_len);
/* Has anybody a claim below that host? */
bool routes_know(const struct routes *r, struct str host);
/* Who has that host and prefix now (to name the winner of a conflict). */
const struct claim *routes_holder(const struct routes *r, struct str host, struct str prefix);

#endif
