/* listener: accepts connections from one listening socket in a loop, and backs off when descriptors run
 * out, before the last of them are gone: apps must still be connected to. */
#ifndef KP_NET_LISTENER_H
#define KP_NET_LISTENER_H

#include <ev.h>
#include <stdbool.h>
#include <sys/socket.h>

struct listener;
/* Takes fd over. */
typedef void listener_cb(struct listener *l, int fd, const struct sockaddr_storage *from);

/* Embedded in its owner; does not own the descriptor. */
struct listener {
	ev_io io;
	ev_timer again;
	listener_cb *accepted;
	ev_tstamp complained; /* when the log last said that descriptors are out; 0: never */
	int most;             /* descriptors from this one on are not for clients */
};

void listener_init(struct listener *l, int fd, listener_cb *accepted);
void listener_start(struct listener *l, struct ev_loop *loop);
void listener_stop(struct listener *l, struct ev_loop *loop);
static inline bool listener_is_started(const struct listener *l)
{
	return ev_is_active(&l->io) || ev_is_active(&l->again);
}
/* Accepts all that waits now (before the process stops listening for good). */
void listener_drain(struct listener *l);

#endif
