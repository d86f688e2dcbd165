/* listener: accept in small batches; out of descriptors means a pause, not a spin. */
#include "net/listener.h"

#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "net/sock.h"

#define ACCEPT_BATCH 16
#define ACCEPT_DRAIN_MAX 65536
#define ACCEPT_BACKOFF 0.1 /* s */
#define COMPLAIN_EVERY 10  /* s */

/* False when nothing more can be accepted now; errno says why. */
static bool accept_one(struct listener *l)
{
	struct sockaddr_storage from;
	int fd = sock_accept(l->io.fd, &from);
	if (fd >= 0)
		l->accepted(l, fd, &from);
	/* A client that left while it waited is no reason to stop. */
	return fd >= 0 || errno == ECONNABORTED || errno == EINTR;
}

static void back_off(struct listener *l, struct ev_loop *loop, int err)
{
	if (l->complained == 0 || ev_now(loop) - l->complained >= COMPLAIN_EVERY) {
		l->complained = ev_now(loop);
		log_error(
			"cannot accept connections: %s; raise the limit of open files (ulimit -n)",
			strerror(err));
	}
	ev_io_stop(loop, &l->io);
	ev_timer_set(&l->again, ACCEPT_BACKOFF, 0);
	ev_timer_start(loop, &l->again);
}

static void on_acceptable(struct ev_loop *loop, ev_io *w, int revents)
{
	(void)revents;
	struct listener *l = container_of(w, struct listener, io);
	for (int i = 0; i < ACCEPT_BATCH; i++) {
		if (accept_one(l))
			continue;
		if (errno != EAGAIN)
			back_off(l, loop, errno);
		return;
	}
}

static void on_again(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)revents;
	ev_io_start(loop, &container_of(w, struct listener, again)->io);
}

void listener_init(struct listener *l, int fd, listener_cb *accepted)
{
	ev_io_init(&l->io, on_acceptable, fd, EV_READ);
	ev_timer_init(&l->again, on_again, 0, 0);
	l->accepted = accepted;
	l->complained = 0;
}

void listener_start(struct listener *l, struct ev_loop *loop)
{
	if (!listener_is_started(l))
		ev_io_start(loop, &l->io);
}

void listener_stop(struct listener *l, struct ev_loop *loop)
{
	ev_io_stop(loop, &l->io);
	ev_timer_stop(loop, &l->again);
}

void listener_drain(struct listener *l)
{
	for (int i = 0; i < ACCEPT_DRAIN_MAX && accept_one(l); i++)
		continue;
}
