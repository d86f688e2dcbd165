/* service_claims: a service's hosts and prefixes in the routes, and how many of them an older
 * service has. Only the one who gains or loses a place is touched by a change, never all who
 * want it. */
#include <stdio.h>

#include "base/log.h"
#include "base/mem.h"
#include "http/message.h"
#include "service_internal.h"

#define HOST_MAX 256
#define TEXT_MAX 1024

/* Returns false to end the walk. */
typedef bool claim_fn(struct claims *c, struct str host, struct str prefix);

struct claims *claims_new(struct service *s)
{
	struct claims *c = mem_new(struct claims);

	c->claim = (struct claim){.name = s->name, .handle = s};
	c->book = s->book;
	list_init(&c->touched);
	return c;
}

void claims_free(struct claims *c)
{
	list_remove(&c->touched);
	mem_free(c->text);
	mem_free(c);
}

/* As routes compare it; what is no valid name stays as it is, and is never asked for. */
static struct str normal_host(struct str text, char memory[HOST_MAX])
{
	struct str host;

	if (!str_has_prefix(text, STR("*."))) {
		if (str_eq(text, STR("*")) || !host_normalise(text, memory, HOST_MAX, &host))
			return text;
		return host;
	}
	if (!host_normalise(str_make(text.p + 2, text.n - 2), memory + 2, HOST_MAX - 2, &host))
		return text;
	memory[0] = '*';
	memory[1] = '.';
	return str_make(memory, host.n + 2);
}

static struct str normal_prefix(struct str prefix)
{
	while (prefix.n > 1 && prefix.p[prefix.n - 1] == '/')
		prefix.n--;
	return prefix.n == 0 ? STR("/") : prefix;
}

static bool each_prefix(struct claims *c, struct str host, claim_fn *fn)
{
	const struct strings *prefixes = &c->settings->path_prefix;

	if (prefixes->count == 0)
		return fn(c, host, STR("/"));
	for (size_t i = 0; i < prefixes->count; i++) {
		if (!fn(c, host, normal_prefix(str_of(prefixes->item[i]))))
			return false;
	}
	return true;
}

static void each_claim(struct claims *c, claim_fn *fn)
{
	const struct strings *hosts = &c->settings->hosts;
	char memory[HOST_MAX];

	if (hosts->count == 0) {
		bool is_host = strchr(c->claim.name, '.') != NULL;
		struct str host = is_host ? str_of(c->claim.name) : STR("*");
		each_prefix(c, normal_host(host, memory), fn);
		return;
	}
	for (size_t i = 0; i < hosts->count; i++) {
		if (!each_prefix(c, normal_host(str_of(hosts->item[i]), memory), fn))
			return;
	}
}

static void touch(struct claims *c)
{
	if (list_empty(&c->touched))
		list_push_back(&c->book->touched, &c->touched);
}

static struct claims *claims_of(const struct claim *claim)
{
	struct service *s = claim->handle;

	return s->claims;
}

static void lost_change(const struct claim *claim, bool more)
{
	struct claims *c = claims_of(claim);

	c->lost = more ? c->lost + 1 : c->lost - 1;
	touch(c);
}

static bool add_one(struct claims *c, struct str host, struct str prefix)
{
	struct routes *r = c->book->routes;
	const struct claim *before = routes_holder(r, host, prefix);

	if (!routes_add(r, host, prefix, &c->claim))
		return true;
	if (routes_holder(r, host, prefix) != &c->claim)
		lost_change(&c->claim, true);
	else if (before != NULL)
		lost_change(before, true);
	return true;
}

static bool remove_one(struct claims *c, struct str host, struct str prefix)
{
	struct routes *r = c->book->routes;
	const struct claim *before = routes_holder(r, host, prefix);
	const struct claim *after;

	if (!routes_remove(r, host, prefix, &c->claim))
		return true;
	after = routes_holder(r, host, prefix);
	if (before != &c->claim)
		lost_change(&c->claim, false);
	else if (after != NULL)
		lost_change(after, false);
	return true;
}

void claims_take(struct claims *c, const struct service_settings *settings, int64_t since_ns)
{
	c->claim.since_ns = since_ns;
	c->settings = settings;
	each_claim(c, add_one);
}

void claims_drop(struct claims *c)
{
	if (c->settings != NULL)
		each_claim(c, remove_one);
	c->settings = NULL;
}

static bool describe_if_lost(struct claims *c, struct str host, struct str prefix)
{
	const struct claim *holder = routes_holder(c->book->routes, host, prefix);
	char text[TEXT_MAX];

	if (holder == NULL || holder == &c->claim)
		return true;
	snprintf(text, sizeof(text),
		 "host %.*s with path %.*s belongs to %s, whose claim is older; give one of them "
		 "another host: kamal-proxy set %s --host …",
		 STR_ARG(host), STR_ARG(prefix), holder->name, c->claim.name);
	mem_free(c->text);
	c->text = str_dup(str_of(text));
	return false;
}

const char *claims_conflict(struct claims *c)
{
	if (c->lost == 0 || c->settings == NULL)
		return NULL;
	each_claim(c, describe_if_lost);
	return c->text;
}

void claims_settle(struct service_book *b)
{
	struct list *node;

	while ((node = list_pop_front(&b->touched)) != NULL) {
		struct claims *c = container_of(node, struct claims, touched);
		const char *text = claims_conflict(c);
		if ((text != NULL) == c->told)
			continue;
		c->told = text != NULL;
		if (!service_logs(b->env))
			continue;
		if (text != NULL)
			log_warn("%s: conflict: %s", c->claim.name, text);
		else if (c->settings != NULL)
			log_info("%s: the conflict is over", c->claim.name);
	}
}
