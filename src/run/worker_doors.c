/* worker_doors: the listening sockets that this worker accepts from, and which front a client gets. */
#include <unistd.h>

#include "base/mem.h"
#include "front/h1front.h"
#include "front/tlsfront.h"
#include "net/sock.h"
#include "worker_internal.h"

static void on_accepted(struct listener *l, int fd, const struct sockaddr_storage *from)
{
	struct door *d = container_of(l, struct door, listener);
	d->worker->accepted++;
	if (d->socket->tls)
		tlsfront_accept(&d->worker->proxy, fd, from, d->port);
	else
		h1front_accept(&d->worker->proxy, fd, from, d->port);
}

static bool is_ours(const struct worker *w, const struct listen_socket *s)
{
	const struct board_master *m = board_master(w->args->board);
	return w->state == LIFE_SERVING && m->owner[s->slot] == w->args->region + 1;
}

void worker_tend_doors(struct worker *w)
{
	for (size_t i = 0; i < w->args->nlisteners; i++) {
		struct door *d = &w->doors[i];
		if (is_ours(w, d->socket))
			listener_start(&d->listener, w->proxy.loop);
		else
			listener_stop(&d->listener, w->proxy.loop);
	}
}

static unsigned port_of(int fd)
{
	struct sockaddr_storage ss = {.ss_family = AF_UNSPEC};
	socklen_t len = sizeof(ss);
	char host[SOCK_ADDR_TEXT];
	unsigned port = 0;
	if (getsockname(fd, (struct sockaddr *)&ss, &len) == 0)
		sock_addr_text(&ss, host, &port);
	return port;
}

void worker_make_doors(struct worker *w)
{
	size_t n = w->args->nlisteners;
	w->doors = mem_zero((n + 1) * sizeof(*w->doors));
	for (size_t i = 0; i < n; i++) {
		struct door *d = &w->doors[i];
		d->worker = w;
		d->socket = &w->args->listeners[i];
		d->port = port_of(d->socket->fd);
		listener_init(&d->listener, d->socket->fd, on_accepted);
	}
}

/* Nobody else accepts from these sockets: what has queued there is served, then they are closed. */
void worker_close_doors(struct worker *w)
{
	for (size_t i = 0; i < w->args->nlisteners; i++) {
		listener_drain(&w->doors[i].listener);
		listener_stop(&w->doors[i].listener, w->proxy.loop);
		close(w->doors[i].socket->fd);
	}
}
