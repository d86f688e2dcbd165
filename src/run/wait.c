/* Waits for a service's status to tell of the files as they are now. */
#include "run/wait.h"

#include <errno.h>
#include <ev.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "files/watch.h"
#include "run/args.h"
#include "run/lock.h"

#define LOOK_EVERY 0.5 /* seconds: where events are lost, and for the lock */
#define MISSING_MAX 512

struct wait {
	const char *service, *services_dir, *runtime_dir;
	struct wait_goal goal;
	struct ev_loop *loop;
	struct watch *watch;
	struct watch_dir dir;
	ev_timer look, limit;
	bool touched; /* the status was replaced */
	int code;     /* −1: still waiting */
	char missing[MISSING_MAX];
};

static const struct status_target *find_target(const struct status *s, const char *name)
{
	for (size_t i = 0; i < s->ntargets; i++) {
		if (s->targets[i].state != TARGET_DRAINING && strcmp(s->targets[i].name, name) == 0)
			return &s->targets[i];
	}
	return NULL;
}

static bool has_socket(const struct site *site, const char *name)
{
	for (size_t i = 0; i < site->nsockets; i++) {
		if (strcmp(site->sockets[i].name, name) == 0)
			return true;
	}
	return false;
}

/* The status names exactly the sockets that are there, and every worker uses them. */
static bool names_match(const struct site *site, const struct status *s, char *missing, size_t size)
{
	for (size_t i = 0; i < site->nsockets; i++) {
		const struct tree_socket *k = &site->sockets[i];
		const struct status_target *t = find_target(s, k->name);
		if (t == NULL || t->inode != k->id.ino)
			snprintf(missing, size, "%s (inode %" PRIu64 ") has not been taken up yet",
				 k->name, k->id.ino);
		else if (t->state == TARGET_PENDING)
			snprintf(missing, size,
				 "%s (inode %" PRIu64 ") is not in use by every worker yet",
				 k->name, k->id.ino);
		else
			continue;
		return false;
	}
	for (size_t i = 0; i < s->ntargets; i++) {
		if (s->targets[i].state == TARGET_DRAINING || has_socket(site, s->targets[i].name))
			continue;
		snprintf(missing, size, "%s is gone, but still in use", s->targets[i].name);
		return false;
	}
	return true;
}

static bool is_canary(const char *name)
{
	return strchr(name, '/') != NULL;
}

static bool somebody_listens(const struct site *site, const struct status *s, char *missing,
			     size_t size)
{
	const struct status_target *first = NULL;
	for (size_t i = 0; i < s->ntargets; i++) {
		if (is_canary(s->targets[i].name))
			continue;
		if (s->targets[i].state == TARGET_READY)
			return true;
		first = first == NULL ? &s->targets[i] : first;
	}
	if (site->nsockets == 0 || is_canary(site->sockets[0].name))
		snprintf(missing, size, "there is no socket in %s", site->path);
	else if (first != NULL && first->state == TARGET_DENIED)
		snprintf(missing, size, "%s", s->error);
	else
		snprintf(missing, size, "%s (inode %" PRIu64 ") is not listening yet",
			 site->sockets[0].name, site->sockets[0].id.ino);
	return false;
}

static bool none_left(uint64_t count, const char *noun, const char *where, char *missing,
		      size_t size)
{
	if (count != 0)
		snprintf(missing, size, "%" PRIu64 " %s%s still %s", count, noun,
			 count == 1 ? "" : "s", where);
	return count == 0;
}

/* One of `pause` and `stop`: the same file, or none, here and in every worker. */
static bool file_matches(const char *name, struct file_id here, struct file_id told,
			 const struct status *s, char *missing, size_t size)
{
	bool wrong = strcmp(s->error, "-") != 0;
	if (here.ino == told.ino && here.ctime_ns == told.ctime_ns)
		return true;
	if (here.ino == 0)
		snprintf(missing, size, "%s is gone, but not every worker has seen it", name);
	else
		snprintf(missing, size,
			 "%s (inode %" PRIu64 ") is not in force in every worker%s%s", name,
			 here.ino, wrong ? ": " : " yet", wrong ? s->error : "");
	return false;
}

