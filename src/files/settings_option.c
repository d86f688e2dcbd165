/* The option tables and what can be done to any option by its type: default, parse, copy, free. */
#include <assert.h>
#include <stdarg.h>
#include <stdlib.h>

#include "base/mem.h"
#include "settings_internal.h"

#define LONGEST_MS (UINT64_C(8760) * 3600 * 1000)

#define PROXY_OPTION(TYPE, NAME, DEF, BUILT, HELP)                                                 \
	{.name = #NAME,                                                                            \
	 .def = DEF,                                                                               \
	 .help = HELP,                                                                             \
	 .offset = offsetof(struct proxy_settings, NAME),                                          \
	 .type = OPTION_##TYPE,                                                                    \
	 .built = BUILT},
#define SERVICE_OPTION(TYPE, NAME, DEF, BUILT, HELP)                                               \
	{.name = #NAME,                                                                            \
	 .def = DEF,                                                                               \
	 .help = HELP,                                                                             \
	 .offset = offsetof(struct service_settings, NAME),                                        \
	 .type = OPTION_##TYPE,                                                                    \
	 .built = BUILT},

#define ROLLOUT_OPTION(TYPE, NAME, DEF, BUILT, HELP)                                               \
	{.name = #NAME,                                                                            \
	 .def = DEF,                                                                               \
	 .help = HELP,                                                                             \
	 .offset = offsetof(struct rollout_settings, NAME),                                        \
	 .type = OPTION_##TYPE,                                                                    \
	 .built = BUILT},

static const struct option proxy_options[] = {PROXY_OPTIONS(PROXY_OPTION)};
static const struct option service_options[] = {SERVICE_OPTIONS(SERVICE_OPTION)};
static const struct option rollout_options[] = {ROLLOUT_OPTIONS(ROLLOUT_OPTION)};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
static_assert(COUNT(service_options) <= 64, "service_settings.set has 64 bits");

const struct option_table proxy_table = {"proxy", proxy_options, COUNT(proxy_options)};
const struct option_table service_table = {"service", service_options, COUNT(service_options)};
const struct option_table rollout_table = {"rollout", rollout_options, COUNT(rollout_options)};

bool settings_fail(struct settings_error *err, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	return false;
}

const struct option *option_find(const struct option_table *t, struct str name)
{
	for (size_t i = 0; i < t->count; i++) {
		if (str_eq(str_of(t->options[i].name), name))
			return &t->options[i];
	}
	return NULL;
}

#define NAME_MAX_LEN 40

/* Levenshtein's distance, one row at a time. */
static unsigned edit_distance(struct str a, struct str b)
{
	unsigned row[NAME_MAX_LEN + 1];
	if (a.n > NAME_MAX_LEN || b.n > NAME_MAX_LEN)
		return NAME_MAX_LEN;
	for (unsigned j = 0; j <= b.n; j++)
		row[j] = j;
	for (unsigned i = 1; i <= a.n; i++) {
		unsigned diagonal = row[0];
		row[0] = i;
		for (size_t j = 1; j <= b.n; j++) {
			unsigned change = diagonal + (a.p[i - 1] != b.p[j - 1]);
			unsigned best = row[j] < row[j - 1] ? row[j] + 1 : row[j - 1] + 1;
			diagonal = row[j];
			row[j] = change < best ? change : best;
		}
	}
	return row[b.n];
}

const char *option_nearest(const struct option_table *t, struct str name)
{
	const char *nearest = NULL;
	unsigned least = 3;
	for (size_t i = 0; i < t->count; i++) {
		unsigned d = edit_distance(str_of(t->options[i].name), name);
		if (d < least) {
			least = d;
			nearest = t->options[i].name;
		}
	}
	return nearest;
}

void *option_member(const struct option *o, void *settings)
{
	return (char *)settings + o->offset;
}

void strings_add(struct strings *l, struct str item)
{
	/* Grown by doubling at every power of two: the count alone tells when. */
	if ((l->count & (l->count - 1)) == 0) {
		size_t cap = l->count == 0 ? 1 : l->count * 2;
		l->item = mem_grow(l->item, cap * sizeof(l->item[0]));
	}
	l->item[l->count++] = str_dup(item);
}

void strings_free(struct strings *l)
{
	for (size_t i = 0; i < l->count; i++)
		mem_free(l->item[i]);
	mem_free(l->item);
	*l = (struct strings){0};
}

bool strings_equal(const struct strings *a, const struct strings *b)
{
	if (a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count; i++) {
		if (strcmp(a->item[i], b->item[i]) != 0)
			return false;
	}
	return true;
}

static bool parse_bool(struct str v, bool *out)
{
	static const char *const yes[] = {"true", "on", "yes", "1"};
	static const char *const no[] = {"false", "off", "no", "0"};
	for (size_t i = 0; i < COUNT(yes); i++) {
		if (str_ieq(v, str_of(yes[i])) || str_ieq(v, str_of(no[i]))) {
			*out = str_ieq(v, str_of(yes[i]));
			return true;
		}
	}
	return false;
}

static void parse_list(struct str v, struct strings *out)
{
	struct str part;
	while (str_split(&v, ',', &part)) {
		if (part.n != 0)
			strings_add(out, part);
	}
}

