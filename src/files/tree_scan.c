/* Reads one service's directory: which names stand for instances, settings and states, and what is
 * there that will not be honoured. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "tree_internal.h"

#define ERRORS_MAX 1000

bool file_id_equal(const struct file_id *a, const struct file_id *b)
{
	return a->dev == b->dev && a->ino == b->ino && a->ctime_ns == b->ctime_ns;
}

static struct file_id id_of(const struct stat *st)
{
	return (struct file_id){
		.dev = st->st_dev, .ino = st->st_ino, .ctime_ns = tree_ns(st->st_ctim)};
}

static const char *kind_of(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG: return "a regular file";
	case S_IFDIR: return "a directory";
	case S_IFLNK: return "a symbolic link";
	case S_IFIFO: return "a FIFO";
	case S_IFSOCK: return "a socket";
	default: return "a device";
	}
}

static void report(struct snapshot *s, const char *name, const char *what, const char *advice)
{
	if (buf_used(&s->error) > ERRORS_MAX)
		return;
	buf_printf(&s->error, "%s%s %s; %s", buf_used(&s->error) > 0 ? "; " : "", name, what,
		   advice);
}

static bool is_printable(const char *name)
{
	for (const char *p = name; *p != '\0'; p++) {
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			return false;
	}
	return true;
}

static void add_socket(struct snapshot *s, const char *name, const struct stat *st)
{
	if ((s->nsockets & (s->nsockets - 1)) == 0)
		s->sockets = mem_grow(s->sockets, (s->nsockets == 0 ? 1 : s->nsockets * 2) *
							  sizeof(s->sockets[0]));
	struct tree_socket *k = &s->sockets[s->nsockets++];
	snprintf(k->name, sizeof(k->name), "%s", name);
	k->id = id_of(st);
}

static void scan_socket(struct snapshot *s, int dir, const struct dirent64 *e)
{
	struct stat st;
	bool link = e->d_type == DT_LNK ||
		    (e->d_type == DT_UNKNOWN &&
		     fstatat(dir, e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode));
	s->links |= link;
	if (!is_printable(e->d_name)) {
		report(s, "a socket's name", "holds a control character", "rename it");
		return;
	}
	if (fstatat(dir, e->d_name, &st, 0) < 0) {
		s->unsettled |= link;
		if (errno != ENOENT)
			report(s, e->d_name, "cannot be reached", strerror(errno));
		return;
	}
	if (S_ISSOCK(st.st_mode)) {
		add_socket(s, e->d_name, &st);
		return;
	}
	char what[64];
	snprintf(what, sizeof(what), "is %s, not a socket", kind_of(st.st_mode));
	report(s, e->d_name, what, "rename the app's listening socket there");
	s->unsettled |= link;
}

static void scan_settings(struct snapshot *s, int dir, const char *name, int which)
{
	struct stat st;
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return;
	if (!S_ISREG(st.st_mode)) {
		char what[64];
		snprintf(what, sizeof(what), "is %s and is not read", kind_of(st.st_mode));
		report(s, name, what, "rename a regular file there");
		s->refused[which] = true;
		return;
	}
	s->settings[which] = id_of(&st);
	s->mtime_ns[which] = tree_ns(st.st_mtim);
}

static void scan_state(struct snapshot *s, int dir, const char *name, struct file_id *id)
{
	struct stat st;
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return;
	if (!S_ISREG(st.st_mode) && !S_ISFIFO(st.st_mode)) {
		char what[64];
		snprintf(what, sizeof(what), "is %s and is not honoured", kind_of(st.st_mode));
		report(s, name, what, "make it a regular file or a FIFO");
		return;
	}
	*id = id_of(&st);
	report(s, name, "is not built yet in this version", "ignored");
}

static bool is_unbuilt(const char *name)
{
	return strcmp(name, "read") == 0 || strcmp(name, "rollout") == 0 ||
	       strcmp(name, "rollout.ini") == 0 || str_has_suffix(str_of(name), STR(".tcp"));
}

static void scan_entry(struct snapshot *s, int dir, const struct dirent64 *e)
{
	const char *name = e->d_name;
	if (name[0] == '.')
		return;
	if (str_has_suffix(str_of(name), STR(".sock")))
		scan_socket(s, dir, e);
	else if (strcmp(name, "service.ini") == 0)
		scan_settings(s, dir, name, SETTINGS_INI);
	else if (strcmp(name, "hosts") == 0)
		scan_settings(s, dir, name, SETTINGS_HOSTS);
	else if (strcmp(name, "pause") == 0)
		scan_state(s, dir, name, &s->pause);
	else if (strcmp(name, "stop") == 0)
		scan_state(s, dir, name, &s->stop);
	else if (is_unbuilt(name) && is_printable(name))
		report(s, name, "is not built yet in this version", "ignored");
}

static int scan_entries(struct snapshot *s, int dir)
{
	_Alignas(struct dirent64) char room[16384];
	ssize_t n;
	while ((n = getdents64(dir, room, sizeof(room))) > 0) {
		for (char *p = room; p < room + n;) {
			const struct dirent64 *e = (const struct dirent64 *)(void *)p;
			scan_entry(s, dir, e);
			p += e->d_reclen;
		}
	}
	return n < 0 ? errno : 0;
}

static int scan_dir(struct snapshot *s, int dir)
{
	struct statx sx;
	struct stat st;
	if (fstat(dir, &st) < 0)
		return errno;
	s->dir = (struct file_id){.dev = st.st_dev, .ino = st.st_ino};
	s->dir_mtime_ns = tree_ns(st.st_mtim);
	if (statx(dir, "", AT_EMPTY_PATH, STATX_BTIME, &sx) == 0 &&
	    (sx.stx_mask & STATX_BTIME) != 0)
		s->birth_ns = sx.stx_btime.tv_sec * 1000000000 + sx.stx_btime.tv_nsec;
	return 0;
}

static int by_name(const void *a, const void *b)
{
	const struct tree_socket *x = a, *y = b;
	return strcmp(x->name, y->name);
}

static void sort_sockets(struct snapshot *s)
{
	if (s->nsockets > 1)
		qsort(s->sockets, s->nsockets, sizeof(s->sockets[0]), by_name);
	if (s->nsockets <= TREE_SOCKETS_MAX)
		return;
	char what[TREE_SOCKET_NAME_MAX + 64];
	snprintf(what, sizeof(what), "and %zu more after it are beyond %d instances and not used",
		 s->nsockets - TREE_SOCKETS_MAX - 1, TREE_SOCKETS_MAX);
	report(s, s->sockets[TREE_SOCKETS_MAX].name, what, "remove some");
	s->nsockets = TREE_SOCKETS_MAX;
}

int snapshot_take(struct snapshot *s, int root, const char *name)
{
	*s = (struct snapshot){0};
	if (root < 0)
		return ENOENT;
	int dir = openat(root, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NONBLOCK);
	if (dir < 0)
		return errno;
	int rc = scan_dir(s, dir);
	if (rc == 0)
		rc = scan_entries(s, dir);
	close(dir);
	sort_sockets(s);
	return rc;
}

void snapshot_fini(struct snapshot *s)
{
	mem_free(s->sockets);
	buf_free(&s->error);
}

static bool is_same_file(int root, const char *dir, const char *name, const struct file_id *id,
			 int flags)
{
	char path[TREE_NAME_MAX + TREE_SOCKET_NAME_MAX + 2];
	struct stat st;
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	if (fstatat(root, path, &st, flags) < 0)
		return false;
	struct file_id now = id_of(&st);
	if (flags == 0) /* an instance: chmod and chown are no handoff */
		now.ctime_ns = id->ctime_ns;
	return file_id_equal(&now, id);
}

bool tree_is_same(const struct tree *t, const struct node *n)
{
	const struct site *s = &n->site;
	struct stat st;
	if (!n->settled || t->root < 0 || fstatat(t->root, s->name, &st, 0) < 0 ||
	    st.st_dev != s->dir.dev || st.st_ino != s->dir.ino ||
	    tree_ns(st.st_mtim) != n->dir_mtime_ns)
		return false;
	const struct {
		const char *name;
		const struct file_id *id;
	} files[] = {{"service.ini", &s->ini},
		     {"hosts", &s->hosts},
		     {"pause", &s->pause},
		     {"stop", &s->stop}};
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		if (files[i].id->ino != 0 && !is_same_file(t->root, s->name, files[i].name,
							   files[i].id, AT_SYMLINK_NOFOLLOW))
			return false;
	}
	for (size_t i = 0; n->links && i < s->nsockets; i++) {
		if (!is_same_file(t->root, s->name, s->sockets[i].name, &s->sockets[i].id, 0))
			return false;
	}
	return true;
}
