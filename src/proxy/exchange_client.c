/* exchange_client: what the client's connection means for a request: who it comes from, and whether it may come
 * this way: by https or not, and with which certificate. */
#include "base/text.h"
#include "exchange_internal.h"
#include "proxy/proxy.h"

#define HTTPS_PORT 443
#define LOCATION_ROOM 300 /* scheme, host and port */

static bool is_trusted(const struct proxy *p, const struct sockaddr_storage *from)
{
	for (size_t i = 0; i < p->ntrusted; i++) {
		if (cidr_contains(&p->trusted[i], from))
			return true;
	}
	return false;
}

void front_init(struct front *f, const struct proxy *p, const struct sockaddr_storage *from,
		unsigned server_port)
{
	f->server_port = server_port;
	f->trusted = is_trusted(p, from);
	sock_addr_text(from, f->client_ip, &f->client_port);
}

/* Who is in front of us may have had the client by https already. */
static bool came_by_https(const struct exchange *x, const struct head *h)
{
	const struct field *f = head_find(h, HDR_X_FORWARDED_PROTO);
	return x->front->trusted && f != NULL && str_ieq(f->value, STR("https"));
}

static int redirect(struct exchange *x, const struct head *h)
{
	char memory[256];
	struct str host;
	uint64_t port = x->proxy->settings->https_port;
	size_t room = h->path.n + h->query.n + LOCATION_ROOM;
	struct text t = text_in(arena_alloc(&x->arena, room), room);
	if (!host_normalise(h->authority, memory, sizeof(memory), &host))
		return 400; /* it names no host to go to */
	text_lit(&t, "https://");
	text_add(&t, host);
	if (port != HTTPS_PORT) {
		text_char(&t, ':');
		text_u64(&t, port);
	}
	text_add(&t, h->path.p[0] == '/' ? h->path : STR("/"));
	if (h->query.p != NULL) {
		text_char(&t, '?');
		text_add(&t, h->query);
	}
	x->location = text_str(&t);
	return 301;
}

/* A host with TLS, asked by http. Until it has a certificate it is served; but never where a client would have to
   show one of its own: nobody has looked at that. */
static int judge_http(struct exchange *x, const struct head *h, struct service *root)
{
	const struct service_settings *s = service_settings(root);
	bool guarded = s->tls_client_ca[0] != '\0';
	bool redirects = s->tls_redirect && x->proxy->settings->https_port != 0;
	if (guarded)
		return redirects ? redirect(x, h) : 503;
	if (!redirects || came_by_https(x, h))
		return 0;
	return service_has_certificate(root) ? redirect(x, h) : 0;
}

static int judge_https(struct exchange *x, struct service *root)
{
	const char *hsts = service_settings(root)->hsts;
	const struct tls_cert *has = service_certificate(root);
	if (has == NULL)
		return 503;
	if (!tls_cert_serves(x->front->cert, has))
		return 421;
	if (hsts[0] != '\0' && service_has_certificate(root))
		x->hsts = arena_copy(&x->arena, str_of(hsts));
	return 0;
}

static struct service *root_of(const struct exchange *x, const struct head *h)
{
	char memory[256];
	struct str host = STR("");
	if (h->authority.n != 0 && !host_normalise(h->authority, memory, sizeof(memory), &host))
		return NULL;
	return registry_root(x->proxy->registry, host);
}

int exchange_judge_tls(struct exchange *x, const struct head *h, size_t prefix)
{
	struct service *root = prefix == 0 ? x->service : root_of(x, h);
	x->secure = root != NULL && service_has_tls(root);
	if (x->front->cert == NULL)
		return x->secure ? judge_http(x, h, root) : 0;
	return x->secure ? judge_https(x, root) : 503;
}

bool exchange_trusts(const struct exchange *x)
{
	const struct service_settings *s = service_settings(x->service);
	if (x->proxy->ntrusted != 0)
		return x->front->trusted;
	return settings_is_set(s, SERVICE_forward_headers) ? s->forward_headers : !x->secure;
}

static void add(struct head *h, struct str name, struct str value)
{
	if (value.n == 0 || h->nfields == HEAD_FIELDS_MAX)
		return;
	for (size_t i = 0; i < h->nfields; i++) {
		if (str_ieq(h->fields[i].name, name))
			return; /* the app's own word stays */
	}
	h->fields[h->nfields++] = (struct field){.name = name, .value = value};
}

void exchange_add_tls_fields(const struct exchange *x, struct head *h)
{
	if (h->status == 301)
		add(h, STR("Location"), x->location);
	add(h, STR("Strict-Transport-Security"), x->hsts);
}
