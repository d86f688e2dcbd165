/* Which directories are watched for a site: its own, and those of its groups while they are there.
 * What cannot be watched is seen by the slow round. */
#include <errno.h>

#include "base/log.h"
#include "base/mem.h"
#include "tree_internal.h"

void tree_warn_watches(struct tree *t, const char *limit, int why)
{
	if (t->warned_watches)
		return;
	t->warned_watches = true;
	log_warn("%s: cannot be watched for changes (%s): raise it with sysctl -w fs.inotify.%s=N; "
		 "until then changes are seen every 2 s",
		 t->path, strerror(why), limit);
}

static bool watch_path(struct tree *t, struct place *p, const char *path)
{
	bool ok = watch_add(t->watch, &p->watch, path, true);
	if (!ok && (errno == ENOSPC || errno == ENOMEM))
		tree_warn_watches(t, "max_user_watches", errno);
	return ok;
}

void tree_watch_site(struct tree *t, struct node *n)
{
	if (t->watch == NULL || (!n->rewatch && n->main.watch.wd >= 0))
		return;
	n->rewatch = false;
	watch_path(t, &n->main, n->site.path);
}

static bool watch_group(struct tree *t, struct node *n, struct place *p)
{
	struct buf path = {0};
	if (t->watch == NULL)
		return false;
	buf_printf(&path, "%s/%s", n->site.path, tree_group_dirs[p->group]);
	buf_append(&path, "", 1);
	bool ok = watch_path(t, p, path.data + path.head);
	buf_free(&path);
	return ok;
}

static void drop_group(struct tree *t, struct node *n, enum tree_group g)
{
	struct place *p = n->groups[g];
	if (p == NULL)
		return;
	if (t->watch != NULL)
		watch_drop(t->watch, &p->watch);
	mem_free(p);
	n->groups[g] = NULL;
}

static struct place *get_group(struct node *n, enum tree_group g)
{
	struct place *p = n->groups[g];
	if (p != NULL)
		return p;
	p = mem_new(struct place);
	watch_dir_init(&p->watch);
	p->node = n;
	p->group = g;
	n->groups[g] = p;
	return p;
}

bool tree_watch_groups(struct tree *t, struct node *n, const struct snapshot *s)
{
	bool again = false;
	for (enum tree_group g = GROUP_MAIN + 1; g < GROUPS; g++) {
		const struct file_id *dir = &s->group_dir[g];
		if (dir->ino == 0) {
			drop_group(t, n, g);
			continue;
		}
		struct place *p = get_group(n, g);
		bool watched = p->watch.wd >= 0 && file_id_equal(&p->dir, dir);
		p->dir = *dir;
		if (!watched)
			again |= watch_group(t, n, p);
	}
	return again;
}

void tree_watch_missing(struct tree *t, struct node *n)
{
	if (n->main.watch.wd < 0)
		tree_watch_site(t, n);
	for (int g = 0; g < GROUPS; g++) {
		if (n->groups[g] != NULL && n->groups[g]->watch.wd < 0)
			watch_group(t, n, n->groups[g]);
	}
}

void tree_unwatch(struct tree *t, struct node *n)
{
	if (t->watch != NULL)
		watch_drop(t->watch, &n->main.watch);
	for (enum tree_group g = GROUP_MAIN; g < GROUPS; g++)
		drop_group(t, n, g);
}

unsigned tree_count_unwatched(const struct node *n)
{
	unsigned count = n->main.watch.wd < 0;
	for (int g = 0; g < GROUPS; g++)
		count += n->groups[g] != NULL && n->groups[g]->watch.wd < 0;
	return count;
}
