/* The one way to change the running proxy's own settings or its program. Nothing is touched
 * before the new program has read the whole configuration without complaint. */
#include "run/upgrade.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/mem.h"
#include "run/args.h"
#include "run/listen.h"

#define CHECK_LIMIT 120.0 /* seconds: ten thousand certificates take ten */
#define AGAIN_SECONDS 1
#define TLS_PREFIX "tls:" /* of an address of https_port */

static void too_long(struct ev_loop *loop, ev_timer *w, int revents)
{
	const struct upgrade *u = w->data;
	(void)loop;
	(void)revents;
	log_error("upgrade: the check takes longer than %.0f s: killed; nothing was changed",
		  CHECK_LIMIT);
	kill(u->check, SIGKILL);
}

/* Better said now than when it is needed. */
static void check_executable(void)
{
	const char *exe = args_executable();
	if (access(exe, X_OK) != 0)
		log_warn("uid %u may not execute %s (%s), so SIGHUP will change nothing; chmod o+x "
			 "the directories above it, or install it elsewhere",
			 (unsigned)geteuid(), exe, strerror(errno));
}

void upgrade_init(struct upgrade *u, struct ev_loop *loop, const struct settings *settings,
		  const struct estate *estate, void (*checked)(void *user), void *user)
{
	*u = (struct upgrade){
		.loop = loop,
		.settings = settings,
		.estate = estate,
		.checked = checked,
		.user = user,
	};
	ev_timer_init(&u->limit, too_long, CHECK_LIMIT, 0);
	u->limit.data = u;
	check_executable();
}

char *upgrade_in_force(const struct settings *s, const struct estate *e)
{
	struct buf b = {0};
	buf_printf(&b, "slots=%u;runtime_dir=%s;listen=", e->slots, s->proxy.runtime_dir);
	for (size_t i = 0; i < e->nlisteners; i++) {
		if (e->listeners[i].slot == 0)
			buf_printf(&b, "%s%s%s", i == 0 ? "" : ",",
				   e->listeners[i].tls ? TLS_PREFIX : "", e->listeners[i].address);
	}
	char *text = str_dup(buf_str(&b));
	buf_free(&b);
	return text;
}

/* Runs the same command line with `check` for `run`. Its stdout, which is the access log's, is
   put away; problems go to stderr, our log. */
static void become_check(const struct upgrade *u)
{
	sigset_t none;
	char **argv = args_program();
	sigemptyset(&none);
	signal(SIGPIPE, SIG_DFL);
	signal(SIGINT, SIG_IGN);
	sigprocmask(SIG_SETMASK, &none, NULL);
	setenv(UPGRADE_IN_FORCE_ENV, upgrade_in_force(u->settings, u->estate), 1);
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	dup2(null >= 0 ? null : 2, 1);
	argv[1] = (char[]){"check"};
	execv(args_executable(), argv);
	args_fail(EXIT_FAILED, "upgrade: cannot execute %s: %s", args_executable(),
		  strerror(errno));
	_exit(127);
}

void upgrade_check(struct upgrade *u)
{
	sigset_t all, before;
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	pid_t pid = fork();
	if (pid == 0)
		become_check(u);
	sigprocmask(SIG_SETMASK, &before, NULL);
	if (pid < 0) {
		log_error("upgrade: cannot start the check: %s; nothing was changed",
			  strerror(errno));
		return;
	}
	u->check = pid;
	ev_timer_set(&u->limit, CHECK_LIMIT, 0);
	ev_timer_start(u->loop, &u->limit);
}

bool upgrade_child(struct upgrade *u, pid_t pid, int status)
{
	if (pid != u->check || u->check == 0)
		return false;
	u->check = 0;
	ev_timer_stop(u->loop, &u->limit);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		u->checked(u->user);
	else
		log_error("upgrade: the check of %s failed; nothing was changed",
			  args_executable());
	return true;
}

void upgrade_execute(const struct estate *e)
{
	char number[16];
	sigset_t all, before;
	int fd = estate_write(e);
	if (fd < 0) {
		log_error("upgrade: cannot write the handover: %s; nothing was changed",
			  strerror(errno));
		return;
	}
	snprintf(number, sizeof(number), "%d", fd);
	setenv(ESTATE_ENV, number, 1);
	/* A signal between here and the successor's handlers must wait, not kill. */
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	execv(args_executable(), args_program());
	int err = errno;
	sigprocmask(SIG_SETMASK, &before, NULL);
	unsetenv(ESTATE_ENV);
	estate_keep(e);
	close(fd);
	log_error("upgrade: cannot execute %s: %s; nothing was changed", args_executable(),
		  strerror(err));
}

void upgrade_again(const struct estate *e)
{
	log_error(
		"upgrade: what the check found good has gone bad since; the old workers serve on, "
		"trying again in %d s",
		AGAIN_SECONDS);
	sleep(AGAIN_SECONDS);
	if (e != NULL)
		upgrade_execute(e);
	else
		execv(args_executable(), args_program());
}

void upgrade_fini(struct upgrade *u)
{
	ev_timer_stop(u->loop, &u->limit);
	if (u->check != 0)
		kill(u->check, SIGKILL);
}

/* Is the address among those, comma-separated? */
static bool has_address(struct str list, const struct listen_address *a)
{
	struct str part;
	while (str_split(&list, ',', &part)) {
		bool tls = str_has_prefix(part, STR(TLS_PREFIX));
		size_t skip = tls ? sizeof(TLS_PREFIX) - 1 : 0;
		if (tls == a->tls &&
		    str_eq(str_make(part.p + skip, part.n - skip), str_of(a->text)))
			return true;
	}
	return false;
}

static bool same_addresses(const struct settings *s, struct str in_force, char *why, size_t size)
{
	struct listen_plan plan;
	struct str part, rest = in_force;
	size_t found = 0, count = 0;
	if (!listen_plan(&s->proxy, &plan, why, size))
		return false;
	while (str_split(&rest, ',', &part))
		count++;
	bool same = true;
	for (size_t i = 0; same && i < plan.count; i++) {
		bool has = has_address(in_force, &plan.address[i]);
		found += has;
		same = has || plan.address[i].optional;
	}
	listen_plan_free(&plan);
	if (same && found == count)
		return true;
	snprintf(
		why, size,
		"restart needed: bind, http_port or https_port differ from what is in force (%.*s)",
		STR_ARG(in_force));
	return false;
}

bool upgrade_is_possible(const struct settings *s, const char *in_force, char *why, size_t size)
{
	struct str rest = str_of(in_force), part;
	while (str_split(&rest, ';', &part)) {
		size_t eq = str_find(part, '=');
		if (eq == part.n)
			continue;
		struct str key = str_make(part.p, eq),
			   value = str_make(part.p + eq + 1, part.n - eq - 1);
		uint64_t slots;
		if (str_eq(key, STR("slots")) && str_to_u64(value, &slots) &&
		    s->proxy.worker_count > slots) {
			snprintf(why, size,
				 "restart needed: workers = %u, but there are listeners for %llu "
				 "only",
				 s->proxy.worker_count, (unsigned long long)slots);
			return false;
		}
		if (str_eq(key, STR("runtime_dir")) &&
		    !str_eq(value, str_of(s->proxy.runtime_dir))) {
			snprintf(why, size,
				 "restart needed: runtime_dir = %s, but %.*s is in force",
				 s->proxy.runtime_dir, STR_ARG(value));
			return false;
		}
		if (str_eq(key, STR("listen")) && !same_addresses(s, value, why, size))
			return false;
	}
	return true;
}
