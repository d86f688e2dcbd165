/* The lock that says which proxy owns a runtime directory. An OFD lock, because it belongs to
 * the open file: it survives exec, and ends with the master however that ends. */
#include "run/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"

#define CREWS 1 /* the byte of crew 0; what is before it is the master's */

static int lock_open(const char *runtime_dir, int flags)
{
	char path[PATH_MAX];
	int n = snprintf(path, sizeof(path), "%s/lock", runtime_dir);
	if (n < 0 || (size_t)n >= sizeof(path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	return open(path, flags | O_CLOEXEC | O_NOFOLLOW, 0644);
}

static long pid_in(int fd)
{
	char text[32];
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
	if (n <= 0)
		return 0;
	text[n] = '\0';
	return strtol(text, NULL, 10);
}

enum lock_result lock_take(const char *runtime_dir, struct lock *l, long *holder)
{
	struct flock fl = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1};
	*holder = 0;
	l->fd = lock_open(runtime_dir, O_RDWR | O_CREAT);
	if (l->fd < 0)
		return LOCK_ERROR;
	if (fcntl(l->fd, F_OFD_SETLK, &fl) == 0) {
		l->orphans = pid_in(l->fd) != 0;
		return LOCK_TAKEN;
	}
	int err = errno;
	*holder = pid_in(l->fd);
	close(l->fd);
	l->fd = -1;
	errno = err;
	return err == EAGAIN || err == EACCES ? LOCK_HELD : LOCK_ERROR;
}

void lock_sign(const struct lock *l)
{
	char text[32];
	int n = snprintf(text, sizeof(text), "%ld\n", (long)getpid());
	lock_leave(l);
	/* Only for people and messages: the lock itself is what counts. */
	if (pwrite(l->fd, text, (size_t)n, 0) != n)
		return;
}

void lock_leave(const struct lock *l)
{
	if (ftruncate(l->fd, 0) < 0)
		return;
}

bool lock_is_held(const char *runtime_dir)
{
	struct flock fl = {.l_type = F_RDLCK, .l_whence = SEEK_SET, .l_len = 1};
	int fd = lock_open(runtime_dir, O_RDONLY);
	if (fd < 0)
		return false;
	bool held = fcntl(fd, F_OFD_GETLK, &fl) == 0 && fl.l_type != F_UNLCK;
	close(fd);
	return held;
}

void lock_join(const char *runtime_dir, uint32_t crew)
{
	struct flock fl = {
		.l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = CREWS + crew, .l_len = 1};
	int fd = lock_open(runtime_dir, O_RDONLY);
	if (fd < 0 || fcntl(fd, F_OFD_SETLK, &fl) < 0)
		log_warn("%s/lock: cannot be locked: %s; a master that has to start anew will not "
			 "wait for this worker's requests",
			 runtime_dir, strerror(errno));
}

static bool is_locked(int fd, off_t start, off_t len)
{
	struct flock fl = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = start, .l_len = len};
	return fcntl(fd, F_OFD_GETLK, &fl) == 0 && fl.l_type != F_UNLCK;
}

bool lock_has_strangers(int lock_fd, uint32_t crew)
{
	return (crew != 0 && is_locked(lock_fd, CREWS, crew)) ||
	       is_locked(lock_fd, CREWS + (off_t)crew + 1, 0);
}
