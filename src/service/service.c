/* service: composes settings, peers and gate, and keeps the scoreboard's line true. Who waits is in
 * service_wait.c, pause and stop are in service_doors.c. */
#include "service/service.h"

#include "base/log.h"
#include "base/mem.h"
#include "service/balance.h"
#include "service/rollout.h"
#include "service_internal.h"

#define LOOK_US 50000 /* a refusal leads to one look in this time */

/* Where nothing is accounted. Nobody reads it. */
static struct board_service scratch;

static struct service *service_of(struct peer_home *h)
{
	return container_of(h, struct service, home);
}

/* ---- what is told ---- */

static void publish_doors(const struct service *s, struct board_service *b)
{
	static const struct file_id none;
	const struct file_id *pause = s->site == NULL ? &none : &s->site->pause;
	const struct file_id *stop = s->site == NULL ? &none : &s->site->stop;

	pause = service_pause_holds(s) ? pause : &none;
	stop = service_stop_holds(s) ? stop : &none;
	b->pause_ino = pause->ino;
	b->pause_ctime = pause->ctime_ns;
	b->stop_ino = stop->ino;
	b->stop_ctime = stop->ctime_ns;
}

void service_publish(struct service *s)
{
	struct board_service *b = s->home.board;
	uint32_t n = 0, drains = 0;

	s->told = service_pause_holds(s) && service_stop_holds(s);
	if (b == &scratch)
		return;
	board_write_begin(b);
	list_for_each (node, &s->home.current) {
		const struct peer *p = peer_of(node);
		if (peer_slot(p) == PEER_NO_SLOT)
			continue;
		peer_tell(p, &b->peers[peer_slot(p)]);
		n++;
	}
	list_for_each (node, &s->home.replaced) {
		if (peer_list_drain(peer_of(node), n + drains))
			peer_tell(peer_of(node), &b->peers[n + drains++]);
	}
	b->npeers = n;
	b->nreplaced = drains;
	publish_doors(s, b);
	b->ini_stamp = s->stamp;
	board_write_end(b);
}

void service_news(const struct service *s)
{
	if (s->book != NULL && !s->book->closing && s->env->news != NULL)
		s->env->news(s->env->user, s->name);
}

/* ---- what peers tell ---- */

static void on_peer_changed(struct peer_home *h)
{
	service_publish(service_of(h));
	service_news(service_of(h));
}

static void on_peer_refused(struct peer_home *h)
{
	struct service *s = service_of(h);
	uint64_t now = peer_clock();

	if (s->env->look == NULL || s->removed || now - s->looked_at < LOOK_US)
		return;
	s->looked_at = now;
	s->look_due = true;
	service_arm(s);
}

static void on_parked(struct peer_home *h)
{
	struct service *s = service_of(h);

	if (s->hurry)
		return;
	s->hurry = true;
	service_arm(s);
}

static void on_emptied(struct peer_home *h)
{
	service_news(service_of(h));
}

static void on_unused(struct peer_home *h)
{
	struct service *s = service_of(h);

	list_remove(&s->removed_node);
	service_wait_fini(s);
	service_doors_fini(s);
	errorpages_free(s->pages);
	if (s->home.board != &scratch)
		board_service_release(s->home.board);
	claims_free(s->claims);
	cert_fini(&s->cert);
	service_free_settings(s);
	service_free_rollout(s);
	mem_free(s->error);
	mem_free(s);
}

static const struct peer_home_ops home_ops = {
	.changed = on_peer_changed,
	.refused = on_peer_refused,
	.parked = on_parked,
	.emptied = on_emptied,
	.unused = on_unused,
};

static void on_cert_changed(struct cert *c)
{
	service_news(container_of(c, struct service, cert));
}

/* ---- life ---- */

void service_book_init(struct service_book *b, const struct service_env *env)
{
	*b = (struct service_book){.env = env, .routes = routes_new()};
	list_init(&b->touched);
	list_init(&b->removed);
	list_init(&b->secure);
	cert_book_init(&b->certs, env->tls, env->loop, env->region == NULL);
	b->certs.changed = on_cert_changed;
}

static void service_orphan(struct service *s)
{
	cert_fini(&s->cert);
	s->book = NULL;
}

