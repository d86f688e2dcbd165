/* service_tls: what a service has to do with TLS: whether its hosts have it, and with which certificate. */
#include "base/mem.h"
#include "service_internal.h"

void service_update_certificate(struct service *s, const struct service *elder)
{
	if (s->settings == NULL)
		return;
	cert_update(&s->cert, s->site, s->settings, elder == NULL ? NULL : &elder->cert);
	list_remove(&s->secure_node);
	if (s->settings->tls)
		list_push_back(&s->book->secure, &s->secure_node);
}

bool service_has_tls(const struct service *s)
{
	return service_settings(s)->tls;
}

struct tls_cert *service_certificate(struct service *s)
{
	return cert_get(&s->cert);
}

bool service_has_certificate(struct service *s)
{
	return cert_is_real(&s->cert);
}

struct service *service_first_secure(struct service_book *b)
{
	struct service *first = NULL;
	bool there = false;

	list_for_each (node, &b->secure) {
		struct service *s = container_of(node, struct service, secure_node);
		bool is_there = cert_is_there(&s->cert);
		if (first == NULL || is_there > there ||
		    (is_there == there && strcmp(s->name, first->name) < 0)) {
			first = s;
			there = is_there;
		}
	}
	return first;
}
