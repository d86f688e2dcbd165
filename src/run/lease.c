/* A window is one FIFO whose read end we hold. With a writer its reads give EAGAIN, without one
 * 0; EPOLLHUP comes when the last writer of those that came has gone, and outlives an exec, since
 * it belongs to the open file. A FIFO is opened by its inode, not by its name: opening another one
 * for a blink would let that one's writer through. */
#include "run/lease.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/list.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"

#define FLOOD 65536 /* bytes that are read, and ignored, in one turn */
#define RETRY 1.0   /* seconds: a FIFO that cannot be opened, or removed, is tried again */
#define REST 0.001  /* seconds between turns for a writer that floods */
#define GRACE 1.0   /* seconds for a FIFO from before our start: its writer would be there by now */

enum window_kind { WINDOW_PAUSE, WINDOW_STOP, WINDOWS };
static const char *const kind_name[WINDOWS] = {"pause", "stop"};

enum window_state {
	WINDOW_NEW,
	WINDOW_WANTED, /* it may begin, but could not be opened */
	WINDOW_OPEN,
	WINDOW_OVER, /* it has ended, but the FIFO could not be removed */
};

struct window {
	struct leases *leases;
	struct list node;
	char service[TREE_NAME_MAX + 1];
	char *path;
	enum window_kind kind;
	enum window_state state;
	uint64_t dev, ino;
	int64_t ctime_ns;
	int fd;
	int64_t since_ms; /* monotonic: of the open */
	bool old;         /* the FIFO is from before our start */
	bool flooded;     /* somebody has written into it */
	ev_io io;
	ev_timer timer; /* OPEN: somebody must have come; else: the next try */
};

/* A service has at most two. */
struct pair {
	struct window *window[WINDOWS];
};

struct leases {
	struct ev_loop *loop;
	const struct registry *registry;
	struct map pairs; /* service → struct pair, while it has a window */
	struct list all;
	int64_t started_ms; /* Unix time */
};

