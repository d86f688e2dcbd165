/* Which flags a verb has, and what follows them. */
#include <stdio.h>
#include <string.h>

#include "completion_internal.h"
#include "files/settings.h"

enum {
	OF_PROXY = 1, /* all options of [proxy] */
	OF_SERVICE = 2,
	OF_ROLLOUT = 4,
};

#define PLACE_FLAGS "-c:f --services-dir:f --runtime-dir:f --state-dir:f --help"

/* A flag's name, and behind a colon what it wants: f a file, v another value. */
static const struct {
	const char *verb, *flags;
	unsigned options;
} verb_flags[] = {
	{"run", "-c:f --help", OF_PROXY},
	{"list", "--json " PLACE_FLAGS, 0},
	{"ls", "--json " PLACE_FLAGS, 0},
	{"status", "--json " PLACE_FLAGS, 0},
	{"check", "-c:f --help", OF_PROXY},
	{"wait", "--ready --running --drained --paused --seen --tunnels --timeout:v " PLACE_FLAGS,
	 0},
	{"set", "--host:v --dry-run --rollout " PLACE_FLAGS, OF_SERVICE | OF_ROLLOUT},
	{"deploy", "--target:f --force --warm:v --timeout:v --host:v " PLACE_FLAGS, OF_SERVICE},
	{"rollback", "--force --timeout:v " PLACE_FLAGS, 0},
	{"pause", "--max-pause:v --timeout:v " PLACE_FLAGS, 0},
	{"resume", PLACE_FLAGS, 0},
	{"stop", "--message:v " PLACE_FLAGS, 0},
	{"rollout", "--target:f --force --warm:v --timeout:v " PLACE_FLAGS, OF_ROLLOUT},
	{"remove", "--timeout:v " PLACE_FLAGS, 0},
	{"prune", PLACE_FLAGS, 0},
};

struct option {
	const char *name;
	unsigned table;
	enum completion_value value;
};

/* A boolean alone means true. */
#define WANTS_BOOL VALUE_NONE
#define WANTS_NUMBER VALUE_ANY
#define WANTS_DURATION VALUE_ANY
#define WANTS_SIZE VALUE_ANY
#define WANTS_TEXT VALUE_ANY
#define WANTS_LIST VALUE_ANY
#define P(type, name, def, built, help) {built ? #name : NULL, OF_PROXY, WANTS_##type},
#define S(type, name, def, built, help) {built ? #name : NULL, OF_SERVICE, WANTS_##type},
#define R(type, name, def, built, help) {built ? #name : NULL, OF_ROLLOUT, WANTS_##type},
static const struct option options[] = {PROXY_OPTIONS(P) SERVICE_OPTIONS(S) ROLLOUT_OPTIONS(R)};
#undef P
#undef S
#undef R

#define OPTIONS (sizeof(options) / sizeof(options[0]))

/* "http_port" as it is typed: "--http-port". */
static void option_flag(const struct option *o, char *dst, size_t size)
{
	snprintf(dst, size, "--%s", o->name);
	for (char *p = dst; *p != '\0'; p++) {
		if (*p == '_')
			*p = '-';
	}
}

static enum completion_value option_value(const struct option *o)
{
	struct str name = str_of(o->name);
	bool file = str_has_suffix(name, STR("_dir")) || str_has_suffix(name, STR("_path")) ||
		    str_eq(name, STR("access_log"));
	return file ? VALUE_FILE : o->value;
}

/* What is behind the verb in the table; "" and no options when it has none. */
static const char *flags_of(const char *verb, unsigned *tables)
{
	*tables = 0;
	for (size_t i = 0; i < sizeof(verb_flags) / sizeof(verb_flags[0]); i++) {
		if (strcmp(verb_flags[i].verb, verb) != 0)
			continue;
		*tables = verb_flags[i].options;
		return verb_flags[i].flags;
	}
	return "";
}

void completion_flags(const char *verb, const char *prefix)
{
	unsigned tables;
	struct str rest = str_of(flags_of(verb, &tables)), part;
	char flag[64];
	while (str_split(&rest, ' ', &part)) {
		part.n = str_find(part, ':');
		if (str_has_prefix(part, str_of(prefix)))
			printf("%.*s\n", STR_ARG(part));
	}
	for (size_t i = 0; i < OPTIONS; i++) {
		if (options[i].name == NULL || (options[i].table & tables) == 0)
			continue;
		option_flag(&options[i], flag, sizeof(flag));
		if (strncmp(flag, prefix, strlen(prefix)) == 0)
			printf("%s\n", flag);
	}
}

enum completion_value completion_flag_value(const char *verb, const char *flag)
{
	unsigned tables;
	struct str rest = str_of(flags_of(verb, &tables)), part;
	char name[64];
	while (str_split(&rest, ' ', &part)) {
		size_t colon = str_find(part, ':');
		if (!str_eq(str_make(part.p, colon), str_of(flag)))
			continue;
		if (colon == part.n)
			return VALUE_NONE;
		return part.p[colon + 1] == 'f' ? VALUE_FILE : VALUE_ANY;
	}
	for (size_t i = 0; i < OPTIONS; i++) {
		if (options[i].name == NULL || (options[i].table & tables) == 0)
			continue;
		option_flag(&options[i], name, sizeof(name));
		if (strcmp(name, flag) == 0)
			return option_value(&options[i]);
	}
	return VALUE_NO_FLAG;
}
