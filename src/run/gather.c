/* One service's status out of many views. The rule behind all of it: a target is only `ready`,
 * and draining only 0, when every worker says the same as the master's own tree; whoever has
 * not told yet has not seen. */
#include "run/gather.h"

#include <stdio.h>
#include <string.h>

#include "gather_internal.h"

/* The two ways to keep requests from the app. */
enum shut { SHUT_PAUSE, SHUT_STOP };

static const struct board_peer *find_peer(const struct board_service *b, uint64_t dev, uint64_t ino)
{
	for (uint32_t i = 0; i < b->npeers && i < BOARD_PEERS; i++) {
		if (b->peers[i].ino == ino && b->peers[i].dev == dev)
			return &b->peers[i];
	}
	return NULL;
}

static bool site_has(const struct site *site, const struct board_peer *p)
{
	for (size_t i = 0; i < site->nsockets; i++) {
		if (site->sockets[i].id.ino == p->ino && site->sockets[i].id.dev == p->dev)
			return true;
	}
	return false;
}

/* Compared as sets: two names may stand for one socket. */
static bool sees_the_same(const struct board_service *b, const struct site *site)
{
	for (size_t i = 0; i < site->nsockets; i++) {
		if (find_peer(b, site->sockets[i].id.dev, site->sockets[i].id.ino) == NULL)
			return false;
	}
	for (uint32_t i = 0; i < b->npeers && i < BOARD_PEERS; i++) {
		if (!site_has(site, &b->peers[i]))
			return false;
	}
	return true;
}

/* Was it ready already? A worker that is just starting has not told of it yet, but will find
   it; one that is just ending has cleared its table. What was true stays true, so that a
   respawn or an upgrade does not rewrite every status file twice. */
static bool was_ready(const struct status *last, const struct tree_socket *s)
{
	for (size_t i = 0; last != NULL && i < last->ntargets; i++) {
		const struct status_target *t = &last->targets[i];
		if (t->inode == s->id.ino && t->state == TARGET_READY)
			return true;
	}
	return false;
}

static bool seen_by_all(const struct gather *g, const struct tree_socket *s)
{
	for (size_t i = 0; i < g->nworkers; i++) {
		const struct gather_worker *w = &g->workers[i];
		if (!w->known && w->passive && was_ready(g->last, s))
			continue;
		if (!w->known || find_peer(&w->seen, s->id.dev, s->id.ino) == NULL)
			return false;
	}
	return g->nworkers > 0;
}

static const struct gather_probe *find_probe(const struct gather *g, const struct tree_socket *s)
{
	for (size_t i = 0; i < g->nprobes; i++) {
		if (g->probes[i].ino == s->id.ino && g->probes[i].dev == s->id.dev)
			return &g->probes[i];
	}
	return NULL;
}

/* The master's own probe decides; until it has one, any worker that got through is proof enough. */
static enum target_state target_state(const struct gather *g, const struct tree_socket *s)
{
	const struct gather_probe *probe = find_probe(g, s);
	enum board_peer_state known = probe != NULL ? probe->state : PEER_UNTRIED;
	if (!seen_by_all(g, s))
		return TARGET_PENDING;
	for (size_t i = 0; known == PEER_UNTRIED && i < g->nworkers; i++) {
		const struct board_peer *p = NULL;
		if (g->workers[i].known)
			p = find_peer(&g->workers[i].seen, s->id.dev, s->id.ino);
		if (p != NULL && p->state == PEER_READY)
			known = PEER_READY;
	}
	switch (known) {
	case PEER_READY: return TARGET_READY;
	case PEER_REFUSED: return TARGET_REFUSED;
	case PEER_DENIED: return TARGET_DENIED;
	case PEER_UNTRIED: break;
	}
	return TARGET_PENDING;
}

static void gather_targets(const struct gather *g, struct status *out)
{
	const struct site *site = g->view->site;
	for (size_t k = 0; k < site->nsockets; k++) {
		const struct tree_socket *s = &site->sockets[k];
		uint64_t in_flight = 0;
		for (size_t i = 0; i < g->nworkers; i++) {
			const struct board_peer *p = NULL;
			if (g->workers[i].known)
				p = find_peer(&g->workers[i].seen, s->id.dev, s->id.ino);
			if (p != NULL)
				in_flight += p->in_flight;
		}
		status_add_target(out, s->name, s->id.ino, target_state(g, s), in_flight);
	}
}

