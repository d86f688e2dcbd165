/* Options as flags (--http-port 80) and as environment variables (KAMAL_PROXY_HTTP_PORT=80). */
#include <stdlib.h>

#include "base/mem.h"
#include "settings_internal.h"

#define FLAG_NAME_MAX 64

/* Flags of Basecamp's kamal-proxy that are no options of a service here. */
static const char *const unbuilt_flags[] = {"error_pages", "tls_staging"};

/* "--http-port=80" → "http_port"; the value, if it is in the same argument. */
static bool split_flag(const char *arg, char *name, size_t size, struct str *value, bool *has_value)
{
	struct str text = str_of(arg + 2);
	size_t equals = str_find(text, '=');
	*has_value = equals != text.n;
	*value = *has_value ? str_make(text.p + equals + 1, text.n - equals - 1) : STR("");
	if (!str_copy(name, size, str_make(text.p, equals)))
		return false;
	for (char *p = name; *p != '\0'; p++) {
		if (*p == '_')
			return false; /* flags are written with dashes */
		if (*p == '-')
			*p = '_';
	}
	return true;
}

static void dashed(char *dst, size_t size, const char *name)
{
	snprintf(dst, size, "--%s", name);
	for (char *p = dst; *p != '\0'; p++) {
		if (*p == '_')
			*p = '-';
	}
}

/* What to say of an option of another table; NULL: it is of none. */
static const char *where_else(const struct option_table *t, struct str name)
{
	bool service = option_find(&service_table, name) != NULL;
	if (t == &proxy_table && service)
		return "an option of services; set it in a service.ini or in [service] of "
		       "kamal-proxy.ini";
	if (t == &rollout_table && service)
		return "an option of the service; set it without --rollout";
	if (t == &service_table && option_find(&rollout_table, name) != NULL)
		return "an option of the canary; set it with --rollout";
	if (t != &proxy_table && option_find(&proxy_table, name) != NULL)
		return "an option of the proxy, not of a service; set it in [proxy] of "
		       "kamal-proxy.ini";
	return NULL;
}

static bool fail_unknown(const char *arg, const struct option_table *t, struct settings_error *err)
{
	struct str name = str_make(arg + 2, str_find(str_of(arg + 2), '='));
	char plain[FLAG_NAME_MAX] = "", flag[FLAG_NAME_MAX];
	str_copy(plain, sizeof(plain), name);
	for (char *p = plain; *p != '\0'; p++) {
		if (*p == '-')
			*p = '_';
	}
	for (size_t i = 0; i < sizeof(unbuilt_flags) / sizeof(unbuilt_flags[0]); i++) {
		if (t == &service_table && strcmp(plain, unbuilt_flags[i]) == 0)
			return settings_fail(err, "%.100s is not built yet; remove it", arg);
	}
	const char *place = where_else(t, str_of(plain));
	if (place != NULL)
		return settings_fail(err, "%.100s: %s", arg, place);
	const char *nearest = option_nearest(t, str_of(plain));
	if (nearest == NULL)
		return settings_fail(err, "%.100s: no such flag; see --help", arg);
	dashed(flag, sizeof(flag), nearest);
	return settings_fail(err, "%.100s: no such flag; did you mean %s?", arg, flag);
}

static bool is_bool_word(const char *arg)
{
	static const char *const words[] = {"true", "false", "on", "off", "yes", "no", "1", "0"};
	for (size_t i = 0; arg != NULL && i < sizeof(words) / sizeof(words[0]); i++) {
		if (strcmp(arg, words[i]) == 0)
			return true;
	}
	return false;
}

static void flags_add(struct flags *f, struct flag flag)
{
	if ((f->count & (f->count - 1)) == 0)
		f->flags = mem_grow(f->flags, (f->count == 0 ? 1 : f->count * 2) * sizeof(flag));
	f->flags[f->count++] = flag;
}

