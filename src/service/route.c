/* route: hosts in two maps (exact names, and wildcards by their suffix), below each host its
 * path prefixes, below each prefix the claims with the oldest first. A look-up hashes the host
 * once, and once more for each label or path segment that could matter; the number of services
 * never matters. */
#include "service/route.h"

#include "base/map.h"
#include "base/mem.h"

/* Names of more labels than this do not exist; it bounds what a hostile Host header can cost. */
#define LABELS_MAX 40

/* All claims of one host and prefix, in the order of their right to it. */
struct group {
	const struct claim **claim;
	size_t n, cap;
};

struct host {
	struct group root;   /* "/", what nearly every host has */
	struct map prefixes; /* "/a/b" → struct group */
	size_t longest;      /* of the prefixes */
};

struct routes {
	struct map exact, wild; /* "a.example.com", ".example.com" → struct host */
	struct host any;
};

struct routes *routes_new(void)
{
	return mem_new(struct routes);
}

static void host_fini(struct host *h)
{
	void *value;

	for (size_t i = 0; map_next(&h->prefixes, &i, &value);) {
		struct group *g = value;
		mem_free(g->claim);
		mem_free(g);
	}
	map_free(&h->prefixes);
	mem_free(h->root.claim);
}

static void hosts_free(struct map *m)
{
	void *value;

	for (size_t i = 0; map_next(m, &i, &value);) {
		host_fini(value);
		mem_free(value);
	}
	map_free(m);
}

void routes_free(struct routes *r)
{
	if (r == NULL)
		return;
	hosts_free(&r->exact);
	hosts_free(&r->wild);
	host_fini(&r->any);
	mem_free(r);
}

static bool host_is_empty(const struct host *h)
{
	return h->root.n == 0 && h->prefixes.count == 0;
}

/* The map that a host name belongs to, and its key there; NULL: the catch-all. */
static struct map *map_of(struct routes *r, struct str *host)
{
	if (str_eq(*host, STR("*")))
		return NULL;
	if (!str_has_prefix(*host, STR("*.")))
		return &r->exact;
	*host = str_make(host->p + 1, host->n - 1);
	return &r->wild;
}

static const struct host *host_get(const struct routes *r, struct str host)
{
	if (str_eq(host, STR("*")))
		return &r->any;
	if (!str_has_prefix(host, STR("*.")))
		return map_get(&r->exact, host);
	return map_get(&r->wild, str_make(host.p + 1, host.n - 1));
}

static struct group *group_find(struct host *h, struct str prefix)
{
	return str_eq(prefix, STR("/")) ? &h->root : map_get(&h->prefixes, prefix);
}

static struct group *group_make(struct host *h, struct str prefix)
{
	struct group *g = group_find(h, prefix);

	if (g == NULL) {
		g = mem_new(struct group);
		map_put(&h->prefixes, prefix, g);
		if (prefix.n > h->longest)
			h->longest = prefix.n;
	}
	return g;
}

/* Below 0: a comes before b. Names are unique, so 0 means the same service. */
static int claim_cmp(const struct claim *a, const struct claim *b)
{
	if (a->since_ns != b->since_ns)
		return a->since_ns < b->since_ns ? -1 : 1;
	return strcmp(a->name, b->name);
}

/* The place of the claim, or where it would have to be put. */
static size_t group_place(const struct group *g, const struct claim *c)
{
	size_t lo = 0, hi = g->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		if (claim_cmp(g->claim[mid], c) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

bool routes_add(struct routes *r, struct str host, struct str prefix, const struct claim *c)
{
	struct map *m = map_of(r, &host);
	struct host *h = m == NULL ? &r->any : map_get(m, host);
	struct group *g;
	size_t i;

	if (h == NULL) {
		h = mem_new(struct host);
		map_put(m, host, h);
	}
	g = group_make(h, prefix);
	i = group_place(g, c);
	if (i < g->n && g->claim[i] == c)
		return false;
	if (g->n == g->cap) {
		g->cap = g->cap == 0 ? 1 : g->cap * 2;
		g->claim = mem_grow(g->claim, g->cap * sizeof(const struct claim *));
	}
	memmove(g->claim + i + 1, g->claim + i, (g->n - i) * sizeof(const struct claim *));
	g->claim[i] = c;
	g->n++;
	return true;
}

bool routes_remove(struct routes *r, struct str host, struct str prefix, const struct claim *c)
{
	struct map *m = map_of(r, &host);
	struct host *h = m == NULL ? &r->any : map_get(m, host);
	struct group *g = h == NULL ? NULL : group_find(h, prefix);
	size_t i = g == NULL ? 0 : group_place(g, c);

	if (g == NULL || i == g->n || g->claim[i] != c)
		return false;
	g->n--;
	memmove(g->claim + i, g->claim + i + 1, (g->n - i) * sizeof(const struct claim *));
	if (g->n == 0 && g != &h->root) {
		map_remove(&h->prefixes, prefix);
		mem_free(g->claim);
		mem_free(g);
		if (h->prefixes.count == 0)
			h->longest = 0;
	}
	if (m != NULL && host_is_empty(h)) {
		map_remove(m, host);
		host_fini(h);
		mem_free(h);
	}
	return true;
}

const struct claim *routes_holder(const struct routes *r, struct str host, struct str prefix)
{
	const struct host *h = host_get(r, host);
	const struct group *g = NULL;

	if (h != NULL)
		g = str_eq(prefix, STR("/")) ? &h->root : map_get(&h->prefixes, prefix);
	return g == NULL || g->n == 0 ? NULL : g->claim[0];
}

static void *find_below(const struct host *h, struct str path, size_t *prefix_len)
{
	size_t n = path.n < h->longest ? path.n : h->longest;

	for (size_t i = n; i > 1; i--) {
		const struct group *g;
		if ((i < path.n && path.p[i] != '/') || path.p[i - 1] == '/')
			continue;
		g = map_get(&h->prefixes, str_make(path.p, i));
		if (g == NULL)
			continue;
		*prefix_len = i;
		return g->claim[0]->handle;
	}
	*prefix_len = 0;
	return h->root.n == 0 ? NULL : h->root.claim[0]->handle;
}

/* The longest wildcard that covers the host, or NULL. */
static const struct host *find_wild(const struct routes *r, struct str host)
{
	size_t dots[LABELS_MAX];
	size_t n = 0;

	for (size_t i = host.n; i-- > 1 && n < LABELS_MAX;) {
		if (host.p[i] == '.')
			dots[n++] = i;
	}
	while (n-- > 0) {
		struct str suffix = str_make(host.p + dots[n], host.n - dots[n]);
		const struct host *h = map_get(&r->wild, suffix);
		if (h != NULL)
			return h;
	}
	return NULL;
}

/* The first of exact host, wildcard and catch-all that has any claim decides. */
static const struct host *find_host(const struct routes *r, struct str host)
{
	const struct host *h = map_get(&r->exact, host);

	if (h == NULL && r->wild.count != 0)
		h = find_wild(r, host);
	return h == NULL ? &r->any : h;
}

void *routes_find(const struct routes *r, struct str host, struct str path, size_t *prefix_len)
{
	return find_below(find_host(r, host), path, prefix_len);
}

bool routes_know(const struct routes *r, struct str host)
{
	return !host_is_empty(find_host(r, host));
}