/* The name under which an inode was published before. */
static const char *last_name(const struct gather *g, uint64_t inode)
{
	for (size_t i = 0; g->last != NULL && i < g->last->ntargets; i++) {
		if (g->last->targets[i].inode == inode)
			return g->last->targets[i].name;
	}
	return "?";
}

static void add_draining(const struct gather *g, const struct board_peer *p, struct status *out)
{
	for (size_t i = 0; i < out->ntargets; i++) {
		if (out->targets[i].inode == p->ino && out->targets[i].state == TARGET_DRAINING) {
			out->targets[i].in_flight += p->in_flight;
			return;
		}
	}
	status_add_target(out, last_name(g, p->ino), p->ino, TARGET_DRAINING, p->in_flight);
}

static void gather_draining(const struct gather *g, struct status *out)
{
	for (size_t i = 0; i < g->nworkers; i++) {
		const struct board_service *b = &g->workers[i].seen;
		uint32_t end = b->npeers + b->nreplaced;
		for (uint32_t k = b->npeers; g->workers[i].known && k < end && k < BOARD_PEERS;
		     k++) {
			if (b->peers[k].in_flight != 0)
				add_draining(g, &b->peers[k], out);
		}
	}
}

static uint64_t value(const _Atomic uint32_t *counter)
{
	return atomic_load_explicit(counter, memory_order_relaxed);
}

static void add_totals(const struct board_service *b, struct status *out)
{
	out->requests += atomic_load_explicit(&b->requests, memory_order_relaxed);
	out->errors += atomic_load_explicit(&b->errors, memory_order_relaxed);
	out->cut_off += atomic_load_explicit(&b->cut_off, memory_order_relaxed);
}

static void gather_counters(const struct gather *g, struct status *out)
{
	bool all_see = !g->blind;
	for (size_t i = 0; i < g->nworkers; i++) {
		const struct gather_worker *w = &g->workers[i];
		if (!w->known) {
			/* One that knows nothing of the service has nothing in flight there. */
			all_see = all_see && w->passive;
			continue;
		}
		out->in_flight += value(&w->seen.in_flight);
		out->draining += value(&w->seen.draining);
		out->tunnels += value(&w->seen.tunnels);
		out->held += value(&w->seen.held);
		add_totals(&w->seen, out);
		all_see = all_see && sees_the_same(&w->seen, g->view->site);
	}
	if (g->past != NULL)
		add_totals(g->past, out);
	if (!all_see && out->draining == 0)
		out->draining = 1;
}

static struct file_id told_file(const struct board_service *b, enum shut how)
{
	if (how == SHUT_PAUSE)
		return (struct file_id){.ino = b->pause_ino, .ctime_ns = b->pause_ctime};
	return (struct file_id){.ino = b->stop_ino, .ctime_ns = b->stop_ctime};
}

static struct file_id site_file(const struct gather *g, enum shut how)
{
	return how == SHUT_PAUSE ? g->view->site->pause : g->view->site->stop;
}

static struct file_id last_file(const struct gather *g, enum shut how)
{
	if (g->last == NULL)
		return (struct file_id){0};
	return how == SHUT_PAUSE ? g->last->pause : g->last->stop;
}

/* One that accepts nothing and has not told will meet what is there: nothing rests on its word. */
static bool is_silent(const struct gather_worker *w)
{
	return !w->known && w->passive;
}

/* False when the workers do not agree; then *out is what was in force everywhere before, unless
   that is how the files are now. */
static bool agreed_file(const struct gather *g, enum shut how, struct file_id *out)
{
	struct file_id last = last_file(g, how), site = site_file(g, how);
	bool any = false, agree = true;
	*out = (struct file_id){0};
	for (size_t i = 0; i < g->nworkers; i++) {
		const struct gather_worker *w = &g->workers[i];
		struct file_id told = {0};
		if (is_silent(w))
			continue;
		if (w->known)
			told = told_file(&w->seen, how);
		agree = agree && (!any || gather_same_file(told, *out));
		any = true;
		*out = told;
	}
	if (any && agree)
		return true;
	/* Between the last worker's death and the next one's start nobody serves. */
	bool stands = gather_same_file(last, site) != any;
	*out = stands ? last : (struct file_id){0};
	return agree;
}

