/* registry: the services of a process by name. What the tree tells goes to the service it
 * concerns; routes lead back to services. */
#include "service/registry.h"

#include "base/map.h"
#include "base/mem.h"
#include "http/message.h"
#include "net/sock.h"
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

struct service *registry_root(const struct registry *r, struct str host)
{
	size_t prefix_len;

	return routes_find(r->book.routes, host, STR("/"), &prefix_len);
}

static struct tls_cert *default_certificate(struct registry *r)
{
	const char *name = r->book.env->settings->proxy.default_certificate;
	struct service *s = name[0] == '\0' ? NULL : registry_find(r, name);

	if (s != NULL && service_has_tls(s))
		return service_certificate(s);
	s = service_first_secure(&r->book);
	return s == NULL ? NULL : service_certificate(s);
}

static bool is_address(struct str host)
{
	char text[SOCK_ADDR_TEXT];
	struct sock_addr addr;

	return str_copy(text, sizeof(text), host) && sock_addr_parse(text, 0, &addr);
}

struct tls_cert *registry_choose_certificate(void *user, struct str name)
{
	struct registry *r = user;
	char memory[256];
	struct str host;
	struct service *s;

	if (name.n == 0)
		return default_certificate(r);
	if (!host_normalise(name, memory, sizeof(memory), &host))
		return NULL;
	s = registry_root(r, host);
	/* An address is no server name (RFC 6066 3), and yet some clients put theirs there. */
	if (s != NULL && service_has_tls(s))
		return service_certificate(s);
	if (s == NULL && !routes_know(r->book.routes, host))
		return is_address(host) ? default_certificate(r) : NULL;
	struct tls_cert *other = default_certificate(r);
	return other != NULL ? other : cert_book_nobody(&r->book.certs);
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
