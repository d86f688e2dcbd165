/* Root is needed for one thing, to bind; this is the way out of it. */
#include "run/account.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"

/* By name, or by number when no account has that name. */
static bool look_up(const char *user, struct account *a)
{
	uint64_t number;
	struct passwd *pw = getpwnam(user);
	if (pw == NULL && str_to_u64(str_of(user), &number) && number < UINT32_MAX)
		pw = getpwuid((uid_t)number);
	if (pw == NULL)
		return false;
	snprintf(a->name, sizeof(a->name), "%s", pw->pw_name);
	a->uid = pw->pw_uid;
	a->gid = pw->pw_gid;
	return true;
}

static bool resolve_as_root(const char *user, struct account *a, char *why, size_t size)
{
	a->change = true;
	if (user[0] == '\0') {
		if (look_up("kamal-proxy", a) || look_up("nobody", a))
			return true;
		snprintf(why, size,
			 "user: neither the account kamal-proxy nor nobody exists; make one: "
			 "useradd --system --shell /usr/sbin/nologin kamal-proxy");
		return false;
	}
	if (!look_up(user, a)) {
		snprintf(why, size, "user = %s: there is no such account; make it, or name another",
			 user);
		return false;
	}
	if (a->uid != 0)
		return true;
	snprintf(why, size, "user = %s: the proxy does not run as root; name an ordinary account",
		 user);
	return false;
}

bool account_resolve(const char *user, struct account *a, char *why, size_t size)
{
	struct account wanted;
	*a = (struct account){.uid = geteuid(), .gid = getegid()};
	if (a->uid == 0)
		return resolve_as_root(user, a, why, size);
	struct passwd *pw = getpwuid(a->uid);
	if (pw != NULL)
		snprintf(a->name, sizeof(a->name), "%s", pw->pw_name);
	else
		snprintf(a->name, sizeof(a->name), "%u", (unsigned)a->uid);
	if (user[0] == '\0' || strcmp(user, a->name) == 0)
		return true;
	if (look_up(user, &wanted) && wanted.uid == a->uid)
		return true;
	snprintf(why, size,
		 "user = %s: only root can change to it and this is %s; start as root, or leave "
		 "user out",
		 user, a->name);
	return false;
}

bool account_become(const struct account *a)
{
	if (!a->change)
		return true;
	if (initgroups(a->name, a->gid) < 0 || setresgid(a->gid, a->gid, a->gid) < 0 ||
	    setresuid(a->uid, a->uid, a->uid) < 0)
		return false;
	if (setuid(0) == 0) {
		errno = EPERM;
		return false;
	}
	return true;
}
