/* cert: which files a service's certificate comes from, when they are read, and what is in force until then. */
#include "service/cert.h"

#include <stdio.h>
#include <sys/stat.h>
#include <time.h>

#include "base/log.h"
#include "base/mem.h"
#include "cert_internal.h"

#define WORK_PAUSE 0.002 /* s between two that are read in the background: each costs up to 1 ms */
#define TICK 0.5         /* s */
#define TICKS_A_ROUND 4

/* ---- the book ---- */

static void on_work(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct cert_book *b = container_of(w, struct cert_book, work);
	struct list *first;
	(void)revents;
	/* What is too much to be kept is left to the handshakes that ask for it. */
	while ((first = list_pop_front(&b->waiting)) != NULL) {
		struct cert *c = container_of(first, struct cert, waiting);
		if (b->surveys || b->kept < CERT_KEPT_MAX || c->in_force != NULL) {
			cert_read(c);
			break;
		}
	}
	if (list_empty(&b->waiting))
		return;
	ev_timer_set(w, WORK_PAUSE, 0.);
	ev_timer_start(loop, w);
}

/* A part of those that no event tells of. */
static void on_tick(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct cert_book *b = container_of(w, struct cert_book, tick);
	(void)loop;
	(void)revents;
	for (size_t n = b->npolled / TICKS_A_ROUND + 1; n > 0 && !list_empty(&b->polled); n--) {
		struct list *node = list_pop_front(&b->polled);
		struct cert *c = container_of(node, struct cert, polled);
		list_push_back(&b->polled, node);
		if (c->outside)
			cert_look(c);
		if (b->surveys && cert_is_expired(&c->facts) != c->expired) {
			c->expired = !c->expired;
			cert_tell(c);
		}
	}
}

void cert_book_init(struct cert_book *b, struct tls *tls, struct ev_loop *loop, bool surveys)
{
	*b = (struct cert_book){.tls = tls, .loop = loop, .surveys = surveys};
	list_init(&b->waiting);
	list_init(&b->polled);
	ev_timer_init(&b->work, on_work, 0., 0.);
	ev_timer_init(&b->tick, on_tick, TICK, TICK);
}

void cert_book_fini(struct cert_book *b)
{
	if (b->loop != NULL) {
		ev_timer_stop(b->loop, &b->work);
		ev_timer_stop(b->loop, &b->tick);
	}
	tls_cert_drop(b->nobody);
	b->nobody = NULL;
}

struct tls_cert *cert_book_nobody(struct cert_book *b)
{
	const struct tls_source none = {.service = ""};
	char why[CERT_TEXT_MAX];
	if (b->nobody == NULL && b->tls != NULL)
		b->nobody = tls_cert_make(b->tls, &none, why, sizeof(why));
	return b->nobody;
}

static void poll_begin(struct cert *c)
{
	struct cert_book *b = c->book;
	if (b->loop == NULL || !list_empty(&c->polled))
		return;
	list_push_back(&b->polled, &c->polled);
	b->npolled++;
	if (!ev_is_active(&b->tick)) {
		ev_timer_set(&b->tick, TICK, TICK);
		ev_timer_start(b->loop, &b->tick);
	}
}

static void poll_end(struct cert *c)
{
	struct cert_book *b = c->book;
	if (list_empty(&c->polled))
		return;
	list_remove(&c->polled);
	if (--b->npolled == 0)
		ev_timer_stop(b->loop, &b->tick);
}

/* ---- what is wanted ---- */

static bool is_stale(const struct cert *c)
{
	if (!c->looked)
		return true;
	for (int i = 0; i < CERT_FILES; i++) {
		const struct file_id *a = &c->want[i], *b = &c->seen[i];
		if (a->dev != b->dev || a->ino != b->ino || a->ctime_ns != b->ctime_ns)
			return true;
	}
	return false;
}

/* Reads it soon; a command, which has no later, now. */
static void enqueue(struct cert *c)
{
	struct cert_book *b = c->book;
	if (b->loop == NULL) {
		cert_read(c);
		return;
	}
	if (!list_empty(&c->waiting))
		return;
	list_push_back(&b->waiting, &c->waiting);
	if (ev_is_active(&b->work))
		return;
	ev_timer_set(&b->work, 0., 0.);
	ev_timer_start(b->loop, &b->work);
}

void cert_look(struct cert *c)
{
	for (int i = 0; i < CERT_FILES; i++) {
		struct stat st;
		bool by_tree = i == CERT_CHAIN && c->path[CERT_KEY] == NULL;
		if (by_tree)
			continue;
		c->want[i] = (struct file_id){0};
		if (c->path[i] != NULL && stat(c->path[i], &st) == 0)
			c->want[i] = cert_file_id(&st);
	}
	if (is_stale(c))
		enqueue(c);
}

