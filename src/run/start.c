/* The steps of a start, in the only order that works: what needs root first, the lock before
 * the ports, the step down last. Each failure is one line that says what, why, and what to do. */
#include "run/start.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "run/access.h"
#include "run/account.h"
#include "run/args.h"
#include "run/listen.h"
#include "run/lock.h"

#define ORPHANS_PATIENCE_MS 10000 /* workers of a dead master close their listeners in this time */

/* Only what we keep in a runtime directory: then it is ours, and not /run by mistake. */
static bool holds_only_ours(const char *path)
{
	bool ours = true;
	DIR *d = opendir(path);
	if (d == NULL)
		return false;
	for (struct dirent *e; ours && (e = readdir(d)) != NULL;)
		ours = strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 ||
		       strcmp(e->d_name, "lock") == 0 || strcmp(e->d_name, "status") == 0;
	closedir(d);
	return ours;
}

static int make_parents(const char *path)
{
	char part[PATH_MAX];
	for (const char *p = path; (p = strchr(p + 1, '/')) != NULL;) {
		snprintf(part, sizeof(part), "%.*s", (int)(p - path), path);
		if (mkdir(part, 0755) < 0 && errno != EEXIST)
			return -1;
	}
	return 0;
}

static bool make_dir(const char *option, const char *path, const struct account *a)
{
	struct stat st;
	bool made = make_parents(path) == 0 && mkdir(path, 0755) == 0;
	if (!made && errno != EEXIST) {
		args_fail(EXIT_USAGE, "%s = %s: %s; make it as root: mkdir -p %s && chown %s %s",
			  option, path, strerror(errno), path, a->name, path);
		return false;
	}
	if (stat(path, &st) < 0 || !S_ISDIR(st.st_mode)) {
		args_fail(EXIT_USAGE, "%s = %s: it is no directory; name another, or remove it",
			  option, path);
		return false;
	}
	if (a->change && (made || holds_only_ours(path)) && chown(path, a->uid, a->gid) < 0) {
		args_fail(EXIT_USAGE, "%s = %s: cannot give it to %s: %s", option, path, a->name,
			  strerror(errno));
		return false;
	}
	return true;
}

static bool make_dirs(const struct proxy_settings *p, const struct account *a)
{
	char status[PATH_MAX];
	struct stat st;
	if (stat(p->services_dir, &st) < 0 || !S_ISDIR(st.st_mode)) {
		args_fail(EXIT_USAGE, "services_dir = %s: %s; make it: mkdir -p %s",
			  p->services_dir,
			  errno == ENOENT ? "it does not exist" : "it is no directory",
			  p->services_dir);
		return false;
	}
	snprintf(status, sizeof(status), "%s/status", p->runtime_dir);
	return make_dir("runtime_dir", p->runtime_dir, a) && make_dir("runtime_dir", status, a) &&
	       make_dir("state_dir", p->state_dir, a);
}

static bool take_lock(const struct proxy_settings *p, struct lock *l)
{
	long holder = 0;
	switch (lock_take(p->runtime_dir, l, &holder)) {
	case LOCK_TAKEN: return true;
	case LOCK_HELD:
		args_fail(
			EXIT_USAGE,
			"kamal-proxy is already running (pid %ld) with runtime_dir %s: stop it, or "
			"give this one a runtime_dir of its own",
			holder, p->runtime_dir);
		return false;
	case LOCK_ERROR: break;
	}
	args_fail(EXIT_USAGE, "cannot lock %s/lock: %s; make that directory writable for this user",
		  p->runtime_dir, strerror(errno));
	return false;
}

void start_set_log_level(const struct proxy_settings *p)
{
	enum log_level level;
	if (log_level_parse(p->log_level, &level))
		log_set_level(p->debug ? LOG_DEBUG : level);
}

/* stdout is opened anew: O_APPEND and O_NONBLOCK on the descriptor we were given would change
   it for whoever shares it. A socket cannot be opened by name; it is used as it is. */
int start_open_log(const struct proxy_settings *p)
{
	const int flags = O_WRONLY | O_APPEND | O_NONBLOCK | O_CLOEXEC | O_NOCTTY;
	if (strcmp(p->access_log, "off") == 0)
		return -1;
	if (strcmp(p->access_log, "stdout") == 0) {
		int fd = open("/proc/self/fd/1", flags);
		return fd >= 0 ? fd : 1;
	}
	int fd = open(p->access_log, flags | O_CREAT, 0640);
	return fd >= 0 ? fd : START_LOG_FAILED;
}

static bool open_log(const struct proxy_settings *p, const struct account *a, struct estate *e)
{
	struct stat st;
	e->log_fd = start_open_log(p);
	mem_free(e->log_path);
	e->log_path = str_dup(str_of(p->access_log));
	if (e->log_fd == START_LOG_FAILED) {
		args_fail(EXIT_USAGE,
			  "access_log = %s: %s; make its directory, or set access_log = stdout",
			  p->access_log, strerror(errno));
		return false;
	}
	/* So that the user it belongs to from now on can open it again (SIGUSR1). */
	if (a->change && e->log_fd > 2 && fstat(e->log_fd, &st) == 0 && S_ISREG(st.st_mode) &&
	    strcmp(p->access_log, "stdout") != 0 && fchown(e->log_fd, a->uid, a->gid) < 0)
		log_warn("access_log = %s: cannot give it to %s: %s", p->access_log, a->name,
			 strerror(errno));
	return true;
}

static bool make_tickets(struct estate *e)
{
	if (e->tickets == NULL)
		e->tickets = tls_tickets_new();
	if (e->tickets == NULL)
		args_fail(EXIT_USAGE, "cannot make shared memory: %s", strerror(errno));
	else
		tls_tickets_turn(e->tickets, (int64_t)time(NULL));
	return e->tickets != NULL;
}

