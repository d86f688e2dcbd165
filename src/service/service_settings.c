/* service_settings: reads a service's own settings whole before they replace the old ones, which
 * stay in force while the new are bad; likewise who meets the canary. A service without files of its
 * own shares the defaults. */
#include "base/log.h"
#include "base/mem.h"
#include "service_internal.h"

struct choice {
	const struct service_settings *settings;
	uint64_t stamp;
	int64_t since_ns;
	bool owned;
};

static void note_error(struct service *s, const char *text)
{
	bool same = s->error == NULL ? text == NULL : text != NULL && strcmp(s->error, text) == 0;

	if (same)
		return;
	mem_free(s->error);
	s->error = text == NULL ? NULL : str_dup(str_of(text));
	if (text != NULL && service_logs(s->env))
		log_warn("%s: %s%s", s->name, text,
			 s->settings == NULL ? "" : " (the last good settings stay in force)");
}

static struct choice choice_of_elder(const struct service *elder)
{
	return (struct choice){
		.settings = elder->settings,
		.stamp = elder->stamp,
		.since_ns = elder->claims->claim.since_ns,
	};
}

/* False: what is in force stays. The error is set if the files are bad, whatever is chosen. */
static bool choose(struct service *s, const struct service *elder, struct choice *c,
		   struct settings_error *err)
{
	const struct site *site = s->site;
	const struct service_settings *defaults = &s->env->settings->service;
	bool has_elder = elder != NULL && elder->settings != NULL;

	*c = (struct choice){.stamp = settings_stamp(site), .since_ns = site->claim_ns};
	if (site->unread) {
		str_copy(err->text, sizeof(err->text), str_of(site->error));
	} else if (site->ini.ino == 0 && site->hosts.ino == 0) {
		c->settings = defaults;
	} else if (has_elder && elder->stamp == c->stamp) {
		c->settings = elder->settings;
	} else {
		c->settings = settings_load_service(site->path, defaults, err);
		c->owned = true;
	}
	if (c->settings != NULL)
		return true;
	if (s->settings != NULL || !has_elder)
		return false;
	*c = choice_of_elder(elder);
	return true;
}

void service_free_rollout(struct service *s)
{
	if (s->owns_rollout)
		settings_free_rollout((struct rollout_settings *)s->rollout);
	s->rollout = NULL;
	s->owns_rollout = false;
}

/* False: rollout.ini is bad, and the last good one stays in force. */
static bool read_rollout(struct service *s, const struct service *elder, struct settings_error *err)
{
	const struct site *site = s->site;
	const struct rollout_settings *r = NULL;

	if (site->rollout_ini.ino != 0 || site->unread) {
		if (!site->unread)
			r = settings_load_rollout(site->path, err);
		if (r == NULL) {
			if (s->rollout == NULL && elder != NULL)
				s->rollout = elder->rollout;
			return site->unread;
		}
	}
	service_free_rollout(s);
	s->rollout = r;
	s->owns_rollout = r != NULL;
	return true;
}

void service_free_settings(struct service *s)
{
	if (s->owns_settings)
		settings_free_service((struct service_settings *)s->settings);
	s->settings = NULL;
	s->owns_settings = false;
}

void service_read_settings(struct service *s, const struct service *elder)
{
	struct settings_error err = {.text = ""}, canary_err;
	struct choice c;
	bool chosen = choose(s, elder, &c, &err);
	bool canary_good = read_rollout(s, elder, &canary_err);

	if (err.text[0] != '\0')
		note_error(s, err.text);
	else
		note_error(s, canary_good ? NULL : canary_err.text);
	if (!chosen) {
		/* One that came back takes its place again with what it had. */
		if (s->settings != NULL && s->claims->settings == NULL)
			claims_take(s->claims, s->settings, s->claims->claim.since_ns);
		claims_settle(s->book);
		return;
	}
	claims_drop(s->claims);
	service_free_settings(s);
	s->settings = c.settings;
	s->owns_settings = c.owned;
	/* A stamp says that all files are in force. */
	if (canary_good)
		s->stamp = c.stamp;
	else if (s->stamp == 0 && elder != NULL)
		s->stamp = elder->stamp;
	s->home.drain_ms = c.settings->drain_timeout;
	claims_take(s->claims, s->settings, c.since_ns);
	claims_settle(s->book);
}

void service_view(const struct service *s, struct service_view *v)
{
	const char *conflict = claims_conflict(s->claims);

	*v = (struct service_view){
		.kind = VIEW_OK, .stamp = s->stamp, .site = s->site, .cert = &s->cert};
	v->error = s->error;
	if (s->settings == NULL) {
		v->kind = VIEW_INVALID;
	} else if (conflict != NULL) {
		v->kind = VIEW_CONFLICT;
		if (v->error == NULL) /* bad settings may be why: they are to be mended first */
			v->error = conflict;
	}
	if (v->error == NULL)
		v->error = s->cert.error;
	if (v->error == NULL && s->site != NULL)
		v->error = s->site->error;
}