/* Takes argv[*i] and, if need be, the argument behind it. */
static bool take_flag(struct flags *out, const struct option_table *t, int argc, char **argv,
		      int *i, struct settings_error *err)
{
	char name[FLAG_NAME_MAX];
	struct flag flag = {.text = argv[*i]};
	bool has_value;
	if (split_flag(argv[*i], name, sizeof(name), &flag.value, &has_value))
		flag.option = option_find(t, str_of(strcmp(name, "host") == 0 ? "hosts" : name));
	if (flag.option == NULL)
		return fail_unknown(argv[*i], t, err);
	const char *next = *i + 1 < argc ? argv[*i + 1] : NULL;
	if (!has_value && flag.option->type == OPTION_BOOL && !is_bool_word(next)) {
		flag.value = STR("true");
	} else if (!has_value && next == NULL) {
		return settings_fail(err, "%s needs a value; write %s VALUE", argv[*i], argv[*i]);
	} else if (!has_value) {
		flag.value = str_of(next);
		(*i)++;
	}
	flags_add(out, flag);
	return true;
}

static bool take_config(int argc, char **argv, int *i, const char **config,
			struct settings_error *err)
{
	if (*i + 1 == argc)
		return settings_fail(err, "-c needs a file; write -c FILE");
	*config = argv[++*i];
	return true;
}

bool flags_parse(struct flags *out, const struct option_table *t, int argc, char **argv, int *rest,
		 const char **config, struct settings_error *err)
{
	bool ok = true;
	int i = 0;
	*out = (struct flags){0};
	for (; ok && i < argc && argv[i][0] == '-' && argv[i][1] != '\0'; i++) {
		if (strcmp(argv[i], "--") == 0) {
			i++;
			break;
		}
		if (config != NULL && strcmp(argv[i], "-c") == 0)
			ok = take_config(argc, argv, &i, config, err);
		else if (argv[i][1] == '-')
			ok = take_flag(out, t, argc, argv, &i, err);
		else
			ok = settings_fail(err, "%s: no such flag; see --help", argv[i]);
	}
	if (!ok)
		flags_free(out);
	*rest = i;
	return ok;
}

bool flags_is_repeated(const struct flags *f, size_t i)
{
	for (size_t k = 0; k < i; k++) {
		if (f->flags[k].option == f->flags[i].option)
			return true;
	}
	return false;
}

bool flags_apply(const struct flags *f, const struct option_table *t, void *settings,
		 struct settings_error *err)
{
	for (size_t i = 0; i < f->count; i++) {
		const struct flag *flag = &f->flags[i];
		char text[FLAG_NAME_MAX];
		size_t n = str_find(str_of(flag->text), '=');
		str_copy(text, sizeof(text), str_make(flag->text, n));
		const struct origin from = {.kind = ORIGIN_FLAG, .where = text};
		if (!option_assign(t, flag->option, settings, flag->value, flags_is_repeated(f, i),
				   &from, err))
			return false;
	}
	return true;
}

void flags_free(struct flags *f)
{
	mem_free(f->flags);
	*f = (struct flags){0};
}

static const char *environment_get(const char *option, char *variable, size_t size)
{
	static const char *const plain[] = {"http_port", "https_port", "metrics_port", "debug"};
	int prefix = snprintf(variable, size, "KAMAL_PROXY_%s", option);
	for (char *p = variable; *p != '\0'; p++) {
		if (*p >= 'a' && *p <= 'z')
			*p = (char)(*p & ~0x20);
	}
	const char *value = getenv(variable);
	if ((value != NULL && value[0] != '\0') || prefix < 0)
		return value;
	for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++) {
		if (strcmp(plain[i], option) == 0) {
			memmove(variable, variable + 12, strlen(variable + 12) + 1);
			return getenv(variable);
		}
	}
	return NULL;
}

/* An empty variable counts as none, as in compose files. */
bool environment_apply(const struct option_table *t, void *settings, struct settings_error *err)
{
	for (size_t i = 0; i < t->count; i++) {
		const struct option *o = &t->options[i];
		char variable[FLAG_NAME_MAX];
		const char *value = environment_get(o->name, variable, sizeof(variable));
		if (value == NULL || value[0] == '\0')
			continue;
		const struct origin from = {.kind = ORIGIN_ENVIRONMENT, .where = variable};
		if (!option_assign(t, o, settings, str_of(value), false, &from, err))
			return false;
	}
	return true;
}
