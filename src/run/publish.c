/* Decides when which service is looked at: at once after news or a change in the tree, in the
 * loop turn that brought it; else in rounds. Each turn does a few milliseconds of work at most. */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "publish_internal.h"

#define TURN_NS 3000000  /* of publishing before the loop turns again */
#define TICKS 10         /* ticks that a round of all services takes */
#define MISSING_ROUNDS 3 /* whether files are still there is seen in one round of so many */
#define PROBES_A_TURN 64
#define LOOKS_A_TURN 256

static int64_t monotonic_ns(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static struct post *find_post(struct publisher *p, struct str name)
{
	return map_get(&p->posts, name);
}

static void enqueue(struct publisher *p, struct post *post, bool first)
{
	if (p->stopped)
		return;
	if (!list_empty(&post->queued)) {
		if (!first)
			return;
		list_remove(&post->queued);
	}
	if (first)
		list_push_front(&p->queue, &post->queued);
	else
		list_push_back(&p->queue, &post->queued);
}

static void check_views(struct publisher *p)
{
	void *value;
	p->views_stale = false;
	for (size_t i = 0; map_next(&p->posts, &i, &value);) {
		struct post *post = value;
		if (post_view_differs(p, post))
			enqueue(p, post, false);
	}
}

static void work(struct ev_loop *loop, ev_prepare *w, int revents)
{
	struct publisher *p = w->data;
	(void)revents;
	if (!p->begun)
		return;
	if (p->views_stale)
		check_views(p);
	if (!list_empty(&p->queue)) {
		ev_now_update(loop);
		int64_t end = monotonic_ns() + TURN_NS;
		struct list *node;
		while ((node = list_pop_front(&p->queue)) != NULL) {
			post_publish(p, container_of(node, struct post, queued));
			if (monotonic_ns() >= end)
				break;
		}
	}
	if (list_empty(&p->queue))
		ev_idle_stop(loop, &p->idle);
	else
		ev_idle_start(loop, &p->idle);
	if (!list_empty(&p->probing) && !ev_is_active(&p->probe_timer))
		ev_timer_start(loop, &p->probe_timer);
}

static void idle_turn(struct ev_loop *loop, ev_idle *w, int revents)
{
	(void)loop;
	(void)w;
	(void)revents;
}

/* Walks the ring of those that wait for somebody to listen; whoever is due is looked at. */
static void probe_turn(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct publisher *p = w->data;
	unsigned connects = 0, looks = 0;
	struct list seen;
	(void)revents;
	list_init(&seen);
	while (!list_empty(&p->probing) && connects < PROBES_A_TURN && looks++ < LOOKS_A_TURN) {
		struct list *node = list_pop_front(&p->probing);
		struct post *post = container_of(node, struct post, probing);
		list_push_back(&seen, node);
		if (probes_due(&post->probes) <= ev_now(loop))
			connects += post_publish(
				p, post); /* puts it at the ring's end if it is still due */
	}
	for (struct list *node; (node = list_pop_front(&seen)) != NULL;)
		list_push_back(&p->probing, node);
	if (list_empty(&p->probing))
		ev_timer_stop(loop, w);
}

/* Files of services that are no more, and what an interrupted write left. */
static void remove_stale(struct publisher *p)
{
	char dir[PATH_MAX];
	snprintf(dir, sizeof(dir), "%s/status", p->runtime_dir);
	DIR *d = opendir(dir);
	if (d == NULL)
		return;
	for (struct dirent *e; (e = readdir(d)) != NULL;) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		if (e->d_name[0] == '.' || registry_find(p->registry, e->d_name) == NULL)
			status_remove(p->runtime_dir, e->d_name);
	}
	closedir(d);
}

static struct post *add_post(struct publisher *p, const char *name)
{
	struct post *post = mem_new(struct post);
	snprintf(post->name, sizeof(post->name), "%s", name);
	list_init(&post->queued);
	list_init(&post->probing);
	map_put(&p->posts, str_of(post->name), post);
	return post;
}

void publisher_tell(struct publisher *p, publish_gathered *gathered, void *user)
{
	p->gathered = gathered;
	p->user = user;
}

