/* One service: all views gathered, compared with what its file says, written when it differs. */
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/mem.h"
#include "publish_internal.h"

#define COUNTERS_EVERY 0.95 /* seconds */

static int64_t now_ms(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static uint32_t region_pid(struct board *board, unsigned i)
{
	return atomic_load_explicit(&board_worker(board_region(board, i))->pid,
				    memory_order_acquire);
}

static struct board_service *region_find(struct publisher *p, unsigned i, const char *name)
{
	return board_service_find(board_region(p->board, i), str_of(name));
}

/* Looking into a region that was never written would make its holes memory. */
static struct board_service *past_find(struct publisher *p, const char *name)
{
	const struct board_worker *w = board_worker(board_region(p->board, PUBLISH_PAST));
	return atomic_load(&w->ready) != 0 ? region_find(p, PUBLISH_PAST, name) : NULL;
}

static void read_workers(struct publisher *p, const char *name)
{
	p->nworkers = 0;
	for (unsigned i = 0; i < PUBLISH_PAST; i++) {
		if (region_pid(p->board, i) == 0)
			continue;
		struct gather_worker *w = &p->workers[p->nworkers++];
		const struct board_service *s = region_find(p, i, name);
		w->region = i;
		w->passive = atomic_load(&board_worker(board_region(p->board, i))->ready) != 1;
		w->known = s != NULL && board_service_read(s, &w->seen);
	}
}

uint64_t post_signature(struct publisher *p, const struct post *post)
{
	uint64_t sum = 0;
	for (unsigned i = 0; i < PUBLISH_PAST; i++) {
		if (region_pid(p->board, i) == 0)
			continue;
		const struct board_service *s = region_find(p, i, post->name);
		if (s == NULL)
			continue;
		const uint64_t part[] = {atomic_load(&s->seq),      atomic_load(&s->in_flight),
					 atomic_load(&s->draining), atomic_load(&s->tunnels),
					 atomic_load(&s->held),     atomic_load(&s->requests),
					 atomic_load(&s->errors),   atomic_load(&s->cut_off)};
		for (size_t k = 0; k < sizeof(part) / sizeof(part[0]); k++)
			sum = (sum + part[k]) * UINT64_C(0x9e3779b97f4a7c15);
	}
	return sum;
}

/* What a restart finds is carried on: the count of handoffs, since when, and which sockets it
   was. */
static void post_load(struct publisher *p, struct post *post)
{
	post->loaded = true;
	post->known = status_read(p->runtime_dir, post->name, &post->last);
	size_t n = gather_count_targets(&post->last);
	if (!post->known || n == 0)
		return;
	post->live = mem_alloc(n * sizeof(post->live[0]));
	for (size_t i = 0; i < post->last.ntargets; i++) {
		const struct status_target *t = &post->last.targets[i];
		bool canary = strchr(t->name, '/') != NULL;
		if (t->state != TARGET_DRAINING)
			post->live[post->nlive++] = (struct live){t->inode, canary ? GROUP_ROLLOUT
										   : GROUP_MAIN};
	}
}

static bool is_live(const struct post *post, const struct tree_socket *s)
{
	for (size_t i = 0; i < post->nlive; i++) {
		if (post->live[i].inode == s->id.ino && post->live[i].group == s->group)
			return true;
	}
	return false;
}

static bool site_has(const struct site *site, struct live l)
{
	for (size_t i = 0; i < site->nsockets; i++) {
		if (site->sockets[i].id.ino == l.inode && site->sockets[i].group == l.group)
			return true;
	}
	return false;
}

/* The first that was not there before; nsockets: none was added. */
static size_t first_new(const struct post *post, const struct site *site)
{
	size_t i = 0;
	while (i < site->nsockets && is_live(post, &site->sockets[i]))
		i++;
	return i;
}

static bool some_gone(const struct post *post, const struct site *site)
{
	for (size_t i = 0; i < post->nlive; i++) {
		if (!site_has(site, post->live[i]))
			return true;
	}
	return false;
}

/* A handoff: one set of sockets takes the place of another. */
static void count_handoff(struct post *post, const struct site *site, uint64_t *generation)
{
	size_t added = first_new(post, site);
	*generation = post->known ? post->last.generation : 0;
	if (site->nsockets == 0 || (added == site->nsockets && !some_gone(post, site)))
		return;
	if (post->nlive > 0) {
		const struct tree_socket *s = &site->sockets[added < site->nsockets ? added : 0];
		++*generation;
		log_info("%s: handoff to %s (inode %llu)%s, generation %llu", post->name, s->name,
			 (unsigned long long)s->id.ino, site->nsockets > 1 ? " and others" : "",
			 (unsigned long long)*generation);
	}
	post->live = mem_grow(post->live, site->nsockets * sizeof(post->live[0]));
	post->nlive = site->nsockets;
	for (size_t i = 0; i < site->nsockets; i++)
		post->live[i] = (struct live){site->sockets[i].id.ino, site->sockets[i].group};
}

static void join(const struct strings *list, const char *none, char **out)
{
	struct buf b = {0};
	for (size_t i = 0; i < list->count; i++)
		buf_printf(&b, "%s%s", i == 0 ? "" : ", ", list->item[i]);
	if (list->count == 0)
		buf_printf(&b, "%s", none);
	buf_append(&b, "", 1);
	status_set_text(out, b.data + b.head);
	buf_free(&b);
}

static void describe(const struct service *s, const struct service_view *view, struct status *now)
{
	const struct service_settings *set = service_settings(s);
	const char *own = strchr(now->service, '.') != NULL ? now->service : "*";
	if (set == NULL)
		return;
	join(&set->hosts, own, &now->hosts);
	join(&set->path_prefix, "/", &now->path);
	now->tls = set->tls;
	char certificate[CERT_TEXT_MAX];
	cert_describe(view->cert, certificate, sizeof(certificate));
	status_set_text(&now->certificate, certificate);
}

static void compose(struct publisher *p, struct post *post, const struct service *s,
		    const struct service_view *view, struct status *now)
{
	const struct gather g = {
		.view = view,
		.workers = p->workers,
		.nworkers = p->nworkers,
		.blind = p->blind,
		.probes = post->probes.found,
		.nprobes = post->probes.count,
		.past = past_find(p, post->name),
		.last = post->known ? &post->last : NULL,
	};
	status_init(now);
	str_copy(now->service, sizeof(now->service), str_of(post->name));
	describe(s, view, now);
	gather_status(&g, now);
	count_handoff(post, view->site, &now->generation);
	now->since_ms = now_ms();
	if (post->known && post->last.state == now->state)
		now->since_ms = post->last.since_ms;
}

static void log_change(const struct post *post, const struct status *now)
{
	bool meant = now->state == SERVICE_RUNNING || now->state == SERVICE_PAUSED ||
		     now->state == SERVICE_STOPPED;
	bool silent = strcmp(now->error, "-") == 0;
	if (post->known && post->last.state == now->state)
		return;
	if (!post->known && now->state == SERVICE_NO_SOCKET)
		return; /* every service begins so */
	log_at(meant && silent ? LOG_INFO : LOG_WARN, "%s: %s%s%s", post->name,
	       service_state_name(now->state), silent ? "" : ": ", silent ? "" : now->error);
}

static void write_file(struct publisher *p, struct post *post, struct status *now)
{
	log_change(post, now);
	post->missing = status_write(p->runtime_dir, now) < 0;
	if (!post->missing) {
		p->failing = false;
	} else if (!p->failing) {
		p->failing = true;
		log_error(
			"cannot write %s/status/%s: %s; commands will wait until it can be written",
			p->runtime_dir, post->name, strerror(errno));
	}
	status_fini(&post->last);
	post->last = *now;
	post->known = true;
	post->written = ev_now(p->loop);
}

static void tell(const struct publisher *p, const struct site *site, const struct status *now)
{
	if (p->gathered != NULL)
		p->gathered(p->user, site, now);
}

/* signature: from before the regions were read, so that what came since is seen as a change. */
static void settle(struct publisher *p, struct post *post, uint64_t signature,
		   const struct site *site, struct status *now)
{
	bool due = ev_now(p->loop) - post->written >= COUNTERS_EVERY;
	if (!post->known || gather_is_urgent(&post->last, now) ||
	    (due && (post->missing || gather_differs(&post->last, now)))) {
		post->signature = signature;
		write_file(p, post, now);
		tell(p, site, &post->last);
		return;
	}
	/* A difference that has to wait must look like one to the next tick. */
	post->signature = gather_differs(&post->last, now) ? ~signature : signature;
	tell(p, site, now);
	status_fini(now);
}

static void note_probing(struct publisher *p, struct post *post)
{
	list_remove(&post->probing);
	if (probes_due(&post->probes) != 0)
		list_push_back(&p->probing, &post->probing);
}

static bool post_view(const struct publisher *p, const char *name, const struct service **s,
		      struct service_view *view)
{
	*s = registry_find(p->registry, name);
	if (*s != NULL)
		service_view(*s, view);
	return *s != NULL && view->site != NULL;
}

/* False when the service, and the post with it, is gone after the look. */
static bool look_again(struct publisher *p, struct post *post)
{
	char name[sizeof(post->name)];
	memcpy(name, post->name, sizeof(name));
	struct site *site = tree_find(p->tree, name);
	if (site != NULL)
		tree_look(p->tree, site); /* may queue this post again */
	return map_get(&p->posts, str_of(name)) == post;
}

unsigned post_publish(struct publisher *p, struct post *post)
{
	const struct service *s;
	struct service_view view;
	struct status now;
	bool moved;
	if (!post_view(p, post->name, &s, &view))
		return 0;
	if (!post->loaded)
		post_load(p, post);
	uint64_t signature = post_signature(p, post);
	read_workers(p, post->name);
	probes_sync(&post->probes, view.site, ev_now(p->loop));
	probes_hear(&post->probes, p->workers, p->nworkers, ev_now(p->loop));
	unsigned connects = probes_run(&post->probes, view.site, ev_now(p->loop), &moved);
	if (moved && (!look_again(p, post) || !post_view(p, post->name, &s, &view)))
		return connects;
	compose(p, post, s, &view, &now);
	settle(p, post, signature, view.site, &now);
	note_probing(p, post);
	return connects;
}

bool post_is_missing(const struct publisher *p, struct post *post)
{
	char path[PATH_MAX];
	status_path(p->runtime_dir, post->name, path, sizeof(path));
	post->missing = post->missing || (post->known && access(path, F_OK) < 0);
	return post->missing;
}

bool post_view_differs(const struct publisher *p, const struct post *post)
{
	const struct service *s = registry_find(p->registry, post->name);
	struct service_view v;
	if (s == NULL || !post->known)
		return s != NULL;
	service_view(s, &v);
	bool conflict = post->last.state == SERVICE_CONFLICT,
	     invalid = post->last.state == SERVICE_INVALID;
	bool refused = v.kind == VIEW_OK && v.site != NULL && v.site->refused;
	if ((v.kind == VIEW_CONFLICT) != conflict || (v.kind == VIEW_INVALID || refused) != invalid)
		return true;
	return v.error != NULL && strcmp(v.error, post->last.error) != 0;
}

void post_free(struct post *post)
{
	list_remove(&post->queued);
	list_remove(&post->probing);
	if (post->loaded)
		status_fini(&post->last);
	probes_free(&post->probes);
	mem_free(post->live);
	mem_free(post);
}