/* A fresh value of the option's type in *member, which owned nothing. */
static bool parse(const struct option *o, struct str v, void *member, struct complaint *why)
{
	switch (o->type) {
	case OPTION_BOOL: return parse_bool(v, member) || complain(why, "use true or false");
	case OPTION_NUMBER:
		return str_to_u64(v, member) || complain(why, "not a number; use digits alone");
	case OPTION_DURATION:
		if (!str_to_duration(v, member))
			return complain(why, "not a duration; use 500ms, 30s, 5m or 1h");
		if (*(uint64_t *)member > LONGEST_MS)
			return complain(why, "more than a year; use at most 8760h");
		return true;
	case OPTION_SIZE:
		return str_to_size(v, member) || complain(why, "not a size; use 64k, 1m or 1g");
	case OPTION_TEXT: *(char **)member = str_dup(v); return true;
	case OPTION_LIST: parse_list(v, member); return true;
	}
	return false;
}

static void member_free(const struct option *o, void *member)
{
	if (o->type == OPTION_TEXT)
		mem_free(*(char **)member);
	else if (o->type == OPTION_LIST)
		strings_free(member);
}

void option_defaults(const struct option_table *t, void *settings)
{
	struct complaint why;
	for (size_t i = 0; i < t->count; i++) {
		const struct option *o = &t->options[i];
		parse(o, str_of(o->def), option_member(o, settings), &why);
	}
}

/* `to` is already a flat copy of `from`: what is owned becomes its own. */
void option_copy(const struct option_table *t, void *to, const void *from)
{
	for (size_t i = 0; i < t->count; i++) {
		const struct option *o = &t->options[i];
		const void *source = (const char *)from + o->offset;
		if (o->type == OPTION_TEXT) {
			*(char **)option_member(o, to) = str_dup(str_of(*(char *const *)source));
		} else if (o->type == OPTION_LIST) {
			const struct strings *list = source;
			struct strings *copy = option_member(o, to);
			*copy = (struct strings){0};
			for (size_t k = 0; k < list->count; k++)
				strings_add(copy, str_of(list->item[k]));
		}
	}
}

void option_free(const struct option_table *t, void *settings)
{
	for (size_t i = 0; i < t->count; i++)
		member_free(&t->options[i], option_member(&t->options[i], settings));
}

static bool fail_value(const struct option_table *t, const struct option *o, struct str v,
		       const struct origin *from, const char *why, struct settings_error *err)
{
	const char *more = v.n > 100 ? "..." : "";
	int n = v.n > 100 ? 100 : (int)v.n;
	switch (from->kind) {
	case ORIGIN_FILE:
		return settings_fail(err, "%s: [%s] %s = %.*s%s: %s", from->where, t->section,
				     o->name, n, v.p, more, why);
	case ORIGIN_FLAG:
		return settings_fail(err, "%s %.*s%s: %s", from->where, n, v.p, more, why);
	case ORIGIN_ENVIRONMENT:
		return settings_fail(err, "%s=%.*s%s: %s", from->where, n, v.p, more, why);
	}
	return false;
}

/* Saying of a thing that is not built that it is not wanted is no error. */
static bool is_harmless(const struct option *o, struct str v)
{
	return v.n == 0 || str_eq(v, str_of(o->def)) || str_eq(v, STR("0")) ||
	       str_eq(v, STR("false")) || str_eq(v, STR("off")) || str_eq(v, STR("no"));
}

static bool has_control(struct str v)
{
	for (size_t i = 0; i < v.n; i++) {
		if ((unsigned char)v.p[i] < ' ' || v.p[i] == 0x7f)
			return true;
	}
	return false;
}

static void list_append(struct strings *to, struct strings *more)
{
	for (size_t i = 0; i < more->count; i++)
		strings_add(to, str_of(more->item[i]));
	strings_free(more);
}

static const size_t type_sizes[] = {
	[OPTION_BOOL] = sizeof(bool),         [OPTION_NUMBER] = sizeof(uint64_t),
	[OPTION_DURATION] = sizeof(uint64_t), [OPTION_SIZE] = sizeof(uint64_t),
	[OPTION_TEXT] = sizeof(char *),       [OPTION_LIST] = sizeof(struct strings),
};

static void store(const struct option *o, void *settings, void *fresh, bool append)
{
	void *member = option_member(o, settings);
	if (o->type == OPTION_LIST && append) {
		list_append(member, fresh);
		return;
	}
	member_free(o, member);
	memcpy(member, fresh, type_sizes[o->type]);
}

bool option_assign(const struct option_table *t, const struct option *o, void *settings,
		   struct str value, bool append, const struct origin *from,
		   struct settings_error *err)
{
	union {
		bool b;
		uint64_t u;
		char *text;
		struct strings list;
	} fresh = {.list = {0}};
	struct complaint why;
	value = str_strip(value);
	if (has_control(value))
		return fail_value(t, o, STR(""), from, "a control character in the value", err);
	if (!o->built && !is_harmless(o, value)) {
		complain(&why, "%s is not built yet; remove it", o->name);
		return fail_value(t, o, value, from, why.text, err);
	}
	struct str meant = !o->built && value.n == 0 ? str_of(o->def) : value;
	if (!parse(o, meant, &fresh, &why) || (o->built && !option_check(o, &fresh, &why))) {
		member_free(o, &fresh);
		return fail_value(t, o, value, from, why.text, err);
	}
	store(o, settings, &fresh, append);
	return true;
}
