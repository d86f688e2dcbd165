/* Finds out who listens. The socket is pinned before it is tried, so that the answer is about
 * that inode and not about what has just been renamed over its name. */
#include "run/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "net/sock.h"
#include "run/access.h"

#define BACKOFF_FIRST_MS 5
#define BACKOFF_MOST_MS 2000

static size_t find(const struct probes *p, struct file_id id)
{
	size_t i = 0;
	while (i < p->count && (p->found[i].ino != id.ino || p->found[i].dev != id.dev))
		i++;
	return i;
}

static void drop_unnamed(struct probes *p)
{
	size_t kept = 0;
	for (size_t i = 0; i < p->count; i++) {
		if (!p->target[i].named) {
			mem_free((char *)p->found[i].why);
			continue;
		}
		p->found[kept] = p->found[i];
		p->target[kept++] = p->target[i];
	}
	p->count = kept;
}

void probes_sync(struct probes *p, const struct site *site, ev_tstamp now)
{
	for (size_t i = 0; i < p->count; i++)
		p->target[i].named = false;
	for (size_t k = 0; k < site->nsockets; k++) {
		struct file_id id = site->sockets[k].id;
		size_t i = find(p, id);
		if (i < p->count) {
			p->target[i].named = true;
			continue;
		}
		p->found = mem_grow(p->found, (i + 1) * sizeof(p->found[0]));
		p->target = mem_grow(p->target, (i + 1) * sizeof(p->target[0]));
		p->found[i] = (struct gather_probe){
			.dev = id.dev, .ino = id.ino, .state = PEER_UNTRIED};
		p->target[i] = (struct probe_target){.due = now, .named = true};
		p->count++;
	}
	drop_unnamed(p);
}

static void hear(struct probes *p, const struct board_peer *peer, unsigned region,
		 uint64_t *refused, uint64_t *ready)
{
	struct file_id id = {.dev = peer->dev, .ino = peer->ino};
	size_t i = find(p, id);
	if (i == p->count)
		return;
	if (peer->state == PEER_REFUSED || peer->state == PEER_DENIED)
		refused[i] |= UINT64_C(1) << region;
	else if (peer->state == PEER_READY)
		ready[i] |= UINT64_C(1) << region;
}

void probes_hear(struct probes *p, const struct gather_worker *workers, size_t n, ev_tstamp now)
{
	uint64_t refused[TREE_SOCKETS_MAX] = {0}, ready[TREE_SOCKETS_MAX] = {0};
	if (p->count > TREE_SOCKETS_MAX)
		return;
	for (size_t w = 0; w < n; w++) {
		const struct board_service *b = &workers[w].seen;
		for (uint32_t k = 0; workers[w].known && k < b->npeers && k < BOARD_PEERS; k++)
			hear(p, &b->peers[k], workers[w].region, refused, ready);
	}
	for (size_t i = 0; i < p->count; i++) {
		struct probe_target *t = &p->target[i];
		bool lost = (refused[i] & ~t->refused_by) != 0 && p->found[i].state == PEER_READY;
		bool found = (ready[i] & ~t->ready_by) != 0 && p->found[i].state != PEER_READY;
		t->refused_by = refused[i];
		t->ready_by = ready[i];
		if (lost || found)
			t->due = now;
	}
}

/* Is anybody listening on exactly that socket? *moved when the name stands for another by now. */
static enum board_peer_state probe_socket(const char *path, struct file_id id, bool *moved)
{
	struct stat st;
	int pin = open(path, O_PATH | O_CLOEXEC);
	if (pin < 0) {
		*moved = errno == ENOENT;
		return errno == EACCES ? PEER_DENIED : PEER_REFUSED;
	}
	if (fstat(pin, &st) < 0 || st.st_ino != id.ino || st.st_dev != id.dev) {
		*moved = true;
		close(pin);
		return PEER_UNTRIED;
	}
	int fd = sock_connect_pinned(pin);
	if (fd < 0 && errno == ENOENT)
		fd = sock_connect_unix(path); /* no /proc here */
	int err = errno;
	close(pin);
	if (fd >= 0) {
		close(fd);
		return PEER_READY;
	}
	/* A full backlog is somebody's, too. */
	return err == EAGAIN ? PEER_READY : err == EACCES ? PEER_DENIED : PEER_REFUSED;
}

static void probe_one(struct gather_probe *found, struct probe_target *t, const struct site *site,
		      const struct tree_socket *s, ev_tstamp now, bool *moved)
{
	char path[PATH_MAX], why[ACCESS_TEXT];
	snprintf(path, sizeof(path), "%s/%s", site->path, s->name);
	found->state = probe_socket(path, s->id, moved);
	mem_free((char *)found->why);
	found->why = NULL;
	if (found->state == PEER_DENIED && !access_check(path, W_OK, why, sizeof(why)))
		found->why = str_dup(str_of(why));
	t->due = 0;
	if (found->state == PEER_READY) {
		t->backoff_ms = 0;
		return;
	}
	t->backoff_ms = t->backoff_ms == 0 ? BACKOFF_FIRST_MS : t->backoff_ms * 2;
	if (t->backoff_ms > BACKOFF_MOST_MS)
		t->backoff_ms = BACKOFF_MOST_MS;
	t->due = now + t->backoff_ms / 1000.0;
}

unsigned probes_run(struct probes *p, const struct site *site, ev_tstamp now, bool *moved)
{
	unsigned done = 0;
	*moved = false;
	for (size_t k = 0; k < site->nsockets; k++) {
		size_t i = find(p, site->sockets[k].id);
		if (i == p->count || p->target[i].due == 0 || p->target[i].due > now)
			continue;
		probe_one(&p->found[i], &p->target[i], site, &site->sockets[k], now, moved);
		done++;
	}
	return done;
}

ev_tstamp probes_due(const struct probes *p)
{
	ev_tstamp due = 0;
	for (size_t i = 0; i < p->count; i++) {
		ev_tstamp t = p->target[i].due;
		if (t != 0 && (due == 0 || t < due))
			due = t;
	}
	return due;
}

void probes_free(struct probes *p)
{
	for (size_t i = 0; i < p->count; i++)
		mem_free((char *)p->found[i].why);
	mem_free(p->found);
	mem_free(p->target);
	*p = (struct probes){0};
}