static int64_t now_ms(clockid_t clock)
{
	struct timespec ts;
	clock_gettime(clock, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static double window_age(const struct window *w)
{
	return (double)(now_ms(CLOCK_MONOTONIC) - w->since_ms) / 1000.0;
}

static void window_timer(struct window *w, double seconds)
{
	ev_timer_stop(w->leases->loop, &w->timer);
	ev_timer_set(&w->timer, seconds > 0 ? seconds : 0., 0.);
	ev_timer_start(w->leases->loop, &w->timer);
}

static void window_free(struct window *w)
{
	struct leases *l = w->leases;
	struct pair *pair = map_get(&l->pairs, str_of(w->service));
	pair->window[w->kind] = NULL;
	if (pair->window[WINDOW_PAUSE] == NULL && pair->window[WINDOW_STOP] == NULL) {
		map_remove(&l->pairs, str_of(w->service));
		mem_free(pair);
	}
	ev_io_stop(l->loop, &w->io);
	ev_timer_stop(l->loop, &w->timer);
	list_remove(&w->node);
	if (w->fd >= 0)
		close(w->fd);
	mem_free(w->path);
	mem_free(w);
}

/* ---- the end ---- */

/* True when the name stands for this FIFO no more. */
static bool window_unlink(const struct window *w)
{
	struct stat st;
	if (lstat(w->path, &st) < 0)
		return errno == ENOENT || errno == ENOTDIR;
	if (st.st_dev != w->dev || st.st_ino != w->ino)
		return true;
	return unlink(w->path) == 0 || errno == ENOENT;
}

static void window_end(struct window *w)
{
	if (window_unlink(w)) {
		window_free(w);
		return;
	}
	if (w->state != WINDOW_OVER)
		log_error("%s: cannot remove %s: %s; requests are held until it is gone: rm %s",
			  w->service, w->path, strerror(errno), w->path);
	w->state = WINDOW_OVER;
	ev_io_stop(w->leases->loop, &w->io);
	window_timer(w, RETRY);
}

static void log_over(const struct window *w)
{
	log_info("%s: %s window of %.1f s ended: its last writer is gone", w->service,
		 kind_name[w->kind], window_age(w));
}

static void on_readable(struct ev_loop *loop, ev_io *io, int revents)
{
	static char ignored[FLOOD];
	struct window *w = container_of(io, struct window, io);
	(void)revents;
	ssize_t n = read(w->fd, ignored, sizeof(ignored));
	if (n > 0) { /* nobody has to take all of a flood at once */
		w->flooded = true;
		ev_io_stop(loop, io);
		window_timer(w, REST);
	}
	if (n != 0)
		return;
	log_over(w);
	window_end(w);
}

/* ---- the beginning ---- */

static int64_t ns_of(struct statx_timestamp t)
{
	return t.tv_sec * 1000000000 + t.tv_nsec;
}

/* The tree's id of a FIFO has its ctime, or once it was written into its birth. */
static bool is_fifo_of(const struct window *w, int pin)
{
	struct stat st;
	struct statx sx;
	if (fstat(pin, &st) < 0 || !S_ISFIFO(st.st_mode) || st.st_dev != w->dev ||
	    st.st_ino != w->ino ||
	    statx(pin, "", AT_EMPTY_PATH, STATX_CTIME | STATX_BTIME, &sx) < 0)
		return false;
	return ns_of(sx.stx_ctime) == w->ctime_ns ||
	       ((sx.stx_mask & STATX_BTIME) != 0 && ns_of(sx.stx_btime) == w->ctime_ns);
}

/* −1 and errno; ESTALE: the name stands for something else by now. */
static int open_fifo(const struct window *w)
{
	const int flags = O_RDONLY | O_NONBLOCK | O_CLOEXEC;
	char self[32];
	int pin = open(w->path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (pin < 0)
		return -1;
	bool same = is_fifo_of(w, pin);
	snprintf(self, sizeof(self), "/proc/self/fd/%d", pin);
	int fd = same ? open(self, flags) : -1;
	if (same && fd < 0 && errno == ENOENT) /* without /proc */
		fd = open(w->path, flags | O_NOFOLLOW);
	int err = same ? errno : ESTALE;
	close(pin);
	errno = err;
	return fd;
}

/* Seconds that somebody has to open it; 0: for ever. */
static double lease_timeout(const struct window *w)
{
	const struct service *s = registry_find(w->leases->registry, w->service);
	double timeout = s == NULL ? 0. : (double)service_settings(s)->lease_timeout / 1000.0;
	return w->old && timeout > GRACE ? GRACE : timeout;
}

static void window_watch(struct window *w)
{
	double timeout = lease_timeout(w);
	w->state = WINDOW_OPEN;
	ev_io_set(&w->io, w->fd, EV_READ);
	ev_io_start(w->leases->loop, &w->io);
	if (timeout > 0)
		window_timer(w, timeout - window_age(w));
}

static void window_open(struct window *w)
{
	w->fd = open_fifo(w);
	if (w->fd >= 0) {
		w->since_ms = now_ms(CLOCK_MONOTONIC);
		log_info("%s: %s window opened: requests are held, nothing is in flight",
			 w->service, kind_name[w->kind]);
		window_watch(w);
		return;
	}
	if (errno == ENOENT || errno == ELOOP || errno == ESTALE) {
		window_free(w); /* the tree will tell of it in a moment */
		return;
	}
	if (w->state == WINDOW_NEW)
		log_error("%s: cannot open %s: %s; whoever opens it for writing waits meanwhile",
			  w->service, w->path, strerror(errno));
	w->state = WINDOW_WANTED;
	window_timer(w, RETRY);
}

/* Is anybody there? Bytes that were written count as somebody. */
static bool has_writer(const struct window *w)
{
	char byte;
	return read(w->fd, &byte, 1) != 0;
}

static void on_timer(struct ev_loop *loop, ev_timer *timer, int revents)
{
	struct window *w = container_of(timer, struct window, timer);
	(void)revents;
	if (w->state == WINDOW_WANTED) {
		window_open(w);
		return;
	}
	if (has_writer(w)) {
		if (w->state == WINDOW_OVER)
			window_watch(w); /* it came while the FIFO could not be removed */
		ev_io_start(loop, &w->io);
		return;
	}
	if (w->state == WINDOW_OPEN && w->flooded)
		log_over(w);
	else if (w->state == WINDOW_OPEN)
		log_warn("%s: %s removed: nobody opened the FIFO for writing within %.1f s "
			 "(lease_timeout)",
			 w->service, kind_name[w->kind], window_age(w));
	window_end(w);
}

static struct window *window_new(struct leases *l, const char *service, enum window_kind kind,
				 const char *dir)
{
	struct window *w = mem_new(struct window);
	struct pair *pair = map_get(&l->pairs, str_of(service));
	char path[PATH_MAX];
	if (pair == NULL) {
		pair = mem_new(struct pair);
		map_put(&l->pairs, str_of(service), pair);
	}
	pair->window[kind] = w;
	snprintf(path, sizeof(path), "%s/%s", dir, kind_name[kind]);
	w->leases = l;
	w->kind = kind;
	w->fd = -1;
	w->path = str_dup(str_of(path));
	str_copy(w->service, sizeof(w->service), str_of(service));
	ev_init(&w->io, on_readable);
	ev_init(&w->timer, on_timer);
	list_push_back(&l->all, &w->node);
	return w;
}

/* ---- what is told ---- */

static void window_lost(struct window *w, const char *what)
{
	if (w->state == WINDOW_OPEN)
		log_info("%s: %s window of %.1f s ended: %s", w->service, kind_name[w->kind],
			 window_age(w), what);
	window_free(w);
}

static bool is_same(struct file_id a, struct file_id b)
{
	return a.ino == b.ino && a.ctime_ns == b.ctime_ns;
}

static void see_one(struct leases *l, enum window_kind kind, const struct site *site,
		    const struct status *now)
{
	bool stop = kind == WINDOW_STOP;
	struct file_id id = stop ? site->stop : site->pause;
	bool leased = (stop ? site->stop_leased : site->pause_leased) && id.ino != 0;
	const struct pair *pair = map_get(&l->pairs, str_of(site->name));
	struct window *w = pair == NULL ? NULL : pair->window[kind];
	if (w != NULL && (!leased || w->ino != id.ino || w->dev != id.dev)) {
		window_lost(w, id.ino == 0 ? site->refused ? "the FIFO is not honoured any more"
							   : "the FIFO was removed"
					   : "another file took its place");
		w = NULL;
	}
	if (w != NULL || !leased || now->in_flight != 0 || now->draining != 0 ||
	    !is_same(stop ? now->stop : now->pause, id))
		return;
	w = window_new(l, site->name, kind, site->path);
	w->dev = id.dev;
	w->ino = id.ino;
	w->ctime_ns = id.ctime_ns;
	w->old = id.ctime_ns / 1000000 < l->started_ms;
	window_open(w);
}

void leases_see(void *user, const struct site *site, const struct status *now)
{
	see_one(user, WINDOW_PAUSE, site, now);
	see_one(user, WINDOW_STOP, site, now);
}

void leases_gone(struct leases *l, const char *service)
{
	for (int kind = 0; kind < WINDOWS; kind++) {
		const struct pair *pair = map_get(&l->pairs, str_of(service));
		if (pair != NULL && pair->window[kind] != NULL)
			window_lost(pair->window[kind], "the service was removed");
	}
}

/* ---- life ---- */

struct leases *leases_new(struct ev_loop *loop, const struct registry *registry)
{
	struct leases *l = mem_new(struct leases);
	l->loop = loop;
	l->registry = registry;
	l->started_ms = now_ms(CLOCK_REALTIME);
	list_init(&l->all);
	return l;
}

void leases_free(struct leases *l)
{
	struct list *first;
	while ((first = list_first(&l->all)) != NULL)
		window_free(container_of(first, struct window, node));
	map_free(&l->pairs);
	mem_free(l);
}

void leases_leave(const struct leases *l, struct estate *e)
{
	e->nleases = 0;
	for (const struct list *n = l->all.next; n != &l->all; n = n->next) {
		const struct window *w = container_of(n, struct window, node);
		if (w->fd < 0)
			continue;
		e->leases = mem_grow(e->leases, (e->nleases + 1) * sizeof(e->leases[0]));
		struct estate_lease *to = &e->leases[e->nleases++];
		*to = (struct estate_lease){
			.fd = w->fd, .stop = w->kind == WINDOW_STOP, .since_ms = w->since_ms};
		str_copy(to->service, sizeof(to->service), str_of(w->service));
	}
}

static void take_one(struct leases *l, const char *services_dir, const struct estate_lease *from)
{
	enum window_kind kind = from->stop ? WINDOW_STOP : WINDOW_PAUSE;
	const struct pair *pair = map_get(&l->pairs, str_of(from->service));
	char dir[PATH_MAX];
	struct stat st;
	if (fstat(from->fd, &st) < 0 || !S_ISFIFO(st.st_mode) ||
	    (pair != NULL && pair->window[kind] != NULL)) {
		close(from->fd);
		return;
	}
	snprintf(dir, sizeof(dir), "%s/%s", services_dir, from->service);
	struct window *w = window_new(l, from->service, kind, dir);
	w->dev = st.st_dev;
	w->ino = st.st_ino;
	w->fd = from->fd;
	w->since_ms = from->since_ms;
	window_watch(w);
}

void leases_take(struct leases *l, const char *services_dir, struct estate *e)
{
	for (size_t i = 0; i < e->nleases; i++)
		take_one(l, services_dir, &e->leases[i]);
	e->nleases = 0;
}
