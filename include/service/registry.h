/* registry: all services of a process by name, fed by the tree; owns the routes. Build, then
 * swap: new settings are read whole before they replace the old; if they are bad the old stay in
 * force and the view says why. A service with no good settings at all is routed nowhere
 * (invalid). */
#ifndef KP_SERVICE_REGISTRY_H
#define KP_SERVICE_REGISTRY_H

#include "base/str.h"
#include "files/tree.h"
#include "service/service.h"

struct registry;

/* elder: the registry that a forked worker inherited from its master, asked for the last good
   settings of a service whose files are bad just now; NULL: none. env is kept by pointer. */
struct registry *registry_new(const struct service_env *env, const struct registry *elder);
void registry_free(struct registry *r);

/* Feed from the tree (user = the registry). */
extern const struct tree_events registry_tree_events;

/* The service for a request, not held; NULL: 404. host as normalised. */
struct service *registry_route(const struct registry *r, struct str host, struct str path,
			       size_t *prefix_len);
/* The service with the root prefix of a host (normalised): it decides what TLS that host has. NULL: none. */
struct service *registry_root(const struct registry *r, struct str host);
/* tls_choose, user = the registry: the certificate of the service that the name leads to. Without a name that of
   default_certificate, else the first by name; the same for a host without TLS, so that it can be told so.
   NULL: nobody has that name. */
struct tls_cert *registry_choose_certificate(void *user, struct str name);
struct service *registry_find(const struct registry *r, const char *name);
/* for (size_t i = 0; (s = registry_next(r, &i)) != NULL;) */
struct service *registry_next(const struct registry *r, size_t *i);

#endif
