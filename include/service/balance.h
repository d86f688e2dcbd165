/* balance: the peers of a service: which there are, as the directory says, and which is next. */
#ifndef KP_SERVICE_BALANCE_H
#define KP_SERVICE_BALANCE_H

#include <stdbool.h>
#include <stdint.h>

#include "files/tree.h"
#include "service/peer.h"

/* The handoff: a peer of the same inode is kept (whatever its name now) or comes back if it was
   replaced; a socket without one gets a new peer; a peer without a socket is replaced. True:
   something differs. */
bool balance_update(struct peer_home *h, const struct tree_socket *sockets, size_t n);

/* Least in flight among the group's that may be tried now, ties in turn; one that refused lately
   only if there is no other. NULL: none. */
struct peer *balance_pick(struct peer_home *h, enum tree_group group);

/* All may be tried now: whatever they refused for may have changed. */
void balance_forget(struct peer_home *h);
/* Those whose back-off ends by then may be tried now. */
void balance_wake(struct peer_home *h, uint64_t until);
/* When the first of the main ones may be tried (peer_clock; 0: one may be now); with `canary` also
   the first back-off of the canary's to end. False: there is none. */
bool balance_earliest(const struct peer_home *h, bool canary, uint64_t *at);
/* Does one of the main ones listen, so that waiting for it is no waiting in vain? */
bool balance_listens(const struct peer_home *h);

#endif
