/* A directory below /tmp for one test: made, filled, emptied. */
#ifndef KP_TESTS_SCRATCH_H
#define KP_TESTS_SCRATCH_H

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "unit.h"

#define SCRATCH_PATH 256

struct scratch {
	char dir[64];
};

static inline void scratch_init(struct scratch *s)
{
	static unsigned count;
	snprintf(s->dir, sizeof(s->dir), "/tmp/kp-unit-%d-%u", getpid(), ++count);
	assert_int_equal(mkdir(s->dir, 0755), 0);
}

static inline int scratch_unlink(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

static inline void scratch_fini(struct scratch *s)
{
	nftw(s->dir, scratch_unlink, 16, FTW_DEPTH | FTW_PHYS);
}

/* The path of a name in it; good until the eighth call after. */
static inline const char *at(const struct scratch *s, const char *name)
{
	static char paths[8][SCRATCH_PATH];
	static unsigned next;
	char *path = paths[next++ % 8];
	snprintf(path, SCRATCH_PATH, "%s/%s", s->dir, name);
	return path;
}

static inline void put(const struct scratch *s, const char *name, const char *text)
{
	FILE *f = fopen(at(s, name), "w");
	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
}

static inline void make_dir(const struct scratch *s, const char *name)
{
	assert_int_equal(mkdir(at(s, name), 0755), 0);
}

/* How many events inotify keeps before it loses some. */
static inline long queue_limit(void)
{
	long limit = 0;
	FILE *f = fopen("/proc/sys/fs/inotify/max_queued_events", "r");
	char line[32];
	if (f != NULL && fgets(line, sizeof(line), f) != NULL)
		limit = strtol(line, NULL, 10);
	if (f != NULL)
		fclose(f);
	return limit;
}

/* A bound socket, closed at once: for a scan its inode is all that counts. Returns the inode. */
static inline uint64_t make_socket(const struct scratch *s, const char *name)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	struct stat st;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	snprintf(a.sun_path, sizeof(a.sun_path), "%s", at(s, name));
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	close(fd);
	assert_int_equal(stat(at(s, name), &st), 0);
	return st.st_ino;
}

static inline void move(const struct scratch *s, const char *from, const char *to)
{
	assert_int_equal(rename(at(s, from), at(s, to)), 0);
}

#endif
