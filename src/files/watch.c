/* inotify: reads its queue in batches and hands each event to the directory's owners. Watch
 * descriptors are found by hash; two owners of one inode share a descriptor and lie in the same
 * bucket. */
#include "files/watch.h"

#include <errno.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/mem.h"

#define BUCKETS 4096
#define READ_SIZE 65536
#define READS_A_TURN 16 /* then others of the loop have their turn */

#define MASK_NAMES                                                                                 \
	(IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_DELETE_SELF | IN_MOVE_SELF)
#define MASK_WRITES (IN_CLOSE_WRITE | IN_ATTRIB)

struct watch {
	struct ev_loop *loop;
	ev_io io;
	const struct watch_events *events;
	void *user;
	int fd;
	struct list buckets[BUCKETS];
	_Alignas(struct inotify_event) char room[READ_SIZE];
};

static struct list *bucket(struct watch *w, int wd)
{
	return &w->buckets[(unsigned)wd % BUCKETS];
}

static unsigned meaning(uint32_t mask)
{
	unsigned what = 0;
	if ((mask & IN_CREATE) != 0)
		what |= WATCH_CREATED;
	if ((mask & IN_MOVED_TO) != 0)
		what |= WATCH_MOVED_IN;
	if ((mask & (IN_DELETE | IN_MOVED_FROM)) != 0)
		what |= WATCH_REMOVED;
	if ((mask & IN_CLOSE_WRITE) != 0)
		what |= WATCH_WRITTEN;
	if ((mask & IN_ATTRIB) != 0)
		what |= WATCH_CHANGED;
	if ((mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED | IN_UNMOUNT)) != 0)
		what |= WATCH_SELF;
	return what;
}

static void dispatch(struct watch *w, const struct inotify_event *e)
{
	if ((e->mask & IN_Q_OVERFLOW) != 0) {
		w->events->lost(w->user);
		return;
	}
	unsigned what = meaning(e->mask);
	list_for_each_safe (it, bucket(w, e->wd)) {
		struct watch_dir *d = container_of(it, struct watch_dir, node);
		if (d->wd != e->wd)
			continue;
		if ((e->mask & IN_IGNORED) != 0) { /* the kernel has dropped it */
			list_remove(&d->node);
			d->wd = -1;
		}
		w->events->entry(w->user, d, e->len > 0 ? e->name : "", what);
	}
}

static bool read_batch(struct watch *w)
{
	ssize_t n = read(w->fd, w->room, sizeof(w->room));
	if (n <= 0)
		return n < 0 && errno == EINTR;
	for (char *p = w->room; p < w->room + n;) {
		const struct inotify_event *e = (const struct inotify_event *)(void *)p;
		dispatch(w, e);
		p += sizeof(*e) + e->len;
	}
	return true;
}

static void on_readable(struct ev_loop *loop, ev_io *io, int revents)
{
	struct watch *w = container_of(io, struct watch, io);
	(void)loop;
	(void)revents;
	for (int i = 0; i < READS_A_TURN && read_batch(w); i++)
		;
	w->events->done(w->user);
}

struct watch *watch_new(struct ev_loop *loop, const struct watch_events *events, void *user)
{
	int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (fd < 0)
		return NULL;
	struct watch *w = mem_new(struct watch);
	w->loop = loop;
	w->events = events;
	w->user = user;
	w->fd = fd;
	for (size_t i = 0; i < BUCKETS; i++)
		list_init(&w->buckets[i]);
	ev_io_init(&w->io, on_readable, fd, EV_READ);
	ev_set_priority(&w->io, EV_MAXPRI); /* a handoff is seen before the requests of this turn */
	ev_io_start(loop, &w->io);
	return w;
}

void watch_free(struct watch *w)
{
	if (w == NULL)
		return;
	for (size_t i = 0; i < BUCKETS; i++) {
		for (struct list *n; (n = list_pop_front(&w->buckets[i])) != NULL;)
			container_of(n, struct watch_dir, node)->wd = -1;
	}
	ev_io_stop(w->loop, &w->io);
	close(w->fd);
	mem_free(w);
}

void watch_dir_init(struct watch_dir *d)
{
	list_init(&d->node);
	d->wd = -1;
}

bool watch_add(struct watch *w, struct watch_dir *d, const char *path, bool writes)
{
	uint32_t mask = MASK_NAMES | IN_ONLYDIR | IN_MASK_ADD | (writes ? MASK_WRITES : 0);
	int wd = inotify_add_watch(w->fd, path, mask);
	if (wd >= 0 && wd == d->wd)
		return true;
	int saved = errno;
	watch_drop(w, d);
	errno = saved;
	if (wd < 0)
		return false;
	d->wd = wd;
	list_push_back(bucket(w, wd), &d->node);
	return true;
}

void watch_drop(struct watch *w, struct watch_dir *d)
{
	int wd = d->wd;
	if (wd < 0)
		return;
	list_remove(&d->node);
	d->wd = -1;
	list_for_each (it, bucket(w, wd)) {
		if (container_of(it, struct watch_dir, node)->wd == wd)
			return; /* another owner of the same directory */
	}
	inotify_rm_watch(w->fd, wd);
}
