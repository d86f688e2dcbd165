/* Reads one service's directory: which names stand for instances, settings and states, and what is
 * there that will not be honoured. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "tree_internal.h"

#define ERRORS_MAX 1000

const char *const tree_settings_names[SETTINGS_FILES] = {
	[SETTINGS_INI] = "service.ini",
	[SETTINGS_HOSTS] = "hosts",
	[SETTINGS_ROLLOUT] = "rollout.ini",
};
const char *const tree_group_dirs[GROUPS] = {[GROUP_MAIN] = "", [GROUP_ROLLOUT] = "rollout"};

/* One directory being read. */
struct look {
	struct snapshot *s;
	const struct site *site;
	struct holds *holds;
	int dir;
	enum tree_group group; /* whose it is */
	bool there[GROUPS], scanned[GROUPS];
};

bool file_id_equal(const struct file_id *a, const struct file_id *b)
{
	return a->dev == b->dev && a->ino == b->ino && a->ctime_ns == b->ctime_ns;
}

struct file_id file_id_of(const struct stat *st)
{
	return (struct file_id){
		.dev = st->st_dev, .ino = st->st_ino, .ctime_ns = tree_ns(st->st_ctim)};
}

const char *file_kind(mode_t mode)
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

void snapshot_report(struct snapshot *s, const char *fmt, ...)
{
	char text[TREE_SOCKET_NAME_MAX + 512];
	va_list ap;
	if (buf_used(&s->error) > ERRORS_MAX)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	buf_printf(&s->error, "%s%s", buf_used(&s->error) > 0 ? "; " : "", text);
}

static bool is_printable(const char *name)
{
	for (const char *p = name; *p != '\0'; p++) {
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			return false;
	}
	return true;
}

static struct tree_socket *add_socket(struct snapshot *s)
{
	if ((s->nsockets & (s->nsockets - 1)) == 0)
		s->sockets = mem_grow(s->sockets, (s->nsockets == 0 ? 1 : s->nsockets * 2) *
							  sizeof(s->sockets[0]));
	return &s->sockets[s->nsockets++];
}