static bool open_pipes(struct estate *e)
{
	if (pipe2(e->life, O_CLOEXEC) == 0 && pipe2(e->news, O_CLOEXEC | O_NONBLOCK) == 0) {
		e->board = board_new();
		e->board_fd = e->board == NULL ? -1 : board_fd(e->board);
	}
	if (e->board == NULL)
		args_fail(EXIT_USAGE, "cannot make pipes and shared memory: %s", strerror(errno));
	return e->board != NULL;
}

static bool check_one(const char *option, const char *path, int mode)
{
	char why[ACCESS_TEXT];
	if (access_check(path, mode, why, sizeof(why)))
		return true;
	args_fail(EXIT_USAGE, "%s: %s", option, why);
	return false;
}

bool start_check_access(const struct settings *s)
{
	const struct proxy_settings *p = &s->proxy;
	char status[PATH_MAX];
	snprintf(status, sizeof(status), "%s/status", p->runtime_dir);
	bool ok = check_one("services_dir", p->services_dir, R_OK | X_OK);
	ok = check_one("runtime_dir", status, W_OK | X_OK) && ok;
	return check_one("state_dir", p->state_dir, W_OK | X_OK) && ok;
}

static void hold_signals(void)
{
	sigset_t all;
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
}

/* A reload that comes while a start waits for its ports must not end it. */
static void hold_reload(void)
{
	sigset_t reload;
	sigemptyset(&reload);
	sigaddset(&reload, SIGHUP);
	sigaddset(&reload, SIGUSR1);
	sigprocmask(SIG_BLOCK, &reload, NULL);
}

static bool open_ports(const struct proxy_settings *p, const struct lock *l, struct estate *e)
{
	struct listen_plan plan;
	char why[512];
	if (!listen_plan(p, &plan, why, sizeof(why))) {
		args_fail(EXIT_USAGE, "%s", why);
		return false;
	}
	e->slots = p->worker_count;
	bool ok = listen_probe(&plan, l->orphans ? ORPHANS_PATIENCE_MS : 0, why, sizeof(why));
	/* Whoever sees us listen may signal us: from here on signals wait until the loop hears them. */
	hold_signals();
	ok = ok && listen_open(&plan, e->slots, &e->listeners, &e->nlisteners, why, sizeof(why));
	listen_plan_free(&plan);
	if (!ok)
		args_fail(EXIT_USAGE, "%s", why);
	return ok;
}

/* Each connection costs two descriptors: take all that we may have. */
static void raise_limit(void)
{
	struct rlimit r;
	if (getrlimit(RLIMIT_NOFILE, &r) == 0 && r.rlim_cur < r.rlim_max) {
		r.rlim_cur = r.rlim_max;
		setrlimit(RLIMIT_NOFILE, &r);
	}
}

static bool step_down(const struct account *a, const struct lock *l)
{
	if (a->change && fchown(l->fd, a->uid, a->gid) < 0)
		log_warn("cannot give the lock file to %s: %s", a->name, strerror(errno));
	if (account_become(a))
		return true;
	args_fail(EXIT_USAGE, "cannot become user %s: %s; start as root or as that user", a->name,
		  strerror(errno));
	return false;
}

bool start_fresh(struct settings *s, struct estate *e)
{
	struct account a;
	struct lock l;
	char why[512];
	*e = (struct estate){.board_fd = -1, .lock_fd = -1, .log_fd = -1};
	hold_reload();
	umask(022);
	raise_limit();
	if (!account_resolve(s->proxy.user, &a, why, sizeof(why))) {
		args_fail(EXIT_USAGE, "%s", why);
		return false;
	}
	if (!make_dirs(&s->proxy, &a) || !take_lock(&s->proxy, &l))
		return false;
	e->lock_fd = l.fd;
	if (!open_ports(&s->proxy, &l, e) || !open_log(&s->proxy, &a, e))
		return false;
	lock_sign(&l);
	if (step_down(&a, &l) && start_check_access(s) && open_pipes(e) && make_tickets(e))
		return true;
	lock_leave(&l);
	return false;
}

/* The predecessor's, or the one that the settings name by now; a log alone must not end a proxy. */
static void take_log_over(const struct proxy_settings *p, struct estate *e)
{
	if (strcmp(e->log_path, p->access_log) == 0)
		return;
	int fd = start_open_log(p);
	if (fd == START_LOG_FAILED) {
		log_error("access_log = %s: %s; still writing to %s", p->access_log,
			  strerror(errno), e->log_path);
		return;
	}
	if (e->log_fd > 2)
		close(e->log_fd);
	e->log_fd = fd;
	mem_free(e->log_path);
	e->log_path = str_dup(str_of(p->access_log));
}

bool start_restored(struct settings *s, const char *handover, struct estate *e)
{
	unsetenv(ESTATE_ENV);
	if (!estate_read(atoi(handover), e)) {
		args_fail(EXIT_USAGE, "upgrade: the handover of the predecessor is not understood");
		return false;
	}
	e->board = board_attach(e->board_fd);
	if (e->board == NULL)
		e->board = board_new(); /* another layout: the old workers drain without one */
	if (e->board == NULL) {
		args_fail(EXIT_USAGE, "cannot make shared memory: %s", strerror(errno));
		return false;
	}
	if (!make_tickets(e))
		return false;
	if (s->proxy.worker_count > e->slots)
		s->proxy.worker_count = e->slots;
	take_log_over(&s->proxy, e);
	return true;
}
