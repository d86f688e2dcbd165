/* Reads a small file that anybody may have put there: never a link, never something that blocks. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "settings_internal.h"

static bool check_kind(int fd, const char *path, size_t max, struct settings_error *err)
{
	struct stat st;
	if (fstat(fd, &st) < 0)
		return settings_fail(err, "%s: %s", path, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return settings_fail(err, "%s: not a regular file; put a regular file there", path);
	if (st.st_size < 0 || (uint64_t)st.st_size > max)
		return settings_fail(err, "%s: larger than %zu kB; make it smaller", path,
				     max / 1024);
	return true;
}

static bool read_all(int fd, const char *path, size_t max, struct buf *to,
		     struct settings_error *err)
{
	for (;;) {
		ssize_t n = read(fd, buf_reserve(to, 4096), 4096);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return settings_fail(err, "%s: %s", path, strerror(errno));
		if (n == 0)
			return true;
		buf_commit(to, (size_t)n);
		if (buf_used(to) > max)
			return settings_fail(err, "%s: larger than %zu kB; make it smaller", path,
					     max / 1024);
	}
}

static bool fail_access(const char *path, struct settings_error *err)
{
	struct stat st;
	if (stat(path, &st) < 0)
		return settings_fail(err,
				     "%s: cannot be reached by uid %u; chmod o+x the directories "
				     "above it",
				     path, (unsigned)geteuid());
	return settings_fail(err, "%s: not readable by uid %u (mode %04o, owner %u); chmod o+r %s",
			     path, (unsigned)geteuid(), (unsigned)st.st_mode & 07777,
			     (unsigned)st.st_uid, path);
}

bool file_read(const char *path, size_t max, struct buf *to, bool *absent,
	       struct settings_error *err)
{
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC);
	*absent = fd < 0 && (errno == ENOENT || errno == ENOTDIR);
	if (*absent)
		return true;
	if (fd < 0 && errno == ELOOP)
		return settings_fail(err, "%s: a symbolic link; put a regular file there", path);
	if (fd < 0 && errno == EACCES)
		return fail_access(path, err);
	if (fd < 0)
		return settings_fail(err, "%s: %s", path, strerror(errno));
	bool ok = check_kind(fd, path, max, err) && read_all(fd, path, max, to, err);
	close(fd);
	return ok;
}