void service_book_fini(struct service_book *b)
{
	struct list *node;

	while ((node = list_pop_front(&b->removed)) != NULL)
		service_orphan(container_of(node, struct service, removed_node));
	cert_book_fini(&b->certs);
	routes_free(b->routes);
}

static struct board_service *board_line(const struct service *s)
{
	struct board_service *b;

	if (s->env->region == NULL)
		return &scratch;
	b = board_service_claim(s->env->region, str_of(s->name));
	if (b == NULL)
		log_warn("%s: no room in the scoreboard: its status will not be complete", s->name);
	return b == NULL ? &scratch : b;
}

static struct service *find_removed(struct service_book *b, const char *name)
{
	list_for_each (node, &b->removed) {
		struct service *s = container_of(node, struct service, removed_node);
		if (strcmp(s->name, name) == 0)
			return s;
	}
	return NULL;
}

static void home_init(struct service *s)
{
	struct peer_home *h = &s->home;

	h->ops = &home_ops;
	h->loop = s->env->loop;
	h->timers = s->env->timers;
	h->name = s->name;
	h->max_idle = s->env->settings->proxy.max_idle_upstream;
	h->drain_ms = s->env->settings->service.drain_timeout;
	list_init(&h->current);
	list_init(&h->replaced);
	h->board = board_line(s);
}

struct service *service_new(struct service_book *b, struct site *site)
{
	struct service *s = find_removed(b, site->name);
	size_t size = strlen(site->name) + 1;

	if (s != NULL) {
		list_remove(&s->removed_node);
		s->removed = false;
		service_hold(s);
		return s;
	}
	s = mem_zero(sizeof(*s) + size);
	memcpy(s->name, site->name, size);
	s->env = b->env;
	s->book = b;
	list_init(&s->removed_node);
	list_init(&s->secure_node);
	cert_init(&s->cert, &b->certs, s->name);
	service_wait_init(s);
	service_doors_init(s);
	home_init(s);
	s->claims = claims_new(s);
	service_hold(s);
	return s;
}

void service_update(struct service *s, struct site *site, unsigned what,
		    const struct service *elder)
{
	bool tell = (what & (TREE_NEW | TREE_SETTINGS | TREE_STATE)) != 0;

	service_hold(s);
	s->site = site;
	s->home.dir = site->path;
	if ((what & (TREE_NEW | TREE_SETTINGS)) != 0) {
		service_read_settings(s, elder);
		service_update_certificate(s, elder);
	}
	if ((what & (TREE_NEW | TREE_SOCKETS)) != 0 &&
	    balance_update(&s->home, site->sockets, site->nsockets))
		tell = true;
	balance_forget(&s->home);
	service_settle_door(s);
	service_publish(s);
	if (tell)
		service_news(s);
	service_release(s);
	service_drop(s);
}

void service_remove(struct service *s)
{
	s->removed = true;
	s->site = NULL;
	s->home.dir = NULL;
	s->look_due = false;
	claims_drop(s->claims);
	claims_settle(s->book);
	list_remove(&s->secure_node);
	balance_update(&s->home, NULL, 0);
	service_settle_door(s);
	service_publish(s);
	service_news(s);
	list_push_back(&s->book->removed, &s->removed_node);
	service_release(s);
	service_drop(s);
}

void service_hold(struct service *s)
{
	peer_home_hold(&s->home);
}

void service_drop(struct service *s)
{
	peer_home_drop(&s->home);
}

/* ---- what can be asked ---- */

struct peer *service_pick(struct service *s, bool canary)
{
	return balance_pick(&s->home, canary ? GROUP_ROLLOUT : GROUP_MAIN);
}

bool service_has_rollout(const struct service *s)
{
	return s->rollout != NULL;
}

bool service_in_rollout(const struct service *s, struct str value)
{
	return s->rollout != NULL && rollout_includes(s->rollout, value);
}

struct str service_error_page(struct service *s, int status)
{
	return errorpage_get(&s->pages, s->name, s->home.dir, status);
}

const char *service_name(const struct service *s)
{
	return s->name;
}

const struct service_settings *service_settings(const struct service *s)
{
	return s->settings == NULL ? &s->env->settings->service : s->settings;
}

struct board_service *service_board(struct service *s)
{
	return s->home.board;
}

bool service_is_removed(const struct service *s)
{
	return s->removed;
}
