/* worker: composes everything below in one loop; see the header for what each signal means. */
#include "run/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "front/h1front.h"
#include "front/h2front.h"
#include "front/tlsfront.h"
#include "proxy/exchange.h"
#include "run/lock.h"
#include "worker_internal.h"

#define HEARTBEAT 0.5   /* s */
#define ORPHAN_POLL 0.1 /* s between looks whether a new master holds the lock */
#define ANSWER_HEAD_MAX (64 * 1024)
#define GIVE_UP 0.5 /* s for those who were held to the end to take their answer */

static uint64_t monotonic_ms(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* ---- ending ---- */

static void begin_end(struct worker *w)
{
	ev_tstamp limit = (ev_tstamp)w->args->settings->proxy.shutdown_timeout / 1000;
	w->line->ready = 2;
	w->proxy.retiring = true;
	h2front_retire(&w->proxy);
	ev_timer_set(&w->end, limit, 0);
	ev_timer_start(w->proxy.loop, &w->end);
	ev_prepare_start(w->proxy.loop, &w->turn);
}

static void retire(struct worker *w)
{
	if (w->state != LIFE_SERVING)
		return;
	w->state = LIFE_RETIRING;
	worker_tend_doors(w);
	begin_end(w);
}

static void close_idle(struct worker *w)
{
	tlsfront_close_idle(&w->proxy);
	h1front_close_idle(&w->proxy);
}

static void shut_down(struct worker *w)
{
	if (w->state == LIFE_ENDING)
		return;
	if (w->state == LIFE_SERVING) {
		worker_close_doors(w);
		begin_end(w);
	}
	w->state = LIFE_ENDING;
	close_idle(w);
}

static void on_end(struct ev_loop *loop, ev_timer *t, int revents)
{
	(void)revents;
	struct worker *w = container_of(t, struct worker, end);
	struct service *s;
	bool held = false;
	for (size_t i = 0; (s = registry_next(w->proxy.registry, &i)) != NULL;)
		held |= service_give_up(s);
	if (held && !w->gave_up) {
		w->gave_up = true;
		ev_timer_set(t, GIVE_UP, 0);
		ev_timer_start(loop, t);
		return;
	}
	if (w->proxy.nfronts != 0)
		log_info("ends with %zu connections open: shutdown_timeout is over",
			 w->proxy.nfronts);
	tlsfront_close_all(&w->proxy);
	h1front_close_all(&w->proxy);
	ev_break(loop, EVBREAK_ALL);
}

/* Once a turn while it ends: has the last client gone? One that has just got an answer whose head did not
   tell it to go must not be waited for. */
static void on_turn(struct ev_loop *loop, ev_prepare *p, int revents)
{
	(void)revents;
	struct worker *w = container_of(p, struct worker, turn);
	if (w->state == LIFE_ENDING)
		close_idle(w);
	if (w->proxy.nfronts == 0)
		ev_break(loop, EVBREAK_ALL);
}

/* ---- what comes from outside ---- */

static void on_signal(struct ev_loop *loop, ev_io *io, int revents)
{
	(void)loop;
	(void)revents;
	struct worker *w = container_of(io, struct worker, signals);
	struct signalfd_siginfo info;
	while (read(w->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		switch (info.ssi_signo) {
		case SIGTERM: shut_down(w); break;
		case SIGHUP: retire(w); break;
		case SIGUSR1:
			if (accesslog_reopen(w->proxy.log) < 0)
				log_error("access_log %s cannot be opened: %s; still writing to "
					  "the old one",
					  w->args->settings->proxy.access_log, strerror(errno));
			break;
		default: worker_tend_doors(w);
		}
	}
}

static void on_life(struct ev_loop *loop, ev_io *io, int revents)
{
	(void)revents;
	struct worker *w = container_of(io, struct worker, life);
	char byte;
	if (read(io->fd, &byte, 1) != 0)
		return;
	ev_io_stop(loop, io);
	log_warn("the master is gone; serving on until another one holds the lock");
	ev_timer_start(loop, &w->orphan);
}

static void on_orphan(struct ev_loop *loop, ev_timer *t, int revents)
{
	(void)revents;
	struct worker *w = container_of(t, struct worker, orphan);
	if (!lock_is_held(w->args->settings->proxy.runtime_dir))
		return;
	ev_timer_stop(loop, t);
	log_info("a new master is there: making way");
	if (w->state != LIFE_SERVING)
		return;
	worker_close_doors(w);
	begin_end(w);
	w->state = LIFE_RETIRING;
}

/* Whoever reads the log is too slow, or the disk is full: said at each beat in which lines were lost. */
static void tell_dropped(struct worker *w)
{
	uint64_t now = accesslog_dropped(w->proxy.log);
	if (now != w->dropped)
		log_warn("access_log: %llu lines dropped: the reader is too slow or the disk full",
			 (unsigned long long)(now - w->dropped));
	w->dropped = now;
}

static void on_heartbeat(struct ev_loop *loop, ev_timer *t, int revents)
{
	(void)loop;
	(void)revents;
	struct worker *w = container_of(t, struct worker, heartbeat);
	w->line->heartbeat = monotonic_ms();
	w->line->connections = w->proxy.nfronts;
	w->line->accepted = w->accepted;
	w->line->log_dropped = accesslog_dropped(w->proxy.log);
	tell_dropped(w);
	w->line->overflows = tree_stats(w->tree).overflows;
}

/* ---- what goes to the master ---- */

static void on_news(void *user, const char *service)
{
	struct worker *w = user;
	char line[BOARD_NAME + 1];
	int n = snprintf(line, sizeof(line), "%s\n", service);
	if (write(w->args->news_fd, line, (size_t)n) != n)
		w->line->news_lost = 1;
}

static void on_look(void *user, struct site *site)
{
	struct worker *w = user;
	if (w->tree != NULL) /* else the first scan is under way */
		tree_look(w->tree, site);
}

/* ---- putting it together ---- */

static void init_proxy(struct worker *w)
{
	const struct proxy_settings *s = &w->args->settings->proxy;
	struct proxy *p = &w->proxy;
	p->loop = ev_loop_new(EVBACKEND_EPOLL | EVFLAG_NOENV);
	if (p->loop == NULL) {
		log_error("no event loop: %s", strerror(errno));
		_exit(1);
	}
	p->timers = timers_new(p->loop);
	conn_io_init(&p->io, p->loop);
	p->settings = s;
	p->log = accesslog_new(p->loop, w->args->log_fd,
			       s->access_log[0] == '/' ? s->access_log : NULL);
	p->request_limits = (struct h1_limits){
		.head = s->max_request_head, .line = s->max_request_line, .fields = s->max_headers};
	p->answer_limits = (struct h1_limits){
		.head = ANSWER_HEAD_MAX, .line = ANSWER_HEAD_MAX, .fields = HEAD_FIELDS_MAX};
	p->trusted = mem_zero((s->trusted_proxies.count + 1) * sizeof(*p->trusted));
	for (size_t i = 0; i < s->trusted_proxies.count; i++) {
		if (cidr_parse(s->trusted_proxies.item[i], &p->trusted[p->ntrusted]))
			p->ntrusted++;
	}
	list_init(&p->free_exchanges);
	list_init(&p->fronts);
	list_init(&p->handshakes);
	if (s->https_port != 0)
		p->tls = tls_new(w->args->tickets, true);
	p->head_memory = mem_alloc(PROXY_HEAD_MAX);
	p->head = mem_alloc(sizeof(*p->head));
}

static void init_services(struct worker *w)
{
	w->env = (struct service_env){
		.loop = w->proxy.loop,
		.timers = w->proxy.timers,
		.settings = w->args->settings,
		.board = w->args->board,
		.region = board_region(w->args->board, w->args->region),
		.tls = w->proxy.tls,
		.news = on_news,
		.look = on_look,
		.user = w,
	};
	w->proxy.registry = registry_new(&w->env, w->args->elder);
	if (w->proxy.tls != NULL)
		tls_set_choose(w->proxy.tls, registry_choose_certificate, w->proxy.registry);
	w->tree = tree_open(w->proxy.loop, w->args->settings->proxy.services_dir,
			    &registry_tree_events, w->proxy.registry);
	if (w->tree == NULL) {
		log_error("services_dir %s cannot be opened: %s",
			  w->args->settings->proxy.services_dir, strerror(errno));
		_exit(1);
	}
}

static void init_signals(struct worker *w)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGUSR2);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGINT, SIG_IGN); /* a terminal's ^C: the master decides */
	w->signal_fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	ev_io_init(&w->signals, on_signal, w->signal_fd, EV_READ);
	ev_io_start(w->proxy.loop, &w->signals);
}

