/* registry: the services of a process by name. What the tree tells goes to the service it
 * concerns; routes lead back to services. */
#include "service/registry.h"

#include "base/map.h"
#include "base/mem.h"
#include "service/route.h"

struct registry {
	struct map services;
	struct service_book book;
	const struct registry *elder;
};

struct registry *registry_new(const struct service_env *env, const struct registry *elder)
{
	struct registry *r = mem_new(struct registry);

	service_book_init(&r->book, env);
	r->elder = elder;
	return r;
}

void registry_free(struct registry *r)
{
	void *value;

	if (r == NULL)
		return;
	r->book.closing = true;
	for (size_t i = 0; map_next(&r->services, &i, &value);)
		service_remove(value);
	map_free(&r->services);
	service_book_fini(&r->book);
	mem_free(r);
}

static void on_changed(void *user, struct site *site, unsigned what)
{
	struct registry *r = user;
	const struct service *elder = NULL;
	struct service *s = map_get(&r->services, str_of(site->name));

	if (s == NULL) {
		s = service_new(&r->book, site);
		map_put(&r->services, str_of(site->name), s);
		what |= TREE_NEW;
	}
	if ((what & TREE_NEW) != 0 && r->elder != NULL)
		elder = registry_find(r->elder, site->name);
	site->owner = s;
	service_update(s, site, what, elder);
}

static void on_gone(void *user, struct site *site)
{
	struct registry *r = user;
	struct service *s = map_remove(&r->services, str_of(site->name));

	site->owner = NULL;
	if (s != NULL)
		service_remove(s);
}

const struct tree_events registry_tree_events = {.changed = on_changed, .gone = on_gone};

struct service *registry_route(const struct registry *r, struct str host, struct str path,
			       size_t *prefix_len)
{
	return routes_find(r->book.routes, host, path, prefix_len);
}

struct service *registry_find(const struct registry *r, const char *name)
{
	return map_get(&r->services, str_of(name));
}

struct service *registry_next(const struct registry *r, size_t *i)
{
	void *value;

	return map_next(&r->services, i, &value) ? value : NULL;
}