static void set_path(struct cert *c, enum cert_file i, const char *path, bool *moved)
{
	const char *before = c->path[i] == NULL ? "" : c->path[i];
	if (strcmp(before, path) == 0)
		return;
	*moved = true;
	mem_free(c->path[i]);
	c->path[i] = path[0] == '\0' ? NULL : str_dup(str_of(path));
}

/* True: they are other files than before. */
static bool set_paths(struct cert *c, const struct site *site, const struct service_settings *s)
{
	bool moved = false;
	struct buf pem = {0};
	buf_printf(&pem, "%s/tls.pem", site->path);
	buf_append(&pem, "", 1);
	bool apart = s->tls_certificate_path[0] != '\0';
	set_path(c, CERT_CHAIN, apart ? s->tls_certificate_path : pem.data + pem.head, &moved);
	set_path(c, CERT_KEY, apart ? s->tls_private_key_path : "", &moved);
	set_path(c, CERT_CLIENT_CA, s->tls_client_ca, &moved);
	buf_free(&pem);
	c->outside = apart || c->path[CERT_CLIENT_CA] != NULL;
	return moved;
}

static void forget(struct cert *c)
{
	if (c->in_force != NULL)
		c->book->kept--;
	tls_cert_drop(c->in_force);
	tls_cert_drop(c->own);
	c->in_force = c->own = NULL;
	c->facts = (struct tls_facts){0};
	c->looked = c->open_to_all = false;
	mem_free(c->client_ca);
	mem_free(c->error);
	c->client_ca = c->error = NULL;
	list_remove(&c->waiting);
	poll_end(c);
}

static bool same_paths(const struct cert *a, const struct cert *b)
{
	for (int i = 0; i < CERT_FILES; i++) {
		if (!str_eq(str_of(a->path[i]), str_of(b->path[i])))
			return false;
	}
	return true;
}

static void inherit(struct cert *c, const struct cert *elder)
{
	if (elder->in_force == NULL || !same_paths(c, elder))
		return;
	c->in_force = tls_cert_hold(elder->in_force);
	c->book->kept++;
	c->facts = elder->facts;
	c->open_to_all = elder->open_to_all;
	c->client_ca = elder->client_ca == NULL ? NULL : str_dup(str_of(elder->client_ca));
	c->looked = elder->looked;
	memcpy(c->seen, elder->seen, sizeof(c->seen));
}

void cert_update(struct cert *c, const struct site *site, const struct service_settings *s,
		 const struct cert *elder)
{
	if (c->book->tls == NULL)
		return;
	bool was_on = c->is_on;
	c->is_on = s->tls;
	if (!c->is_on) {
		if (was_on)
			forget(c);
		return;
	}
	/* Other authorities for clients must not wait: what was made for the old ones is of no use. */
	struct str before = str_of(c->path[CERT_CLIENT_CA]);
	bool other_ca = !str_eq(before, str_of(s->tls_client_ca)) && (before.n != 0 || was_on);
	if (other_ca)
		forget(c);
	if (set_paths(c, site, s) && was_on)
		c->looked = false;
	if (!was_on && elder != NULL)
		inherit(c, elder);
	if (c->path[CERT_KEY] == NULL)
		c->want[CERT_CHAIN] = site->tls_pem;
	if ((!was_on || other_ca) && c->in_force == NULL)
		c->open_to_all = c->path[CERT_CLIENT_CA] == NULL;
	if (c->outside || c->book->surveys)
		poll_begin(c);
	else
		poll_end(c);
	cert_look(c);
}

/* ---- for handshakes ---- */

static void read_if_stale(struct cert *c)
{
	if (is_stale(c))
		cert_read(c);
}

bool cert_is_there(const struct cert *c)
{
	return c->is_on && (c->in_force != NULL || c->want[CERT_CHAIN].ino != 0);
}

bool cert_is_real(struct cert *c)
{
	if (!c->is_on || c->book->tls == NULL)
		return false;
	read_if_stale(c);
	return c->in_force != NULL;
}

struct tls_cert *cert_get(struct cert *c)
{
	char why[CERT_TEXT_MAX];
	if (cert_is_real(c))
		return c->in_force;
	if (!c->is_on || !c->open_to_all)
		return NULL;
	const struct tls_source source = {.service = c->service, .client_ca = str_of(c->client_ca)};
	if (c->own == NULL)
		c->own = tls_cert_make(c->book->tls, &source, why, sizeof(why));
	return c->own;
}

/* ---- life ---- */

void cert_init(struct cert *c, struct cert_book *b, const char *service)
{
	*c = (struct cert){.book = b, .service = service};
	list_init(&c->waiting);
	list_init(&c->polled);
}

void cert_fini(struct cert *c)
{
	forget(c);
	c->is_on = false;
	for (int i = 0; i < CERT_FILES; i++) {
		mem_free(c->path[i]);
		c->path[i] = NULL;
	}
}
