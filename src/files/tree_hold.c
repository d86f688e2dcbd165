/* pause and stop: whether they can be honoured, and what they say. A FIFO is never opened here, not
 * even by mistake: whoever opens it for reading lets its writer go on. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "base/mem.h"
#include "tree_internal.h"

#define MESSAGE_MAX 4096
#define LONGEST_MS (UINT64_C(8760) * 3600 * 1000)
#define QUOTE_MAX 40

const char *const tree_hold_names[HOLDS] = {[HOLD_PAUSE] = "pause", [HOLD_STOP] = "stop"};

void holds_init(struct holds *h)
{
	*h = (struct holds){0};
	for (int i = 0; i < HOLDS; i++)
		h->of[i].ms = TREE_HOLD_UNSAID;
}

void hold_forget(struct hold *h)
{
	mem_free(h->message);
	mem_free(h->error);
	h->message = h->error = NULL;
	h->read = (struct file_id){0};
	h->ms = TREE_HOLD_UNSAID;
}

void holds_fini(struct holds *h)
{
	for (int i = 0; i < HOLDS; i++)
		hold_forget(&h->of[i]);
}

__attribute__((format(printf, 2, 3))) static void set_error(struct hold *h, const char *fmt, ...)
{
	char text[512];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	mem_free(h->error);
	h->error = str_dup(str_of(text));
}

/* Its master must be able to open the FIFO and to remove it, or the pause would never end. */
static bool can_lease(struct snapshot *s, int dir, const struct site *site, const char *name,
		      const struct stat *st)
{
	struct stat d;
	unsigned uid = (unsigned)geteuid();
	if (faccessat(dir, name, R_OK, AT_EACCESS | AT_SYMLINK_NOFOLLOW) < 0) {
		snapshot_report(s,
				"%s is a FIFO that uid %u may not read (mode %04o, owner %u), and "
				"is not honoured; chmod o+r %s/%s",
				name, uid, (unsigned)st->st_mode & 07777, (unsigned)st->st_uid,
				site->path, name);
		return false;
	}
	if (faccessat(dir, ".", W_OK | X_OK, AT_EACCESS) < 0) {
		snapshot_report(s,
				"%s is a FIFO that uid %u could not remove (%s), and is not "
				"honoured; chgrp %u %s && chmod g+wx %s",
				name, uid, strerror(errno), (unsigned)getegid(), site->path,
				site->path);
		return false;
	}
	if (uid != 0 && uid != st->st_uid && fstat(dir, &d) == 0 && (d.st_mode & S_ISVTX) != 0 &&
	    uid != d.st_uid) {
		snapshot_report(s,
				"%s is a FIFO that uid %u could not remove (the directory is "
				"sticky), and is not honoured; chmod -t %s",
				name, uid, site->path);
		return false;
	}
	return true;
}

/* A window that has begun is not broken off because its end has become difficult: then its rights decide
   no more. In its first moments its maker may still be setting them. */
static bool has_begun(const struct hold *h, const struct stat *st, int64_t born_ns)
{
	return h->lease_ino == st->st_ino && h->lease_born_ns == born_ns &&
	       tree_real_ns() - h->lease_since_ns > TREE_SETTLE_NS;
}

static void note_lease(struct hold *h, const struct stat *st, int64_t born_ns)
{
	if (h->lease_ino == st->st_ino && h->lease_born_ns == born_ns)
		return;
	h->lease_ino = st->st_ino;
	h->lease_born_ns = born_ns;
	h->lease_since_ns = tree_real_ns();
}

/* 0: its file system does not know. */
static int64_t birth_of(int dir, const char *name)
{
	struct statx sx;
	if (statx(dir, name, AT_SYMLINK_NOFOLLOW, STATX_BTIME, &sx) < 0 ||
	    (sx.stx_mask & STATX_BTIME) == 0)
		return 0;
	return sx.stx_btime.tv_sec * 1000000000 + sx.stx_btime.tv_nsec;
}

/* Whoever writes into a FIFO moves its ctime: from then on its birth tells which one it is. */
static struct file_id fifo_id(const struct stat *st, int64_t born_ns)
{
	struct file_id id = file_id_of(st);
	if (born_ns != 0 && tree_ns(st->st_mtim) != born_ns)
		id.ctime_ns = born_ns;
	return id;
}

bool tree_fifo_id(const char *path, struct file_id *id)
{
	struct stat st;
	if (lstat(path, &st) < 0 || !S_ISFIFO(st.st_mode))
		return false;
	*id = fifo_id(&st, birth_of(AT_FDCWD, path));
	return true;
}

/* Reopened by its descriptor: the name may have become a FIFO's since. -1: errno; ESTALE: another
   file has the name. */
static ssize_t read_file(int dir, const char *name, const struct stat *st, char *to, size_t size)
{
	char path[64];
	struct stat now;
	size_t have = 0;
	ssize_t n = -1;
	int pin = openat(dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (pin < 0)
		return -1;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", pin);
	bool same = fstat(pin, &now) == 0 && S_ISREG(now.st_mode) && now.st_ino == st->st_ino;
	int fd = same ? open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC) : -1;
	int saved = same ? errno : ESTALE;
	while (fd >= 0 && have < size && (n = read(fd, to + have, size - have)) > 0)
		have += (size_t)n;
	if (fd >= 0) {
		saved = errno;
		close(fd);
	}
	close(pin);
	errno = saved;
	return n < 0 ? -1 : (ssize_t)have;
}

/* As a message may quote it. */
static void quote(char *to, struct str v)
{
	size_t n = v.n < QUOTE_MAX ? v.n : QUOTE_MAX;
	for (size_t i = 0; i < n; i++)
		to[i] = v.p[i] >= ' ' && v.p[i] <= '~' ? v.p[i] : '?';
	snprintf(to + n, 4, "%s", n < v.n ? "..." : "");
}

