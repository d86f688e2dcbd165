/* lease: pause windows that last as long as somebody holds them open. A `pause` or `stop` that is a
 * FIFO is opened for reading by the master, and by it alone, once every worker holds and nothing
 * is in flight: a writer's blocking open() returns then. When the last writer has gone, however it
 * ended, the kernel tells, and the FIFO is removed. See fifo(7).
 *
 * One nobody opens within lease_timeout is removed likewise, and said in the log. A FIFO that cannot be
 * removed when its window is over is tried again each second: until then requests are held. */
#ifndef KP_RUN_LEASE_H
#define KP_RUN_LEASE_H

#include <ev.h>

#include "files/status.h"
#include "files/tree.h"
#include "run/estate.h"
#include "service/registry.h"

struct leases;

/* registry: asked for lease_timeout; kept by pointer. */
struct leases *leases_new(struct ev_loop *loop, const struct registry *registry);
/* Closes the read ends and leaves the FIFOs: whoever comes next opens them anew. */
void leases_free(struct leases *l);

/* What is true of a service now (publish_gathered, user = the leases): windows that may begin
   begin, those whose FIFO is not there any more are forgotten. */
void leases_see(void *user, const struct site *site, const struct status *now);
/* The service's directory is gone. */
void leases_gone(struct leases *l, const char *service);

/* For a successor: the estate gets every window (memory only; the descriptors stay ours). */
void leases_leave(const struct leases *l, struct estate *e);
/* From a predecessor: its windows go on. Takes the descriptors over and empties the estate's list. */
void leases_take(struct leases *l, const char *services_dir, struct estate *e);

#endif
