/* Walks a path as the kernel does and stops where it is refused: "permission denied" alone does
 * not tell a reader which of five directories to mend. */
#include "run/access.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool may(const char *path, int mode)
{
	return faccessat(AT_FDCWD, path, mode, AT_EACCESS) == 0;
}

static const char *user_name(uid_t uid, char *room, size_t size)
{
	struct passwd *pw = getpwuid(uid);
	if (pw != NULL)
		snprintf(room, size, "%s", pw->pw_name);
	else
		snprintf(room, size, "%u", (unsigned)uid);
	return room;
}

static const char *group_name(gid_t gid, char *room, size_t size)
{
	struct group *gr = getgrgid(gid);
	if (gr != NULL)
		snprintf(room, size, "%s", gr->gr_name);
	else
		snprintf(room, size, "%u", (unsigned)gid);
	return room;
}

/* "rw" and so on, for setfacl. */
static void letters(int mode, char out[4])
{
	snprintf(out, 4, "%s%s%s", mode & R_OK ? "r" : "", mode & W_OK ? "w" : "",
		 mode & X_OK ? "x" : "");
}

static void explain(const char *path, int mode, char *why, size_t size)
{
	struct stat st;
	char owner[32], group[32], self[32], need[4];
	if (stat(path, &st) < 0) {
		snprintf(why, size, "%s: %s", path, strerror(errno));
		return;
	}
	letters(mode, need);
	const char *me = user_name(geteuid(), self, sizeof(self));
	snprintf(why, size,
		 "%s has mode %04o, owner %s, group %s: uid %u (%s) may not %s it; mend it with: "
		 "setfacl -m "
		 "u:%s:%s %s (or chmod, chgrp)",
		 path, (unsigned)(st.st_mode & 07777), user_name(st.st_uid, owner, sizeof(owner)),
		 group_name(st.st_gid, group, sizeof(group)), (unsigned)geteuid(), me,
		 mode & W_OK   ? "write to"
		 : mode & R_OK ? "read"
			       : "enter",
		 me, need, path);
}

bool access_check(const char *path, int mode, char *why, size_t size)
{
	char part[PATH_MAX];
	if (may(path, mode))
		return true;
	int err = errno;
	if (err != EACCES || strlen(path) >= sizeof(part)) {
		snprintf(why, size, "%s: %s", path, strerror(err));
		return false;
	}
	for (const char *p = path; (p = strchr(p + 1, '/')) != NULL;) {
		snprintf(part, sizeof(part), "%.*s", (int)(p - path), path);
		if (!may(part, X_OK)) {
			explain(part, X_OK, why, size);
			return false;
		}
	}
	/* A link's target may lie behind a closed directory that the path does not name. */
	char *target = realpath(path, part);
	if (target == NULL)
		snprintf(why, size, "%s: a link on the way leads where uid %u may not go", path,
			 (unsigned)geteuid());
	else
		explain(target, mode, why, size);
	return false;
}