static bool doors_match(const struct wait_goal *goal, const struct site *site,
			const struct status *s, char *missing, size_t size)
{
	bool needed = goal->what == WAIT_PAUSED || goal->what == WAIT_SEEN;
	bool refused = s->state == SERVICE_INVALID && !needed;
	struct file_id pause = site->pause, stop = site->stop;
	/* A FIFO that the proxy does not honour stands in nobody's way but its own. */
	if (refused && site->pause_leased && s->pause.ino == 0)
		pause = s->pause;
	if (refused && site->stop_leased && s->stop.ino == 0)
		stop = s->stop;
	return file_matches("pause", pause, s->pause, s, missing, size) &&
	       file_matches("stop", stop, s->stop, s, missing, size);
}

static bool settings_match(const struct site *site, const struct status *s, char *missing,
			   size_t size)
{
	if (s->settings == settings_stamp(site))
		return true;
	snprintf(missing, size, "the settings are not in force in every worker yet%s%s",
		 strcmp(s->error, "-") == 0 ? "" : ": ",
		 strcmp(s->error, "-") == 0 ? "" : s->error);
	return false;
}

static bool is_paused(const struct site *site, const struct status *s, char *missing, size_t size)
{
	if (site->pause.ino == 0 && site->stop.ino == 0) {
		snprintf(missing, size, "there is no pause in %s%s%s", site->path,
			 site->error == NULL ? "" : ": ", site->error == NULL ? "" : site->error);
		return false;
	}
	return none_left(s->in_flight, "request", "in flight", missing, size) &&
	       none_left(s->draining, "request", "on replaced sockets", missing, size);
}

bool wait_is_met(const struct wait_goal *goal, const struct site *site, const struct status *status,
		 char *missing, size_t size)
{
	if (!names_match(site, status, missing, size) ||
	    !doors_match(goal, site, status, missing, size) ||
	    !settings_match(site, status, missing, size))
		return false;
	if (goal->tunnels && !none_left(status->tunnels, "tunnel", "open", missing, size))
		return false;
	if (goal->what == WAIT_SEEN)
		return true;
	if (goal->what == WAIT_PAUSED)
		return is_paused(site, status, missing, size);
	if (goal->what == WAIT_RUNNING && status->state != SERVICE_RUNNING) {
		bool held = status->state == SERVICE_PAUSED || status->state == SERVICE_STOPPED;
		bool wrong = strcmp(status->error, "-") != 0;
		snprintf(missing, size, "the state is %s%s%s%s", service_state_name(status->state),
			 wrong ? ": " : "", wrong ? status->error : "",
			 held ? "; to go on: kamal-proxy resume" : "");
		return false;
	}
	return somebody_listens(site, status, missing, size) &&
	       (goal->what != WAIT_DRAINED ||
		none_left(status->draining, "request", "on replaced sockets", missing, size));
}

static void look_at_fifo(const struct site *site, const char *name, struct file_id *id,
			 bool *leased)
{
	char path[PATH_MAX];
	snprintf(path, sizeof(path), "%s/%s", site->path, name);
	if (id->ino == 0 && tree_fifo_id(path, id))
		*leased = true;
}

/* Whether a FIFO is honoured is for the proxy to say, whose rights are not ours. */
static struct site *scan(const struct wait *w)
{
	struct site *site = tree_scan_service(w->services_dir, w->service);
	if (site != NULL && site->refused) {
		look_at_fifo(site, "pause", &site->pause, &site->pause_leased);
		look_at_fifo(site, "stop", &site->stop, &site->stop_leased);
	}
	return site;
}

/* True once it is decided: w->code. The files are looked at anew each time, before the status:
   what is met then was met after the caller's own change. */
static bool decide(struct wait *w)
{
	struct status status;
	struct site *site = scan(w);
	if (site == NULL) {
		w->code = args_fail(EXIT_FAILED, "there is no service %s: %s/%s: %s", w->service,
				    w->services_dir, w->service, strerror(errno));
		return true;
	}
	if (!lock_is_held(w->runtime_dir)) {
		w->code = args_fail(EXIT_FAILED,
				    "kamal-proxy is not running (nobody holds %s/lock)",
				    w->runtime_dir);
	} else if (!status_read(w->runtime_dir, w->service, &status)) {
		snprintf(w->missing, sizeof(w->missing), "%s/status/%s: %s", w->runtime_dir,
			 w->service,
			 errno == ENOENT ? "the proxy has not told of the service yet"
					 : strerror(errno));
		status_fini(&status);
	} else {
		if (wait_is_met(&w->goal, site, &status, w->missing, sizeof(w->missing)))
			w->code = EXIT_DONE;
		status_fini(&status);
	}
	tree_free_site(site);
	return w->code >= 0;
}

