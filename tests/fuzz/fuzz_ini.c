/* ini files: the first byte chooses whose. Whatever the scan accepts, iniparser must read alike
 * (ini_parse checks it), and what the options accept must survive being written out and read again.
 * */
#include <stdlib.h>

#include "files/settings_internal.h"

#define REQUIRE(what) ((what) ? (void)0 : abort())

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require_sound(const struct ini *ini)
{
	for (size_t i = 0; i < ini->count; i++) {
		const struct ini_pair *p = &ini->pairs[i];
		REQUIRE(p->key[0] != '\0' && strlen(p->value) <= INI_LINE_MAX);
		for (size_t k = 0; k < i; k++)
			REQUIRE(p->section != ini->pairs[k].section ||
				strcmp(p->key, ini->pairs[k].key) != 0);
	}
}

static void require_normal(const struct strings *hosts)
{
	struct complaint why;
	for (size_t i = 0; i < hosts->count; i++) {
		char *again = str_dup(str_of(hosts->item[i]));
		REQUIRE(host_check(again, &why) && strcmp(again, hosts->item[i]) == 0);
		free(again);
	}
}

static void apply(const struct ini *ini, const struct option_table *t, void *settings)
{
	struct settings_error err = {""};
	option_defaults(t, settings);
	if (!ini_apply(ini, t, settings, NULL, "x.ini", &err))
		REQUIRE(err.text[0] != '\0' && strchr(err.text, '\n') == NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const both[] = {"proxy", "service", NULL};
	static const char *const one[] = {"service", NULL};
	static const char *const canary[] = {"rollout", NULL};
	struct settings_error err = {""};
	struct proxy_settings proxy = {0};
	struct service_settings service = {0};
	struct rollout_settings rollout = {0};
	struct ini ini;
	if (size == 0)
		return 0;
	bool rolls = (data[0] & 2) != 0, optional = rolls || (data[0] & 1) != 0;
	const char *const *sections = rolls ? canary : optional ? one : both;
	struct str bytes = str_make((const char *)data + 1, size - 1);
	if (!ini_parse(&ini, bytes, "x.ini", sections, optional, &err)) {
		REQUIRE(!str_has_suffix(str_of(err.text),
					STR("unclear; put the value in double quotes")));
		REQUIRE(strchr(err.text, '\n') == NULL);
		return 0;
	}
	require_sound(&ini);
	apply(&ini, &proxy_table, &proxy);
	apply(&ini, &service_table, &service);
	apply(&ini, &rollout_table, &rollout);
	REQUIRE(rollout.percent <= 100);
	require_normal(&service.hosts);
	option_free(&proxy_table, &proxy);
	option_free(&service_table, &service);
	option_free(&rollout_table, &rollout);
	ini_free(&ini);
	return 0;
}
