/* Composes crew, publisher and upgrade in one loop, and turns signals into calls. It reads no
 * request. */
#include "run/master.h"

#include <errno.h>
#include <ev.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/timer.h"
#include "run/args.h"
#include "run/crew.h"
#include "run/lease.h"
#include "run/lock.h"
#include "run/news.h"
#include "run/publish.h"
#include "run/start.h"
#include "run/upgrade.h"
#include "service/registry.h"

#ifndef KP_VERSION
#define KP_VERSION "0.1.0"
#endif

#define TICK 0.1 /* seconds: a slice of the round through all services */
#define TICKS_A_SECOND 10

enum { ON_TERM, ON_INT, ON_HUP, ON_USR1, ON_CHLD, NSIGNALS };
static const int signals[NSIGNALS] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGCHLD};

struct master {
	struct ev_loop *loop;
	struct timers *timers;
	struct settings *settings;
	struct estate estate;
	struct service_env env;
	struct registry *registry;
	struct tree *tree;
	struct publisher *publisher; /* NULL during the first scan */
	struct leases *leases;       /* likewise */
	struct crew crew;
	struct upgrade upgrade;
	ev_signal on_signal[NSIGNALS];
	struct news news;
	ev_timer tick;
	unsigned ticks;
	bool stopping;
	bool wanted;  /* a SIGHUP came during an upgrade */
	bool orphans; /* workers of a dead master still serve, and nobody knows what */
};

/* ---- the tree: first the registry, then what is published of it ---- */

static void tree_changed(void *user, struct site *site, unsigned what)
{
	struct master *m = user;
	registry_tree_events.changed(m->registry, site, what);
	if (m->publisher != NULL)
		publisher_changed(m->publisher, site->name, what);
}

static void tree_gone(void *user, struct site *site)
{
	struct master *m = user;
	registry_tree_events.gone(m->registry, site);
	if (m->leases != NULL)
		leases_gone(m->leases, site->name);
	if (m->publisher != NULL)
		publisher_gone(m->publisher, site->name);
}

static void certificate_changed(void *user, const char *service)
{
	struct master *m = user;
	if (m->publisher != NULL)
		publisher_news(m->publisher, str_of(service));
}

static void tree_misnamed(void *user, const char *name)
{
	const struct master *m = user;
	log_warn("%s/%s: no legal name of a service, ignored; use 1 to 63 of a-z 0-9 . _ -",
		 m->settings->proxy.services_dir, name);
}

static const struct tree_events tree_events = {
	.changed = tree_changed,
	.gone = tree_gone,
	.misnamed = tree_misnamed,
};

/* ---- the crew ---- */

/* libev's handlers belong to the process: a child that keeps them would wake a loop it does not
   run. */
static void crew_child(void *user)
{
	struct master *m = user;
	for (int i = 0; i < NSIGNALS; i++)
		ev_signal_stop(m->loop, &m->on_signal[i]);
}

static void crew_died(void *user, unsigned region)
{
	struct master *m = user;
	publisher_fold(m->publisher, region);
}

static void crew_changed(void *user)
{
	struct master *m = user;
	publisher_set_blind(m->publisher, m->orphans || crew_has_foreign(&m->crew));
	publisher_all(m->publisher);
}

static void look_for_orphans(struct master *m)
{
	bool had = m->orphans;
	m->orphans = lock_has_strangers(m->estate.lock_fd, board_master(m->estate.board)->crew);
	if (m->orphans && !had)
		log_warn("workers of a master that was killed still serve; nothing counts as "
			 "drained "
			 "or paused until they have ended");
	if (m->orphans != had)
		crew_changed(m);
}

static void request_upgrade(struct master *m)
{
	if (m->stopping)
		return;
	m->wanted = m->crew.growing != 0 || m->upgrade.check != 0;
	if (!m->wanted)
		upgrade_check(&m->upgrade);
}

static void crew_grown(void *user, bool serving)
{
	struct master *m = user;
	if (serving)
		log_info("generation %u of workers serves", m->crew.generation);
	publisher_begin(m->publisher);
	if (m->wanted)
		request_upgrade(m);
}

