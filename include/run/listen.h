/* listen: the listening sockets. One for each address and worker slot, kept open for ever and
 * inherited by all workers: closing one resets what waits in its queue, one that nobody accepts
 * from swallows clients. */
#ifndef KP_RUN_LISTEN_H
#define KP_RUN_LISTEN_H

#include <stdbool.h>
#include <stddef.h>

#include "files/settings.h"
#include "net/sock.h"
#include "run/worker.h"

/* An address that the settings ask for. */
struct listen_address {
	char text[80]; /* "0.0.0.0:80", "[::]:80", "unix:/path": as in listen_socket.address */
	struct sock_addr addr; /* not for Unix */
	bool optional;         /* [::] by default: skipped where there is no IPv6 */
	bool tls;              /* of https_port */
};

struct listen_plan {
	struct listen_address *address;
	size_t count;
};

/* What `bind` and the ports mean. False and why when an entry is no address, or nothing would
   listen. */
bool listen_plan(const struct proxy_settings *p, struct listen_plan *plan, char *why, size_t size);
void listen_plan_free(struct listen_plan *plan);

/* Makes sure nobody else has any of the addresses. EADDRINUSE is tried again for patience_ms
   (workers of a dead master close theirs once they see the lock held). False and why, with what
   to do. */
bool listen_probe(const struct listen_plan *plan, unsigned patience_ms, char *why, size_t size);
/* Makes all of them for slots 0 to slots − 1; addresses that are skipped are left out. */
bool listen_open(const struct listen_plan *plan, unsigned slots, struct listen_socket **out,
		 size_t *count, char *why, size_t size);

#endif
