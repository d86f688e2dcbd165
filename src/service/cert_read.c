/* cert_read: the files of a certificate, read whole; what is wrong with them is said with path and remedy, and
 * leaves the last good one in force. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "cert_internal.h"

#define FILE_MAX ((size_t)1 << 20)
#define READ_SIZE 4096

struct reading {
	struct buf text[CERT_FILES];
	struct file_id id[CERT_FILES];
	char why[CERT_TEXT_MAX];
};

struct file_id cert_file_id(const struct stat *st)
{
	return (struct file_id){.dev = st->st_dev,
				.ino = st->st_ino,
				.ctime_ns = (int64_t)st->st_ctim.tv_sec * 1000000000 +
					    st->st_ctim.tv_nsec};
}

static bool fail_open(struct reading *r, const char *path, bool secret)
{
	struct stat st;
	int err = errno;
	unsigned uid = (unsigned)geteuid();
	if (err != EACCES || stat(path, &st) < 0)
		snprintf(r->why, sizeof(r->why), "%s: %s%s", path, strerror(err),
			 err == EACCES ? "; chmod o+x the directories above it" : "");
	else if (secret)
		snprintf(r->why, sizeof(r->why),
			 "%s: not readable by uid %u (mode %04o, owner %u); chgrp %u %s && "
			 "chmod 0640 %s",
			 path, uid, (unsigned)st.st_mode & 07777, (unsigned)st.st_uid,
			 (unsigned)getegid(), path, path);
	else
		snprintf(r->why, sizeof(r->why),
			 "%s: not readable by uid %u (mode %04o, owner %u); chmod o+r %s", path,
			 uid, (unsigned)st.st_mode & 07777, (unsigned)st.st_uid, path);
	return false;
}

/* May it be read: by its kind, its size and, when it holds a key, by who else may read it? */
static bool check_kind(struct reading *r, const char *path, const struct stat *st, bool secret)
{
	if (!S_ISREG(st->st_mode))
		snprintf(r->why, sizeof(r->why), "%s: not a regular file; rename one there", path);
	else if (secret && (st->st_mode & (S_IROTH | S_IWOTH)) != 0)
		snprintf(r->why, sizeof(r->why),
			 "%s: others can read or write it (mode %04o), and it holds the private "
			 "key; chmod o-rwx %s",
			 path, (unsigned)st->st_mode & 07777, path);
	else if (st->st_size < 0 || (uint64_t)st->st_size > FILE_MAX)
		snprintf(r->why, sizeof(r->why), "%s: larger than %zu kB", path, FILE_MAX / 1024);
	else
		return true;
	return false;
}

/* expected: its size, seen before, so that no copy of a key is left behind by growing. */
static bool read_all(struct reading *r, const char *path, int fd, size_t expected, struct buf *to)
{
	ssize_t n;
	buf_reserve(to, expected + READ_SIZE);
	do {
		n = read(fd, buf_reserve(to, READ_SIZE), READ_SIZE);
		if (n > 0)
			buf_commit(to, (size_t)n);
	} while ((n > 0 && buf_used(to) <= FILE_MAX) || (n < 0 && errno == EINTR));
	if (n == 0)
		return true;
	snprintf(r->why, sizeof(r->why), "%s: %s", path,
		 n < 0 ? strerror(errno) : "it grows while it is read");
	return false;
}

static bool read_file(struct reading *r, enum cert_file i, const char *path, bool secret)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return fail_open(r, path, secret);
	bool ok = fstat(fd, &st) == 0;
	if (!ok)
		snprintf(r->why, sizeof(r->why), "%s: %s", path, strerror(errno));
	r->id[i] = cert_file_id(&st);
	ok = ok && check_kind(r, path, &st, secret) &&
	     read_all(r, path, fd, (size_t)st.st_size, &r->text[i]);
	close(fd);
	return ok;
}

static bool read_files(const struct cert *c, struct reading *r)
{
	bool apart = c->path[CERT_KEY] != NULL;
	return read_file(r, CERT_CHAIN, c->path[CERT_CHAIN], !apart) &&
	       (!apart || read_file(r, CERT_KEY, c->path[CERT_KEY], true));
}

static void reading_free(struct reading *r)
{
	for (int i = 0; i < CERT_FILES; i++) {
		if (r->text[i].data != NULL)
			explicit_bzero(r->text[i].data, r->text[i].cap);
		buf_free(&r->text[i]);
	}
}