static uint64_t agreed_stamp(const struct gather *g)
{
	const struct board_service *first = NULL;
	for (size_t i = 0; i < g->nworkers; i++) {
		const struct gather_worker *w = &g->workers[i];
		bool as_before = g->last != NULL && g->last->settings == g->view->stamp;
		if (!w->known && !(w->passive && as_before))
			return 0;
		if (!w->known)
			continue;
		if (first != NULL && first->ini_stamp != w->seen.ini_stamp)
			return 0;
		first = &w->seen;
	}
	return first != NULL ? first->ini_stamp : 0;
}

/* Values that are told only when all workers agree on them. */
static void gather_agreed(const struct gather *g, struct status *out)
{
	bool pause = agreed_file(g, SHUT_PAUSE, &out->pause);
	bool stop = agreed_file(g, SHUT_STOP, &out->stop);
	out->settings = pause && stop ? agreed_stamp(g) : 0;
}

static bool is_shut(const struct gather *g, const struct status *out, enum shut how)
{
	const enum service_state state = how == SHUT_PAUSE ? SERVICE_PAUSED : SERVICE_STOPPED;
	if (site_file(g, how).ino == 0)
		return false;
	if (gather_same_file(how == SHUT_PAUSE ? out->pause : out->stop, site_file(g, how)))
		return true;
	if (g->last == NULL || g->last->state != state)
		return false;
	/* Its content or mode changed, or another file took its place: it is shut all the while. */
	for (size_t i = 0; i < g->nworkers; i++) {
		const struct gather_worker *w = &g->workers[i];
		if (!is_silent(w) && (!w->known || told_file(&w->seen, how).ino == 0))
			return false;
	}
	return true;
}

static bool is_canary(const struct status_target *t)
{
	return strchr(t->name, '/') != NULL;
}

static bool is_well(enum service_state s)
{
	return s == SERVICE_RUNNING || s == SERVICE_PAUSED || s == SERVICE_STOPPED;
}

static enum service_state gather_state(const struct gather *g, const struct status *out)
{
	bool pending = false;
	if (g->view->kind == VIEW_CONFLICT)
		return SERVICE_CONFLICT;
	if (g->view->kind == VIEW_INVALID || g->view->site->refused)
		return SERVICE_INVALID;
	if (is_shut(g, out, SHUT_STOP))
		return SERVICE_STOPPED;
	if (is_shut(g, out, SHUT_PAUSE))
		return SERVICE_PAUSED;
	for (size_t i = 0; i < out->ntargets; i++) {
		if (is_canary(&out->targets[i]))
			continue;
		if (out->targets[i].state == TARGET_READY)
			return SERVICE_RUNNING;
		pending = pending || out->targets[i].state == TARGET_PENDING;
	}
	/* In the blink between a rename and the last worker's word nothing has been lost yet. */
	if (pending && g->last != NULL && is_well(g->last->state))
		return SERVICE_RUNNING;
	return SERVICE_NO_SOCKET;
}

static void gather_error(const struct gather *g, struct status *out)
{
	const struct site *site = g->view->site;
	char text[1024];
	if (g->view->error != NULL || site->error != NULL) {
		status_set_text(&out->error, g->view->error != NULL ? g->view->error : site->error);
		return;
	}
	for (size_t i = 0; i < site->nsockets; i++) {
		const struct gather_probe *probe = find_probe(g, &site->sockets[i]);
		if (probe != NULL && probe->state == PEER_DENIED && probe->why != NULL) {
			status_set_text(&out->error, probe->why);
			return;
		}
	}
	if (out->state != SERVICE_NO_SOCKET)
		return;
	if (site->nsockets == 0 || site->sockets[0].group != GROUP_MAIN)
		snprintf(text, sizeof(text),
			 "no socket yet: bind one as %s/app.sock, or rename one there", site->path);
	else if (out->targets[0].state == TARGET_REFUSED)
		snprintf(text, sizeof(text), "nobody listens on %s/%s (connection refused)",
			 site->path, site->sockets[0].name);
	else
		snprintf(text, sizeof(text), "%s/%s has not been tried yet", site->path,
			 site->sockets[0].name);
	status_set_text(&out->error, text);
}

void gather_status(const struct gather *g, struct status *out)
{
	gather_targets(g, out);
	gather_draining(g, out);
	gather_counters(g, out);
	gather_agreed(g, out);
	out->state = gather_state(g, out);
	gather_error(g, out);
}