static void crew_empty(void *user)
{
	struct master *m = user;
	ev_break(m->loop, EVBREAK_ALL);
}

static const struct crew_events crew_events = {
	.child = crew_child,
	.died = crew_died,
	.changed = crew_changed,
	.grown = crew_grown,
	.empty = crew_empty,
};

/* ---- signals ---- */

/* Closing ours (the workers close theirs once drained) makes the kernel refuse what would only
   be reset. */
static void close_listeners(struct master *m)
{
	for (size_t i = 0; i < m->estate.nlisteners; i++)
		close(m->estate.listeners[i].fd);
	m->estate.nlisteners = 0;
}

static void stop(struct master *m)
{
	if (m->stopping) {
		log_warn("asked to stop again: ending at once");
		crew_signal(&m->crew, SIGKILL);
		return;
	}
	m->stopping = true;
	log_info("stopping: requests in flight have %.0f s",
		 (double)m->settings->proxy.shutdown_timeout / 1000.0);
	close_listeners(m);
	crew_stop(&m->crew);
}

static void checked(void *user)
{
	struct master *m = user;
	if (m->stopping)
		return;
	log_info("upgrade: the check is passed, executing %s", args_executable());
	crew_leave(&m->crew);
	leases_leave(m->leases, &m->estate);
	upgrade_execute(&m->estate);
}

static void child_ended(void *user, pid_t pid, int status)
{
	struct master *m = user;
	if (upgrade_child(&m->upgrade, pid, status) && m->wanted)
		request_upgrade(m);
}

static void reopen_log(struct master *m)
{
	crew_signal(&m->crew, SIGUSR1);
	if (m->settings->proxy.access_log[0] != '/')
		return;
	int fd = start_open_log(&m->settings->proxy);
	if (fd < 0) {
		log_error("access_log = %s: %s; new workers write to the old file",
			  m->settings->proxy.access_log, strerror(errno));
		return;
	}
	if (m->estate.log_fd > 2)
		close(m->estate.log_fd);
	m->estate.log_fd = fd;
}

static void signal_came(struct ev_loop *loop, ev_signal *w, int revents)
{
	struct master *m = w->data;
	(void)loop;
	(void)revents;
	switch (w->signum) {
	case SIGTERM:
	case SIGINT: stop(m); break;
	case SIGHUP: request_upgrade(m); break;
	case SIGUSR1: reopen_log(m); break;
	default: crew_reap(&m->crew, child_ended);
	}
}

static void tick(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct master *m = w->data;
	(void)loop;
	(void)revents;
	publisher_tick(m->publisher);
	if (m->orphans)
		look_for_orphans(m);
	if (++m->ticks % TICKS_A_SECOND != 0)
		return;
	crew_tick(&m->crew);
	tls_tickets_turn(m->estate.tickets, (int64_t)time(NULL));
	news_check_lost(&m->news);
}

/* ---- life ---- */

static bool open_tree(struct master *m)
{
	const char *dir = m->settings->proxy.services_dir;
	m->env = (struct service_env){
		.loop = m->loop,
		.timers = m->timers,
		.settings = m->settings,
		.board = m->estate.board,
		.tls = m->settings->proxy.https_port != 0 ? tls_new(NULL, false) : NULL,
		.news = certificate_changed,
		.user = m,
	};
	m->registry = registry_new(&m->env, NULL);
	m->tree = tree_open(m->loop, dir, &tree_events, m);
	if (m->tree == NULL) {
		args_fail(EXIT_USAGE, "services_dir = %s: %s", dir, strerror(errno));
		return false;
	}
	m->publisher = publisher_new(m->loop, m->settings->proxy.runtime_dir, m->estate.board,
				     m->registry, m->tree);
	m->leases = leases_new(m->loop, m->registry);
	leases_take(m->leases, dir, &m->estate);
	publisher_tell(m->publisher, leases_see, m->leases);
	return true;
}