static void init_watchers(struct worker *w)
{
	struct ev_loop *loop = w->proxy.loop;
	ev_io_init(&w->life, on_life, w->args->life_fd, EV_READ);
	ev_io_start(loop, &w->life);
	ev_timer_init(&w->heartbeat, on_heartbeat, HEARTBEAT, HEARTBEAT);
	ev_timer_start(loop, &w->heartbeat);
	ev_timer_init(&w->orphan, on_orphan, ORPHAN_POLL, ORPHAN_POLL);
	ev_timer_init(&w->end, on_end, 0, 0);
	ev_prepare_init(&w->turn, on_turn);
}

static void fini(struct worker *w)
{
	h2front_close_all(&w->proxy);
	tree_close(w->tree);
	registry_free(w->proxy.registry);
	exchange_free_all(&w->proxy);
	tls_free(w->proxy.tls);
	accesslog_free(w->proxy.log);
	timers_free(w->proxy.timers);
	conn_io_fini(&w->proxy.io);
	ev_loop_destroy(w->proxy.loop);
	mem_free(w->proxy.trusted);
	mem_free(w->proxy.head_memory);
	mem_free(w->proxy.head);
	mem_free(w->doors);
}

int worker_run(const struct worker_args *args)
{
	struct worker w = {.args = args, .state = LIFE_SERVING};
	char prefix[48];
	snprintf(prefix, sizeof(prefix), "worker %u.%u: ", args->generation, args->slot);
	log_set_prefix(prefix);
	w.line = board_worker(board_region(args->board, args->region));
	w.line->heartbeat = monotonic_ms();

	lock_join(args->settings->proxy.runtime_dir, board_master(args->board)->crew);
	init_proxy(&w);
	init_services(&w);
	worker_make_doors(&w);
	init_signals(&w);
	init_watchers(&w);
	on_heartbeat(w.proxy.loop, &w.heartbeat, 0);
	w.line->ready = 1;
	worker_tend_doors(&w);

	ev_run(w.proxy.loop, 0);
	fini(&w);
	log_set_prefix(NULL);
	return 0;
}
