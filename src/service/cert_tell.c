/* cert_tell: what the status and the log say of a certificate. */
#include <stdio.h>
#include <time.h>

#include "base/log.h"
#include "cert_internal.h"

void cert_time(int64_t unix_s, char out[32])
{
	time_t t = (time_t)unix_s;
	struct tm tm;
	if (gmtime_r(&t, &tm) == NULL || strftime(out, 32, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
		out[0] = '\0';
}

bool cert_is_expired(const struct tls_facts *f)
{
	return f->not_after != 0 && f->not_after <= (int64_t)time(NULL);
}

static void describe_facts(const struct tls_facts *f, char *out, size_t size)
{
	char when[32];
	cert_time(f->not_after, when);
	snprintf(out, size, "%s %s, %s", cert_is_expired(f) ? "expired at" : "valid until", when,
		 f->issuer);
}

void cert_describe(const struct cert *c, char *out, size_t size)
{
	char facts[256];
	if (!c->is_on) {
		snprintf(out, size, "-");
		return;
	}
	bool good = c->facts.not_after != 0;
	if (good)
		describe_facts(&c->facts, facts, sizeof(facts));
	else
		snprintf(facts, sizeof(facts), c->looked ? "pending" : "not read yet");
	if (c->error == NULL)
		snprintf(out, size, "%s", facts);
	else
		snprintf(out, size, "%s; not in force: %s", facts, c->error);
}

void cert_tell(struct cert *c)
{
	char text[CERT_TEXT_MAX];
	const struct cert_book *b = c->book;
	if (!b->surveys)
		return;
	cert_describe(c, text, sizeof(text));
	bool bad = c->error != NULL || c->expired;
	/* What a start finds good would be a line for each of them. */
	log_at(bad       ? LOG_WARN
	       : c->told ? LOG_INFO
			 : LOG_DEBUG,
	       "%s: certificate: %s", c->service, text);
	c->told = true;
	if (b->changed != NULL)
		b->changed(c);
}