void publisher_begin(struct publisher *p)
{
	p->begun = true;
}

struct publisher *publisher_new(struct ev_loop *loop, const char *runtime_dir, struct board *board,
				struct registry *registry, struct tree *tree)
{
	struct publisher *p = mem_new(struct publisher);
	struct service *s;
	p->loop = loop;
	p->runtime_dir = runtime_dir;
	p->board = board;
	p->registry = registry;
	p->tree = tree;
	list_init(&p->queue);
	list_init(&p->probing);
	ev_prepare_init(&p->prepare, work);
	ev_idle_init(&p->idle, idle_turn);
	ev_timer_init(&p->probe_timer, probe_turn, 0.005, 0.005);
	p->prepare.data = p->idle.data = p->probe_timer.data = p;
	ev_prepare_start(loop, &p->prepare);
	remove_stale(p);
	for (size_t i = 0; (s = registry_next(registry, &i)) != NULL;)
		enqueue(p, add_post(p, service_name(s)), false);
	return p;
}

void publisher_free(struct publisher *p)
{
	void *value;
	for (size_t i = 0; map_next(&p->posts, &i, &value);)
		post_free(value);
	map_free(&p->posts);
	publisher_stop(p);
	mem_free(p);
}

void publisher_changed(struct publisher *p, const char *service, unsigned what)
{
	struct post *post = find_post(p, str_of(service));
	if (post == NULL)
		post = add_post(p, service);
	enqueue(p, post, true);
	if ((what & (TREE_NEW | TREE_SETTINGS)) != 0)
		p->views_stale = true;
}

void publisher_gone(struct publisher *p, const char *service)
{
	struct post *post = map_remove(&p->posts, str_of(service));
	if (post == NULL)
		return;
	post_free(post);
	p->views_stale = true;
	if (!p->stopped && status_remove(p->runtime_dir, service) < 0 && errno != ENOENT)
		log_error("cannot remove %s/status/%s: %s", p->runtime_dir, service,
			  strerror(errno));
	log_info("%s: removed", service);
}

void publisher_news(struct publisher *p, struct str service)
{
	struct post *post = find_post(p, service);
	if (post != NULL)
		enqueue(p, post, true);
}

void publisher_set_blind(struct publisher *p, bool blind)
{
	p->blind = blind;
}

void publisher_all(struct publisher *p)
{
	void *value;
	for (size_t i = 0; map_next(&p->posts, &i, &value);)
		enqueue(p, value, false);
}

void publisher_tick(struct publisher *p)
{
	size_t some = p->posts.count / TICKS + 1;
	void *value;
	while (some-- > 0) {
		if (!map_next(&p->posts, &p->cursor, &value)) {
			p->cursor = 0;
			p->rounds++;
			return;
		}
		struct post *post = value;
		bool look = p->rounds % MISSING_ROUNDS == 0;
		if (post->signature != post_signature(p, post) || post->missing ||
		    (look && post_is_missing(p, post)))
			enqueue(p, post, false);
	}
}

void publisher_fold(struct publisher *p, unsigned region)
{
	struct board_region *from = board_region(p->board, region);
	struct board_region *past = board_region(p->board, PUBLISH_PAST);
	void *value;
	atomic_store(&board_worker(past)->ready,
		     1); /* from now on there is something to find in it */
	for (size_t i = 0; map_next(&p->posts, &i, &value);) {
		const struct post *post = value;
		/* A worker that ended in order has dropped its entries: find would pass them
		   over. The region is nobody's now, and cleared next. */
		const struct board_service *dead = board_service_claim(from, str_of(post->name));
		struct board_service *sum = board_service_claim(past, str_of(post->name));
		if (dead == NULL || sum == NULL)
			continue;
#define X(total) board_raise(sum->total, atomic_load_explicit(&dead->total, memory_order_relaxed));
		BOARD_TOTALS(X)
#undef X
	}
}

void publisher_stop(struct publisher *p)
{
	p->stopped = true;
	while (list_pop_front(&p->queue) != NULL)
		;
	ev_prepare_stop(p->loop, &p->prepare);
	ev_idle_stop(p->loop, &p->idle);
	ev_timer_stop(p->loop, &p->probe_timer);
}
