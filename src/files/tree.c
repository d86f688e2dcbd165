/* The services directory itself: opened, watched, replaced whole or gone; and the table of its
 * sites. */
#include "files/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "files/settings.h"
#include "tree_internal.h"

#define WARNED_MAX 100

static void tell_once(struct tree *t, const char *name)
{
	struct stat st;
	if (t->events->misnamed == NULL || t->root < 0 || fstatat(t->root, name, &st, 0) < 0 ||
	    !S_ISDIR(st.st_mode) || t->warned.count >= WARNED_MAX ||
	    map_get(&t->warned, str_of(name)) != NULL)
		return;
	map_put(&t->warned, str_of(name), t);
	t->events->misnamed(t->user, name);
}

struct node *tree_node(struct tree *t, const char *name)
{
	struct node *n = map_get(&t->sites, str_of(name));
	if (n != NULL || name[0] == '.' || name[0] == '\0')
		return n;
	if (!settings_is_service_name(str_of(name))) {
		tell_once(t, name);
		return NULL;
	}
	n = mem_new(struct node);
	str_copy(n->site.name, sizeof(n->site.name), str_of(name));
	struct buf path = {0};
	buf_printf(&path, "%s/%s", t->path, name);
	n->site.path = str_dup(buf_str(&path));
	buf_free(&path);
	list_init(&n->queue);
	watch_dir_init(&n->main.watch);
	n->main.node = n;
	n->site.hold_ms = TREE_HOLD_UNSAID;
	holds_init(&n->holds);
	n->rewatch = true;
	map_put(&t->sites, str_of(name), n);
	return n;
}

static void node_free(struct node *n)
{
	tree_unqueue(n);
	mem_free(n->site.path);
	mem_free(n->site.sockets);
	mem_free(n->site.stop_message);
	mem_free(n->site.error);
	for (int g = 0; g < GROUPS; g++)
		mem_free(n->groups[g]);
	holds_fini(&n->holds);
	mem_free(n);
}

void tree_drop_node(struct tree *t, struct node *n)
{
	tree_unwatch(t, n);
	map_remove(&t->sites, str_of(n->site.name));
	if (n->known) {
		t->busy = true;
		t->events->gone(t->user, &n->site);
		t->busy = false;
	}
	node_free(n);
}

static void queue_all(struct tree *t)
{
	for (size_t i = 0; i < t->sites.cap; i++) {
		struct node *n = t->sites.slots[i].value;
		if (n == NULL)
			continue;
		n->rewatch = true;
		tree_queue(t, n);
	}
}

static void watch_root(struct tree *t)
{
	if (t->watch == NULL)
		return;
	if (!watch_add(t->watch, &t->root_watch, t->path, true) && errno == ENOSPC)
		tree_warn_watches(t, "max_user_watches", errno);
	watch_add(t->watch, &t->parent_watch, t->parent, false); /* without it the round sees */
}

static bool root_is_same(const struct tree *t)
{
	struct stat st;
	return t->root >= 0 && stat(t->path, &st) == 0 && st.st_dev == t->root_id.dev &&
	       st.st_ino == t->root_id.ino;
}

/* The directory that has the path now. 0, or −1 with errno: the old one stays. */
static int open_root(struct tree *t)
{
	struct stat st;
	int fd = open(t->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	if (fstat(fd, &st) < 0) {
		close(fd);
		return -1;
	}
	if (t->root >= 0)
		close(t->root);
	t->root = fd;
	t->root_id = (struct file_id){.dev = st.st_dev, .ino = st.st_ino};
	t->root_settled = false;
	return 0;
}

/* Gone: all services go; come back or replaced: all is looked at. */
void tree_check_root(struct tree *t)
{
	t->root_stale = false;
	watch_root(t);
	if (root_is_same(t))
		return;
	bool was_there = t->root >= 0;
	if (open_root(t) == 0) {
		log_info("%s: the directory is %s, looking at all of it", t->path,
			 was_there ? "another" : "back");
		queue_all(t);
		tree_list_all(t);
		return;
	}
	if (!was_there || (errno != ENOENT && errno != ENOTDIR))
		return;
	log_error("%s: the directory is gone, and with it all services; put it back", t->path);
	close(t->root);
	t->root = -1;
	queue_all(t);
}

static void set_path(struct tree *t, const char *services_dir)
{
	struct str path = str_of(services_dir);
	while (path.n > 1 && path.p[path.n - 1] == '/')
		path.n--;
	t->path = str_dup(path);
	size_t slash = path.n;
	while (slash > 0 && path.p[slash - 1] != '/')
		slash--;
	t->base = str_dup(str_make(path.p + slash, path.n - slash));
	t->parent = slash == 0   ? str_dup(STR("."))
		    : slash == 1 ? str_dup(STR("/"))
				 : str_dup(str_make(path.p, slash - 1));
}

struct tree *tree_open(struct ev_loop *loop, const char *services_dir,
		       const struct tree_events *events, void *user)
{
	struct tree *t = mem_new(struct tree);
	t->loop = loop;
	t->events = events;
	t->user = user;
	t->root = -1;
	set_path(t, services_dir);
	watch_dir_init(&t->root_watch);
	watch_dir_init(&t->parent_watch);
	tree_queue_init(t);
	if (loop != NULL) {
		t->watch = watch_new(loop, &tree_watch_events, t);
		if (t->watch == NULL)
			tree_warn_watches(t, "max_user_instances", errno);
	}
	tree_round_init(t);
	watch_root(t); /* first: what changes from here on gives an event */
	if (open_root(t) < 0) {
		int saved = errno;
		tree_close(t);
		errno = saved;
		return NULL;
	}
	tree_list_all(t);
	tree_run_pending(t, 1e9);
	return t;
}

void tree_close(struct tree *t)
{
	if (t == NULL)
		return;
	/* First and as a whole: after a fork the queue is shared, and single removals would be felt. */
	watch_free(t->watch);
	tree_queue_fini(t);
	tree_round_fini(t);
	for (size_t i = 0; i < t->sites.cap; i++) {
		if (t->sites.slots[i].value != NULL)
			node_free(t->sites.slots[i].value);
	}
	map_free(&t->sites);
	map_free(&t->warned);
	if (t->root >= 0)
		close(t->root);
	mem_free(t->path);
	mem_free(t->parent);
	mem_free(t->base);
	mem_free(t);
}

void tree_look(struct tree *t, struct site *site)
{
	struct node *n = container_of(site, struct node, site);
	tree_queue(t, n);
	if (t->loop == NULL && !t->busy)
		tree_run_pending(t, 1e9);
}

struct site *tree_find(const struct tree *t, const char *name)
{
	struct node *n = map_get(&t->sites, str_of(name));
	return n != NULL && n->known ? &n->site : NULL;
}

struct site *tree_next(const struct tree *t, size_t *i)
{
	void *value;
	while (map_next(&t->sites, i, &value)) {
		struct node *n = value;
		if (n->known)
			return &n->site;
	}
	return NULL;
}

struct tree_stats tree_stats(const struct tree *t)
{
	struct tree_stats stats = t->stats;
	void *value;
	stats.unwatched = 0;
	for (size_t i = 0; map_next(&t->sites, &i, &value);)
		stats.unwatched += tree_count_unwatched(value);
	return stats;
}
