/* peer_connect: a fresh connection to exactly the socket that the peer stands for, and what
 * follows from each way it can fail: when it may be tried again, and what is told. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "net/sock.h"
#include "peer_internal.h"

#define LATELY_US 200000

/* How long a peer is left alone after a failure: doubled from the first to the last value. */
static const struct {
	uint32_t first_ms, last_ms;
} backoffs[] = {
	[PEER_NOT_LISTENING] = {1, 50},
	[PEER_BACKLOG_FULL] = {1, 20},
	[PEER_NO_PERMISSION] = {250, 250},
	[PEER_NO_RESOURCES] = {50, 50},
};

static bool path_of(const struct peer *p, char path[PATH_MAX])
{
	int n;

	if (p->home->dir == NULL)
		return false;
	n = snprintf(path, PATH_MAX, "%s/%s", p->home->dir, p->name);
	return n > 0 && n < PATH_MAX;
}

static bool is_same(const struct peer *p, const struct stat *st)
{
	return (uint64_t)st->st_dev == p->dev && (uint64_t)st->st_ino == p->ino;
}

/* 0, or errno; ESTALE: the name belongs to another socket. */
static int pin(struct peer *p, const char *path)
{
	struct stat st;
	int fd = open(path, O_PATH | O_CLOEXEC);

	if (fd < 0)
		return errno;
	if (fstat(fd, &st) < 0 || !is_same(p, &st)) {
		close(fd);
		return ESTALE;
	}
	p->pin = fd;
	return 0;
}

/* Without /proc there is only the name, which might have changed hands in the meantime: as the
   pin keeps the inode number from recurring, looking at it afterwards tells. */
static int dial_by_name(const struct peer *p, const char *path)
{
	struct stat st;
	int fd = sock_connect_unix(path);

	if (fd >= 0 && (stat(path, &st) < 0 || !is_same(p, &st))) {
		close(fd);
		fd = -1;
		errno = ESTALE;
	}
	return fd;
}

static int dial(const struct peer *p, const char *path)
{
	int fd = sock_connect_pinned(p->pin);

	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR) && path != NULL)
		fd = dial_by_name(p, path);
	return fd;
}

static enum peer_connect failure_of(int err)
{
	switch (err) {
	case EAGAIN: return PEER_BACKLOG_FULL;
	case EACCES:
	case EPERM: return PEER_NO_PERMISSION;
	case EMFILE:
	case ENFILE:
	case ENOMEM:
	case ENOBUFS: return PEER_NO_RESOURCES;
	default: return PEER_NOT_LISTENING;
	}
}

static void set_state(struct peer *p, enum board_peer_state state)
{
	if (p->state == state)
		return;
	p->state = state;
	p->home->ops->changed(p->home);
}

static void log_denied(const struct peer *p, const char *path)
{
	struct stat st;

	if (path != NULL && stat(path, &st) == 0)
		log_warn("%s: no permission to connect to %s (mode %04o, owner %u:%u) as uid %u; "
			 "connecting takes the right to write: setfacl -m u:%u:rw '%s'",
			 p->home->name, path, st.st_mode & 07777, st.st_uid, st.st_gid, geteuid(),
			 geteuid(), path);
	else
		log_warn(
			"%s: no permission to reach %s as uid %u; every directory above it must be "
			"searchable: setfacl -m u:%u:x '%s' (and those above)",
			p->home->name, path == NULL ? p->name : path, geteuid(), geteuid(),
			p->home->dir == NULL ? "" : p->home->dir);
}

static void back_off(struct peer *p, enum peer_connect why)
{
	bool again = p->backoff_ms != 0 && p->failure == why;
	uint32_t ms = again ? p->backoff_ms * 2 : backoffs[why].first_ms;

	p->failure = why;
	p->backoff_ms = ms < backoffs[why].last_ms ? ms : backoffs[why].last_ms;
	p->try_at = peer_clock() + (uint64_t)p->backoff_ms * 1000;
}

static enum peer_connect failed(struct peer *p, int err, const char *path)
{
	enum peer_connect why = failure_of(err);

	back_off(p, why);
	if (why == PEER_NOT_LISTENING || why == PEER_NO_PERMISSION)
		p->refused_at = peer_clock();
	if (why == PEER_NO_PERMISSION && p->state != PEER_DENIED)
		log_denied(p, path);
	if (why == PEER_NO_PERMISSION)
		set_state(p, PEER_DENIED);
	if (why == PEER_NOT_LISTENING) {
		set_state(p, PEER_REFUSED);
		p->home->ops->refused(p->home);
	}
	return why;
}

enum peer_connect peer_connect(struct peer *p, int *fd)
{
	char buffer[PATH_MAX];
	const char *path = path_of(p, buffer) ? buffer : NULL;
	int err = 0;

	*fd = -1;
	if (p->pin < 0)
		err = path == NULL ? ENOENT : pin(p, path);
	if (err == 0) {
		*fd = dial(p, path);
		err = errno;
	}
	if (*fd < 0) {
		peer_unpin(p);
		return failed(p, err, path);
	}
	p->failure = PEER_CONNECTED;
	p->backoff_ms = 0;
	p->try_at = 0;
	set_state(p, PEER_READY);
	return PEER_CONNECTED;
}

uint64_t peer_try_at(const struct peer *p)
{
	return p->try_at;
}

void peer_try_now(struct peer *p, bool all_forgotten)
{
	p->try_at = 0;
	if (all_forgotten)
		p->backoff_ms = 0;
}

bool peer_is_doubtful(const struct peer *p)
{
	return p->try_at != 0 || p->state >= PEER_REFUSED;
}

bool peer_refused_lately(const struct peer *p, uint64_t now)
{
	return p->state >= PEER_REFUSED && now - p->refused_at < LATELY_US;
}

bool peer_listens(const struct peer *p)
{
	switch (p->failure) {
	case PEER_CONNECTED: return p->state == PEER_READY;
	case PEER_BACKLOG_FULL:
	case PEER_NO_RESOURCES: return true;
	default: return false;
	}
}
