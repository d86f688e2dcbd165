/* The handover: lines of "key value…". A key that a reader does not know is skipped; one that
 * it needs and does not find makes it give up, while nothing has been changed yet. */
#include "run/estate.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "net/sock.h"

#define ESTATE_MAX (1u << 20)

static int tickets_fd(const struct estate *e)
{
	return e->tickets == NULL ? -1 : tls_tickets_fd(e->tickets);
}

static void each_fd(const struct estate *e, bool cloexec)
{
	const int fds[] = {e->board_fd, e->lock_fd, e->life[0], e->life[1],
			   e->news[0],  e->news[1], e->log_fd,  tickets_fd(e)};
	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
		if (fds[i] > 2)
			sock_set_cloexec(fds[i], cloexec);
	}
	for (size_t i = 0; i < e->nlisteners; i++)
		sock_set_cloexec(e->listeners[i].fd, cloexec);
	for (size_t i = 0; i < e->nleases; i++)
		sock_set_cloexec(e->leases[i].fd, cloexec);
}

static void format(const struct estate *e, struct buf *b)
{
	buf_printf(b, "handover 1\ngeneration %u\nslots %u\nboard %d\nlock %d\n", e->generation,
		   e->slots, e->board_fd, e->lock_fd);
	if (e->tickets != NULL)
		buf_printf(b, "tickets %d\n", tickets_fd(e));
	buf_printf(b, "life %d %d\nnews %d %d\nlog %d %s\n", e->life[0], e->life[1], e->news[0],
		   e->news[1], e->log_fd, e->log_path);
	for (size_t i = 0; i < e->nlisteners; i++) {
		const struct listen_socket *l = &e->listeners[i];
		buf_printf(b, "listener %d %u %d %s\n", l->fd, l->slot, l->tls, l->address);
	}
	for (size_t i = 0; i < e->nworkers; i++) {
		const struct estate_worker *w = &e->workers[i];
		buf_printf(b, "worker %ld %u %u %u %d\n", w->pid, w->region, w->slot, w->generation,
			   w->retiring);
	}
	for (size_t i = 0; i < e->nleases; i++) {
		const struct estate_lease *l = &e->leases[i];
		buf_printf(b, "lease %d %s %s %" PRId64 "\n", l->fd, l->stop ? "stop" : "pause",
			   l->service, l->since_ms);
	}
	buf_printf(b, "end\n");
}

int estate_write(const struct estate *e)
{
	struct buf b = {0};
	int fd = memfd_create("kamal-proxy-handover", 0);
	if (fd < 0)
		return -1;
	format(e, &b);
	ssize_t n = pwrite(fd, b.data + b.head, buf_used(&b), 0);
	bool whole = n >= 0 && (size_t)n == buf_used(&b);
	buf_free(&b);
	if (!whole) {
		close(fd);
		errno = ENOSPC;
		return -1;
	}
	each_fd(e, false);
	return fd;
}

void estate_keep(const struct estate *e)
{
	each_fd(e, true);
}

static bool read_listener(struct estate *e, const char *line)
{
	struct listen_socket l = {0};
	int tls;
	if (sscanf(line, "listener %d %u %d %79[^\n]", &l.fd, &l.slot, &tls, l.address) != 4)
		return false;
	l.tls = tls != 0;
	e->listeners = mem_grow(e->listeners, (e->nlisteners + 1) * sizeof(l));
	e->listeners[e->nlisteners++] = l;
	return true;
}

static bool read_worker(struct estate *e, const char *line)
{
	struct estate_worker w = {0};
	int retiring;
	if (sscanf(line, "worker %ld %u %u %u %d", &w.pid, &w.region, &w.slot, &w.generation,
		   &retiring) != 5)
		return false;
	w.retiring = retiring != 0;
	e->workers = mem_grow(e->workers, (e->nworkers + 1) * sizeof(w));
	e->workers[e->nworkers++] = w;
	return true;
}

static bool read_lease(struct estate *e, const char *line)
{
	struct estate_lease l = {0};
	char kind[8];
	if (sscanf(line, "lease %d %7s %63s %" SCNd64, &l.fd, kind, l.service, &l.since_ms) != 4)
		return false;
	l.stop = strcmp(kind, "stop") == 0;
	e->leases = mem_grow(e->leases, (e->nleases + 1) * sizeof(l));
	e->leases[e->nleases++] = l;
	return true;
}

enum {
	HAS_VERSION = 1,
	HAS_GENERATION = 2,
	HAS_SLOTS = 4,
	HAS_BOARD = 8,
	HAS_LOCK = 16,
	HAS_LIFE = 32,
	HAS_NEWS = 64,
	HAS_LOG = 128,
	HAS_END = 256,
	HAS_ALL = 511,
};

/* What the line gave; 0: not known (skipped); −1: it is not as it should be. */
static int read_line(struct estate *e, const char *line)
{
	int path = 0, tickets;
	unsigned version;
	if (strncmp(line, "listener ", 9) == 0)
		return read_listener(e, line) ? 0 : -1;
	if (strncmp(line, "worker ", 7) == 0)
		return read_worker(e, line) ? 0 : -1;
	if (strncmp(line, "lease ", 6) == 0)
		return read_lease(e, line) ? 0 : -1;
	if (sscanf(line, "handover %u", &version) == 1)
		return version == 1 ? HAS_VERSION : -1;
	if (sscanf(line, "generation %u", &e->generation) == 1)
		return HAS_GENERATION;
	if (sscanf(line, "slots %u", &e->slots) == 1)
		return e->slots > 0 && e->slots <= BOARD_SLOTS ? HAS_SLOTS : -1;
	if (sscanf(line, "board %d", &e->board_fd) == 1)
		return HAS_BOARD;
	if (sscanf(line, "lock %d", &e->lock_fd) == 1)
		return HAS_LOCK;
	if (sscanf(line, "tickets %d", &tickets) == 1) {
		e->tickets = tls_tickets_attach(tickets);
		return 0;
	}
	if (sscanf(line, "life %d %d", &e->life[0], &e->life[1]) == 2)
		return HAS_LIFE;
	if (sscanf(line, "news %d %d", &e->news[0], &e->news[1]) == 2)
		return HAS_NEWS;
	if (sscanf(line, "log %d %n", &e->log_fd, &path) == 1 && path > 0) {
		mem_free(e->log_path);
		e->log_path = str_dup(str_of(line + path));
		return HAS_LOG;
	}
	return strcmp(line, "end") == 0 ? HAS_END : 0;
}

bool estate_read(int fd, struct estate *e)
{
	char *text = mem_zero(ESTATE_MAX + 1), *rest = text, *line;
	ssize_t n = pread(fd, text, ESTATE_MAX, 0);
	int has = 0;
	*e = (struct estate){.board_fd = -1, .lock_fd = -1, .log_fd = -1};
	close(fd);
	while (n > 0 && has >= 0 && (line = strsep(&rest, "\n")) != NULL) {
		int got = read_line(e, line);
		has = got < 0 ? -1 : has | got;
	}
	mem_free(text);
	if (has != HAS_ALL || e->nlisteners == 0) {
		estate_free(e);
		return false;
	}
	each_fd(e, true);
	return true;
}

void estate_free(struct estate *e)
{
	tls_tickets_free(e->tickets);
	e->tickets = NULL;
	mem_free(e->listeners);
	mem_free(e->workers);
	mem_free(e->leases);
	mem_free(e->log_path);
	e->listeners = NULL;
	e->workers = NULL;
	e->leases = NULL;
	e->log_path = NULL;
	e->nlisteners = e->nworkers = e->nleases = 0;
}