/* False: it is no duration, and what was meant before stays. */
static bool take_duration(struct hold *h, struct str text)
{
	char quoted[QUOTE_MAX + 4];
	uint64_t ms = TREE_HOLD_UNSAID;
	text = str_strip(text);
	if (text.n == 0 || (str_to_duration(text, &ms) && ms <= LONGEST_MS)) {
		h->ms = ms;
		return true;
	}
	quote(quoted, text);
	set_error(h,
		  "pause says '%s', which is no duration and does not count; write 500ms, 30s, 5m "
		  "or 1h, or nothing",
		  quoted);
	return false;
}

/* Without the beginning of a character whose end was cut off. */
static struct str cut_utf8(struct str s)
{
	size_t lead = s.n;
	while (lead > 0 && s.n - lead < 3 && ((unsigned char)s.p[lead - 1] & 0xc0) == 0x80)
		lead--;
	if (lead == 0)
		return s;
	unsigned char c = (unsigned char)s.p[--lead];
	size_t want = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : c >= 0xc0 ? 2 : 1;
	return want > s.n - lead ? str_make(s.p, lead) : s;
}

static void take_message(struct hold *h, struct str text, bool whole)
{
	text = str_strip(text);
	if (text.n > MESSAGE_MAX || !whole) {
		text = cut_utf8(str_make(text.p, text.n < MESSAGE_MAX ? text.n : MESSAGE_MAX));
		set_error(h, "stop says more than 4 kB, of which only the beginning is shown; make "
			     "it shorter");
	}
	size_t nul = str_find(text, '\0');
	if (nul < text.n) {
		text.n = nul;
		set_error(h,
			  "stop holds a NUL byte, and only what is before it is shown; remove it");
	}
	mem_free(h->message);
	h->message = text.n > 0 ? str_dup(text) : NULL;
}

static void fail_read(struct hold *h, const char *name, const struct site *site,
		      const struct stat *st)
{
	if (errno == EACCES)
		set_error(h,
			  "%s: not readable by uid %u (mode %04o, owner %u), what it says does not "
			  "count; chmod o+r %s/%s",
			  name, (unsigned)geteuid(), (unsigned)st->st_mode & 07777,
			  (unsigned)st->st_uid, site->path, name);
	else
		set_error(h, "%s: cannot be read, what it says does not count: %s", name,
			  strerror(errno));
}

/* The file counts from its first moment, though its content may still be on the way. */
static void read_hold(int dir, const struct site *site, int which, const struct stat *st,
		      struct hold *h)
{
	const char *name = tree_hold_names[which];
	char room[MESSAGE_MAX + 3]; /* a line's end does not count */
	int64_t now = tree_real_ns();
	mem_free(h->error);
	h->error = NULL;
	h->read = file_id_of(st);
	h->settled = now - h->read.ctime_ns > TREE_RACY_NS;
	ssize_t n = st->st_size == 0 ? 0 : read_file(dir, name, st, room, sizeof(room));
	bool good = n >= 0;
	if (n < 0 && (errno == ESTALE || errno == ENOENT)) {
		h->settled = false; /* an event comes */
		return;
	}
	if (n < 0)
		fail_read(h, name, site, st);
	else if (which == HOLD_PAUSE)
		good = take_duration(h, str_make(room, (size_t)n));
	else
		take_message(h, str_make(room, (size_t)n), (size_t)n < sizeof(room));
	if (!good && h->writing && now - tree_ns(st->st_mtim) < TREE_SETTLE_NS) {
		mem_free(h->error);
		h->error = NULL;
		h->settled = false;
	}
}

static void look_at_file(struct snapshot *s, int dir, const struct site *site, int which,
			 const struct stat *st, struct hold *h)
{
	struct file_id id = file_id_of(st);
	if (!h->settled || !file_id_equal(&h->read, &id))
		read_hold(dir, site, which, st, h);
	s->unsettled |= !h->settled;
	if (h->error != NULL)
		snapshot_report(s, "%s", h->error);
	s->holds[which] = id;
}

static void look_at_fifo(struct snapshot *s, int dir, const struct site *site, int which,
			 const struct stat *st, struct holds *holds)
{
	const char *name = tree_hold_names[which];
	struct hold *h = &holds->of[which];
	int64_t born_ns = birth_of(dir, name);
	/* What decides gives no event: the directory's mode, its file system's. */
	s->unsettled = true;
	hold_forget(h);
	s->leased[which] = holds->unchecked || has_begun(h, st, born_ns) ||
			   can_lease(s, dir, site, name, st);
	if (!s->leased[which]) {
		s->hold_refused = true;
		return;
	}
	note_lease(h, st, born_ns);
	s->holds[which] = fifo_id(st, born_ns);
}

void hold_look(struct snapshot *s, int dir, const struct site *site, struct holds *holds, int which)
{
	const char *name = tree_hold_names[which];
	struct hold *h = &holds->of[which];
	struct stat st;
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		if (errno == ENOENT)
			return;
		snapshot_report(s, "%s cannot be looked at: %s; chmod o+x %s", name,
				strerror(errno), site->path);
		s->hold_refused = s->unsettled = true;
	} else if (S_ISREG(st.st_mode)) {
		look_at_file(s, dir, site, which, &st, h);
	} else if (!S_ISFIFO(st.st_mode)) {
		snapshot_report(s, "%s is %s and is not honoured; make it a regular file or a FIFO",
				name, file_kind(st.st_mode));
		s->hold_refused = true;
	} else {
		look_at_fifo(s, dir, site, which, &st, holds);
	}
}
