/* listener: accept in small batches; out of descriptors means a pause, not a spin. */
#include "net/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "net/sock.h"

#define ACCEPT_BATCH 16
#define ACCEPT_DRAIN_MAX 65536
#define ACCEPT_BACKOFF 0.1 /* s */
#define COMPLAIN_EVERY 10  /* s */
#define RESERVE_MAX 1024

/* A quarter of the descriptors (at most RESERVE_MAX) is not for clients: were they to take all, none of them
   could be connected to its app. Descriptors are given out from below, so a number says how many there are. */
static int most_for_clients(void)
{
	struct rlimit r;
	if (getrlimit(RLIMIT_NOFILE, &r) < 0 || r.rlim_cur > INT_MAX)
		return INT_MAX;
	int all = (int)r.rlim_cur;
	return all - (all / 4 < RESERVE_MAX ? all / 4 : RESERVE_MAX);
}

/* The descriptor, which is the owner's by now; −1 when nothing more can be accepted now: errno says why. */
static int accept_one(struct listener *l)
{
	struct sockaddr_storage from;
	int fd;
	do
		fd = sock_accept(l->io.fd, &from);
	while (fd < 0 && (errno == ECONNABORTED || errno == EINTR)); /* only that client has left */
	if (fd >= 0)
		l->accepted(l, fd, &from);
	return fd;
}

static void back_off(struct listener *l, struct ev_loop *loop, int err)
{
	if (l->complained == 0 || ev_now(loop) - l->complained >= COMPLAIN_EVERY) {
		l->complained = ev_now(loop);
		log_error("clients have to wait: %s; raise the limit of open files (ulimit -n)",
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
		int fd = accept_one(l);
		if (fd < 0 && errno == EAGAIN)
			return;
		if (fd < 0 || fd >= l->most) {
			back_off(l, loop, fd < 0 ? errno : EMFILE);
			return;
		}
	}
}

/* Is a descriptor free below the reserve? */
static bool has_room(const struct listener *l)
{
	int lowest = fcntl(l->io.fd, F_DUPFD_CLOEXEC, 0);
	if (lowest >= 0)
		close(lowest);
	return lowest >= 0 && lowest < l->most;
}

static void on_again(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)revents;
	struct listener *l = container_of(w, struct listener, again);
	if (has_room(l))
		ev_io_start(loop, &l->io);
	else
		back_off(l, loop, EMFILE);
}

void listener_init(struct listener *l, int fd, listener_cb *accepted)
{
	ev_io_init(&l->io, on_acceptable, fd, EV_READ);
	ev_timer_init(&l->again, on_again, 0, 0);
	l->accepted = accepted;
	l->complained = 0;
	l->most = most_for_clients();
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
	for (int i = 0; i < ACCEPT_DRAIN_MAX && accept_one(l) >= 0; i++)
		continue;
}