static void scan_socket(struct look *l, const struct dirent64 *e, const char *name)
{
	struct snapshot *s = l->s;
	struct stat st;
	bool link = e->d_type == DT_LNK ||
		    (e->d_type == DT_UNKNOWN &&
		     fstatat(l->dir, e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		     S_ISLNK(st.st_mode));
	s->links |= link;
	if (!is_printable(name) || strlen(name) > TREE_SOCKET_NAME_MAX) {
		snapshot_report(s, "a socket's name %s; rename it",
				is_printable(name) ? "is too long" : "holds a control character");
		return;
	}
	if (fstatat(l->dir, e->d_name, &st, 0) < 0) {
		s->unsettled |= link;
		if (errno != ENOENT)
			snapshot_report(s, "%s cannot be reached; %s", name, strerror(errno));
		return;
	}
	if (S_ISSOCK(st.st_mode)) {
		struct tree_socket *k = add_socket(s);
		str_copy(k->name, sizeof(k->name), str_of(name));
		k->id = file_id_of(&st);
		k->group = l->group;
		return;
	}
	snapshot_report(s, "%s is %s, not a socket; rename the app's listening socket there", name,
			file_kind(st.st_mode));
	s->unsettled |= link;
}

static void scan_settings(struct snapshot *s, int dir, int which)
{
	const char *name = tree_settings_names[which];
	struct stat st;
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return;
	if (!S_ISREG(st.st_mode)) {
		snapshot_report(s, "%s is %s and is not read; rename a regular file there", name,
				file_kind(st.st_mode));
		s->refused[which] = true;
		return;
	}
	s->settings[which] = file_id_of(&st);
	s->mtime_ns[which] = tree_ns(st.st_mtim);
}

/* What is no readable file is the certificate's reader to name; here it is enough that something is there. */
static void scan_certificate(struct snapshot *s, int dir)
{
	struct stat st = {0};
	bool there = fstatat(dir, TREE_CERTIFICATE, &st, 0) == 0;
	if (there)
		s->tls_pem = file_id_of(&st);
	else if (fstatat(dir, TREE_CERTIFICATE, &st, AT_SYMLINK_NOFOLLOW) == 0)
		s->unsettled = true; /* a link to nothing */
	s->tls_pem_mtime_ns = tree_ns(st.st_mtim);
}

static bool is_unbuilt(const char *name)
{
	return strcmp(name, "read") == 0 || str_has_suffix(str_of(name), STR(".tcp"));
}

/* A name that means something only in the service's directory itself. */
static void scan_named(struct look *l, const char *name)
{
	for (int i = 0; i < SETTINGS_FILES; i++) {
		if (strcmp(name, tree_settings_names[i]) == 0)
			scan_settings(l->s, l->dir, i);
	}
	if (strcmp(name, TREE_CERTIFICATE) == 0)
		scan_certificate(l->s, l->dir);
	for (int i = 0; i < HOLDS; i++) {
		if (strcmp(name, tree_hold_names[i]) == 0)
			hold_look(l->s, l->dir, l->site, l->holds, i);
	}
	for (enum tree_group g = GROUP_MAIN + 1; g < GROUPS; g++) {
		if (strcmp(name, tree_group_dirs[g]) == 0)
			l->there[g] = true;
	}
}

static void scan_entry(struct look *l, const struct dirent64 *e)
{
	char full[sizeof(e->d_name) + 32];
	const char *name = e->d_name;
	if (name[0] == '.')
		return;
	bool is_socket = str_has_suffix(str_of(name), STR(".sock")), unbuilt = is_unbuilt(name);
	if (!is_socket && !unbuilt) {
		if (l->group == GROUP_MAIN)
			scan_named(l, name);
		return;
	}
	if (l->group != GROUP_MAIN) {
		snprintf(full, sizeof(full), "%s/%s", tree_group_dirs[l->group], name);
		name = full;
	}
	if (is_socket)
		scan_socket(l, e, name);
	else if (is_printable(name))
		snapshot_report(l->s, "%s is not built yet in this version; ignored", name);
}

static int scan_entries(struct look *l)
{
	_Alignas(struct dirent64) char room[16384];
	ssize_t n;
	while ((n = getdents64(l->dir, room, sizeof(room))) > 0) {
		for (char *p = room; p < room + n;) {
			const struct dirent64 *e = (const struct dirent64 *)(void *)p;
			scan_entry(l, e);
			p += e->d_reclen;
		}
	}
	return n < 0 ? errno : 0;
}

/* What was known of a group's instances stays so while its directory cannot be read. */
static void keep_group(struct look *l, enum tree_group g)
{
	for (size_t i = 0; i < l->site->nsockets; i++) {
		if (l->site->sockets[i].group == g)
			*add_socket(l->s) = l->site->sockets[i];
	}
	l->s->unsettled = true;
}

static void refuse_group(struct look *l, enum tree_group g, int why)
{
	const char *name = tree_group_dirs[g];
	struct stat st;
	if (why == ENOENT || fstatat(l->dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return;
	if (!S_ISDIR(st.st_mode)) {
		snapshot_report(l->s, "%s is %s and is not read; make it a directory", name,
				file_kind(st.st_mode));
		return;
	}
	keep_group(l, g);
	if (why == EACCES)
		snapshot_report(
			l->s, "%s: not readable by uid %u (mode %04o, owner %u); chmod o+rx %s/%s",
			name, (unsigned)geteuid(), (unsigned)st.st_mode & 07777,
			(unsigned)st.st_uid, l->site->path, name);
	else
		snapshot_report(l->s, "%s: cannot be read: %s", name, strerror(why));
}

static void scan_group(struct look *l, enum tree_group g)
{
	struct look in = {.s = l->s, .site = l->site, .group = g};
	size_t before = l->s->nsockets;
	struct stat st = {0};
	in.dir = openat(l->dir, tree_group_dirs[g],
			O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	int rc = in.dir < 0 || fstat(in.dir, &st) < 0 ? errno : scan_entries(&in);
	l->scanned[g] = rc != ENOENT;
	if (rc == 0) {
		l->s->group_dir[g] = (struct file_id){.dev = st.st_dev, .ino = st.st_ino};
		l->s->group_mtime_ns[g] = tree_ns(st.st_mtim);
	} else {
		l->s->nsockets = before;
		refuse_group(l, g, rc);
	}
	if (in.dir >= 0)
		close(in.dir);
}

static bool has_group(const struct site *site, enum tree_group g)
{
	for (size_t i = 0; i < site->nsockets; i++) {
		if (site->sockets[i].group == g)
			return true;
	}
	return false;
}

/* An instance that is promoted while we look (rollout/app.sock becomes app.sock) may be seen at both
   places, but must not be missed at both: so the groups that had some come first. */
static int scan_all(struct look *l)
{
	for (enum tree_group g = GROUP_MAIN + 1; g < GROUPS; g++) {
		if (has_group(l->site, g))
			scan_group(l, g);
	}
	int rc = scan_entries(l);
	for (enum tree_group g = GROUP_MAIN + 1; g < GROUPS; g++) {
		if (l->there[g] && !l->scanned[g])
			scan_group(l, g);
	}
	for (int i = 0; i < HOLDS; i++) {
		if (l->s->holds[i].ino == 0)
			hold_forget(&l->holds->of[i]);
	}
	return rc;
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

static int by_group_and_name(const void *a, const void *b)
{
	const struct tree_socket *x = a, *y = b;
	return x->group != y->group ? (int)x->group - (int)y->group : strcmp(x->name, y->name);
}

static void sort_sockets(struct snapshot *s)
{
	if (s->nsockets > 1)
		qsort(s->sockets, s->nsockets, sizeof(s->sockets[0]), by_group_and_name);
	if (s->nsockets <= TREE_SOCKETS_MAX)
		return;
	snapshot_report(
		s, "%s and %zu more after it are beyond %d instances and not used; remove some",
		s->sockets[TREE_SOCKETS_MAX].name, s->nsockets - TREE_SOCKETS_MAX - 1,
		TREE_SOCKETS_MAX);
	s->nsockets = TREE_SOCKETS_MAX;
}

int snapshot_take(struct snapshot *s, int root, const struct site *site, struct holds *holds)
{
	struct look l = {.s = s, .site = site, .holds = holds, .group = GROUP_MAIN};
	*s = (struct snapshot){0};
	if (root < 0)
		return ENOENT;
	l.dir = openat(root, site->name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NONBLOCK);
	if (l.dir < 0)
		return errno;
	int rc = scan_dir(s, l.dir);
	if (rc == 0)
		rc = scan_all(&l);
	close(l.dir);
	sort_sockets(s);
	return rc;
}

void snapshot_fini(struct snapshot *s)
{
	mem_free(s->sockets);
	buf_free(&s->error);
}
