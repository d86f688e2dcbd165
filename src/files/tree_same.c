/* Whether a site is still as it was last seen, at the price of a stat for each file that it has. */
#include <fcntl.h>
#include <stdio.h>

#include "tree_internal.h"

static bool is_same_file(int root, const char *dir, const char *name, const struct file_id *id,
			 int flags)
{
	char path[TREE_NAME_MAX + TREE_SOCKET_NAME_MAX + 2];
	struct stat st;
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	if (fstatat(root, path, &st, flags) < 0)
		return false;
	struct file_id now = file_id_of(&st);
	if (flags == 0) /* an instance: chmod and chown are no handoff */
		now.ctime_ns = id->ctime_ns;
	return file_id_equal(&now, id);
}

static bool is_same_dir(int root, const char *path, int flags, const struct file_id *id,
			int64_t mtime_ns)
{
	struct stat st;
	return fstatat(root, path, &st, flags) == 0 && st.st_dev == id->dev &&
	       st.st_ino == id->ino && tree_ns(st.st_mtim) == mtime_ns;
}

static bool are_same_groups(int root, const struct node *n)
{
	for (int g = 0; g < GROUPS; g++) {
		const struct place *p = n->groups[g];
		char path[TREE_NAME_MAX + 32];
		if (p == NULL)
			continue;
		snprintf(path, sizeof(path), "%s/%s", n->site.name, tree_group_dirs[g]);
		if (!is_same_dir(root, path, AT_SYMLINK_NOFOLLOW, &p->dir, p->mtime_ns))
			return false;
	}
	return true;
}

/* Links followed: what they lead to may lie anywhere, and gives no event. */
static bool certificate_is_same(int root, const struct site *s)
{
	char path[TREE_NAME_MAX + 16];
	struct stat st;
	if (s->tls_pem.ino == 0)
		return true;
	snprintf(path, sizeof(path), "%s/" TREE_CERTIFICATE, s->name);
	if (fstatat(root, path, &st, 0) < 0)
		return false;
	struct file_id now = file_id_of(&st);
	return file_id_equal(&now, &s->tls_pem);
}

bool tree_is_same(const struct tree *t, const struct node *n)
{
	const struct site *s = &n->site;
	if (!n->settled || t->root < 0 ||
	    !is_same_dir(t->root, s->name, 0, &s->dir, n->main.mtime_ns) ||
	    !are_same_groups(t->root, n))
		return false;
	const struct {
		const char *name;
		const struct file_id *id;
	} files[] = {{tree_settings_names[SETTINGS_INI], &s->ini},
		     {tree_settings_names[SETTINGS_HOSTS], &s->hosts},
		     {tree_settings_names[SETTINGS_ROLLOUT], &s->rollout_ini},
		     {tree_hold_names[HOLD_PAUSE], &s->pause},
		     {tree_hold_names[HOLD_STOP], &s->stop}};
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		if (files[i].id->ino != 0 && !is_same_file(t->root, s->name, files[i].name,
							   files[i].id, AT_SYMLINK_NOFOLLOW))
			return false;
	}
	if (!certificate_is_same(t->root, s))
		return false;
	for (size_t i = 0; n->links && i < s->nsockets; i++) {
		if (!is_same_file(t->root, s->name, s->sockets[i].name, &s->sockets[i].id, 0))
			return false;
	}
	return true;
}