static void look(struct wait *w)
{
	if (decide(w))
		ev_break(w->loop, EVBREAK_ALL);
}

static void on_look(struct ev_loop *loop, ev_timer *t, int revents)
{
	(void)loop;
	(void)revents;
	look(t->data);
}

static void on_limit(struct ev_loop *loop, ev_timer *t, int revents)
{
	struct wait *w = t->data;
	(void)revents;
	if (!decide(w))
		w->code = args_fail(EXIT_FAILED, "%s: gave up waiting: %s", w->service, w->missing);
	ev_break(loop, EVBREAK_ALL);
}

static void on_entry(void *user, struct watch_dir *dir, const char *name, unsigned what)
{
	struct wait *w = user;
	(void)dir;
	(void)what;
	w->touched = w->touched || strcmp(name, w->service) == 0;
}

static void on_lost(void *user)
{
	struct wait *w = user;
	w->touched = true;
}

static void on_done(void *user)
{
	struct wait *w = user;
	if (w->touched)
		look(w);
	w->touched = false;
}

static const struct watch_events watch_events = {
	.entry = on_entry, .lost = on_lost, .done = on_done};

static int wait_run(struct wait *w, uint64_t limit_ms)
{
	char dir[4096];
	w->loop = ev_loop_new(EVFLAG_NOENV);
	w->code = -1;
	watch_dir_init(&w->dir);
	snprintf(dir, sizeof(dir), "%s/status", w->runtime_dir);
	/* Watch first, then look: what is told in between gives an event. Without a watch the
	   timer looks. */
	w->watch = watch_new(w->loop, &watch_events, w);
	if (w->watch != NULL)
		watch_add(w->watch, &w->dir, dir, false);
	ev_timer_init(&w->look, on_look, LOOK_EVERY, LOOK_EVERY);
	ev_timer_init(&w->limit, on_limit, (double)limit_ms / 1000.0, 0);
	w->look.data = w->limit.data = w;
	ev_timer_start(w->loop, &w->look);
	ev_timer_start(w->loop, &w->limit);
	if (!decide(w))
		ev_run(w->loop, 0);
	ev_timer_stop(w->loop, &w->look);
	ev_timer_stop(w->loop, &w->limit);
	if (w->watch != NULL)
		watch_free(w->watch);
	ev_loop_destroy(w->loop);
	return w->code;
}

struct wanted {
	bool flag[WAIT_SEEN + 1];
};

/* False when more than one is wanted; none: ready. */
static bool pick_goal(const struct wanted *wanted, struct wait_goal *goal)
{
	unsigned count = 0;
	for (unsigned i = 0; i <= WAIT_SEEN; i++) {
		if (wanted->flag[i])
			goal->what = (enum wait_for)i;
		count += wanted->flag[i];
	}
	return count <= 1;
}

int wait_main(int argc, char **argv)
{
	struct wait w = {0};
	struct wanted wanted = {0};
	const char *timeout = "30s";
	uint64_t limit_ms;
	const struct args_flag flags[] = {
		{.name = "--ready", .flag = &wanted.flag[WAIT_READY]},
		{.name = "--drained", .flag = &wanted.flag[WAIT_DRAINED]},
		{.name = "--running", .flag = &wanted.flag[WAIT_RUNNING]},
		{.name = "--paused", .flag = &wanted.flag[WAIT_PAUSED]},
		{.name = "--seen", .flag = &wanted.flag[WAIT_SEEN]},
		{.name = "--tunnels", .flag = &w.goal.tunnels},
		{.name = "--timeout", .value = &timeout},
	};
	struct args args;
	struct settings *settings = NULL;
	if (!args_split(argc, argv, flags, sizeof(flags) / sizeof(flags[0]), false, &args))
		return EXIT_USAGE;
	int code = EXIT_USAGE;
	if (!pick_goal(&wanted, &w.goal))
		args_fail(EXIT_USAGE,
			  "wait: only one of --ready, --drained, --running, --paused, --seen");
	else if (!str_to_duration(str_of(timeout), &limit_ms))
		args_fail(EXIT_USAGE, "wait: --timeout %s is no duration; write 500ms, 30s, 5m",
			  timeout);
	else if ((w.service = args_service(&args)) != NULL &&
		 (settings = args_settings(&args)) != NULL) {
		w.services_dir = settings->proxy.services_dir;
		w.runtime_dir = settings->proxy.runtime_dir;
		code = wait_run(&w, limit_ms);
	}
	settings_free(settings);
	args_free(&args);
	return code;
}