static void start_watchers(struct master *m)
{
	sigset_t none;
	for (int i = 0; i < NSIGNALS; i++) {
		ev_signal_init(&m->on_signal[i], signal_came, signals[i]);
		m->on_signal[i].data = m;
		ev_signal_start(m->loop, &m->on_signal[i]);
	}
	/* They were all held back since we, or a predecessor, began to listen. */
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	news_start(&m->news, m->loop, m->estate.news[0], m->estate.board, m->publisher);
	ev_timer_init(&m->tick, tick, TICK, TICK);
	m->tick.data = m;
	ev_timer_start(m->loop, &m->tick);
}

static void say_started(const struct master *m, bool restored)
{
	size_t services = 0;
	for (size_t i = 0; registry_next(m->registry, &i) != NULL;)
		services++;
	unsigned workers = m->settings->proxy.worker_count;
	log_info("kamal-proxy %s %s: %zu service%s in %s, %u worker%s", KP_VERSION,
		 restored ? "took over" : "started", services, services == 1 ? "" : "s",
		 m->settings->proxy.services_dir, workers, workers == 1 ? "" : "s");
	for (size_t i = 0; i < m->estate.nlisteners; i++) {
		if (m->estate.listeners[i].slot == 0)
			log_info("listening on %s", m->estate.listeners[i].address);
	}
}

static void run(struct master *m, bool restored)
{
	crew_init(&m->crew, m->loop, m->settings, &m->estate, &crew_events, m);
	m->crew.elder = m->registry;
	upgrade_init(&m->upgrade, m->loop, m->settings, &m->estate, checked, m);
	say_started(m, restored);
	look_for_orphans(m);
	start_watchers(m);
	crew_reap(&m->crew, child_ended); /* who died while nobody listened */
	if (restored)
		publisher_begin(m->publisher);
	crew_grow(&m->crew);
	ev_run(m->loop, 0);
	log_info("stopped");
	publisher_stop(m->publisher);
	upgrade_fini(&m->upgrade);
	crew_fini(&m->crew);
	ev_timer_stop(m->loop, &m->tick);
	news_stop(&m->news, m->loop);
	crew_child(m);
	lock_leave(&(struct lock){.fd = m->estate.lock_fd});
}

static void fini(struct master *m)
{
	if (m->publisher != NULL)
		publisher_free(m->publisher);
	m->publisher = NULL;
	if (m->leases != NULL)
		leases_free(m->leases);
	m->leases = NULL;
	tree_close(m->tree);
	registry_free(m->registry);
	tls_free(m->env.tls);
	board_free(m->estate.board);
	estate_free(&m->estate);
	timers_free(m->timers);
	ev_loop_destroy(m->loop);
}

static int serve(struct settings *settings)
{
	static struct master m;
	const char *handover = getenv(ESTATE_ENV);
	m.settings = settings;
	start_set_log_level(&settings->proxy);
	signal(SIGPIPE, SIG_IGN);
	if (handover != NULL ? !start_restored(settings, handover, &m.estate)
			     : !start_fresh(settings, &m.estate)) {
		estate_free(&m.estate);
		return EXIT_USAGE;
	}
	m.loop = ev_loop_new(EVBACKEND_EPOLL | EVFLAG_NOENV);
	m.timers = timers_new(m.loop);
	bool ok = open_tree(&m);
	if (!ok && handover != NULL)
		upgrade_again(&m.estate);
	if (ok)
		run(&m, handover != NULL);
	fini(&m);
	return ok ? EXIT_DONE : EXIT_USAGE;
}

int master_main(int argc, char **argv)
{
	struct args args;
	struct settings *settings = NULL;
	int code = EXIT_USAGE;
	if (!args_split(argc, argv, NULL, 0, false, &args))
		return EXIT_USAGE;
	if (args.nwords > 0)
		args_fail(EXIT_USAGE,
			  "run: what is '%s'? run takes flags only; see: kamal-proxy help run",
			  args.word[0]);
	else if ((settings = args_settings(&args)) != NULL)
		code = serve(settings);
	else if (getenv(ESTATE_ENV) != NULL)
		upgrade_again(NULL);
	settings_free(settings);
	args_free(&args);
	return code;
}