/* Who may come in is known before anybody is let in. */
static bool read_client_ca(struct cert *c, struct reading *r)
{
	const char *path = c->path[CERT_CLIENT_CA];
	if (path == NULL)
		return true;
	if (!read_file(r, CERT_CLIENT_CA, path, false))
		return false;
	char why[256];
	struct tls_source s = {.service = c->service,
			       .client_ca = buf_str(&r->text[CERT_CLIENT_CA])};
	struct tls_cert *own = tls_cert_make(c->book->tls, &s, why, sizeof(why));
	if (own == NULL) {
		snprintf(r->why, sizeof(r->why), "%s: %s", path, why);
		return false;
	}
	tls_cert_drop(c->own);
	c->own = own;
	mem_free(c->client_ca);
	c->client_ca = str_dup(s.client_ca);
	c->open_to_all = true;
	return true;
}

/* Out of its time, it is better than none, but not better than the one in force. */
static bool check_time(const struct cert *c, const struct tls_facts *f, struct reading *r)
{
	char when[32];
	bool early = f->not_before > (int64_t)time(NULL);
	if (!early && !cert_is_expired(f))
		return true;
	cert_time(early ? f->not_before : f->not_after, when);
	snprintf(r->why, sizeof(r->why), "%s: the certificate %s %s; rename a valid one there",
		 c->path[CERT_CHAIN], early ? "is not valid before" : "has expired at", when);
	return c->facts.not_after == 0;
}

static struct tls_cert *load(struct cert *c, struct reading *r)
{
	char why[512] = "";
	const struct tls_source s = {
		.service = c->service,
		.pem = buf_str(&r->text[CERT_CHAIN]),
		.key = buf_str(&r->text[CERT_KEY]),
		.client_ca = str_of(c->client_ca),
	};
	struct tls_cert *fresh = tls_cert_load(c->book->tls, &s, why, sizeof(why));
	if (fresh == NULL) {
		snprintf(r->why, sizeof(r->why), "%s: %s", c->path[CERT_CHAIN], why);
		return NULL;
	}
	if (check_time(c, tls_cert_facts(fresh), r))
		return fresh;
	tls_cert_drop(fresh);
	return NULL;
}

static void put_in_force(struct cert *c, struct tls_cert *fresh)
{
	struct cert_book *b = c->book;
	bool had = c->in_force != NULL;
	tls_cert_drop(c->in_force);
	c->in_force = fresh;
	c->facts = *tls_cert_facts(fresh);
	c->expired = cert_is_expired(&c->facts);
	b->kept += !had;
	/* Who only wants to know what is wrong with them all needs not keep them all. */
	if (b->surveys && b->kept > CERT_KEPT_MAX) {
		tls_cert_drop(fresh);
		c->in_force = NULL;
		b->kept--;
	}
}

/* Nothing is there yet, and nothing has to be. */
static bool is_awaited(const struct cert *c)
{
	return c->path[CERT_KEY] == NULL && c->want[CERT_CHAIN].ino == 0 && c->facts.not_after == 0;
}

static void note(struct cert *c, const char *error)
{
	bool same = str_eq(str_of(c->error), str_of(error));
	if (!same) {
		mem_free(c->error);
		c->error = error[0] == '\0' ? NULL : str_dup(str_of(error));
	}
}

void cert_read(struct cert *c)
{
	struct reading r = {.why = ""};
	struct tls_cert *fresh = NULL;
	list_remove(&c->waiting);
	bool go_on = read_client_ca(c, &r) && !is_awaited(c) && read_files(c, &r);
	/* tls.pem is taken when the tree says that it is whole. */
	bool draft = go_on && c->path[CERT_KEY] == NULL &&
		     (r.id[CERT_CHAIN].ino != c->want[CERT_CHAIN].ino ||
		      r.id[CERT_CHAIN].ctime_ns != c->want[CERT_CHAIN].ctime_ns);
	if (draft) {
		reading_free(&r);
		return;
	}
	if (go_on)
		fresh = load(c, &r);
	for (int i = 0; i < CERT_FILES; i++)
		c->seen[i] = c->want[i];
	c->looked = true;
	if (fresh != NULL)
		put_in_force(c, fresh);
	note(c, r.why);
	reading_free(&r);
	cert_tell(c);
}
