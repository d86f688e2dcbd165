/* ini files. A scan of our own goes first and refuses, with the line's number, whatever iniparser
 * would cut, fold, join or drop without a word; then iniparser reads the same bytes from a memfd
 * (nothing can change between check and use), and the two must agree on every value. */
#include <errno.h>
#include <iniparser/iniparser.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/mem.h"
#include "settings_internal.h"

#define INI_PAIRS_MAX 256
/* What a message quotes: enough to know it by. */
#define QUOTE(s) (int)((s).n > 100 ? 100 : (s).n), (s).p

struct scan {
	const char *name;
	const char *const *sections;
	const char *section; /* NULL: no heading yet */
	unsigned line;
	struct ini *out;
	struct buf copy; /* what iniparser gets */
	struct settings_error *err;
};

#define FAIL(s, fmt, ...)                                                                          \
	settings_fail((s)->err, "%s: line %u: " fmt, (s)->name, (s)->line, ##__VA_ARGS__)

static bool scan_bytes(struct scan *s, struct str line)
{
	if (line.n > INI_LINE_MAX)
		return FAIL(s, "longer than %d bytes; put long lists of hosts into the file hosts",
			    INI_LINE_MAX);
	for (size_t i = 0; i < line.n; i++) {
		unsigned char c = (unsigned char)line.p[i];
		if ((c < ' ' && c != '\t') || c == 0x7f)
			return FAIL(s, "a control character (0x%02x); remove it", c);
	}
	if (line.n > 0 && line.p[line.n - 1] == '\\')
		return FAIL(s,
			    "ends with a backslash; write it in one line, without the backslash");
	return true;
}

static bool scan_heading(struct scan *s, struct str line)
{
	if (line.p[line.n - 1] != ']')
		return FAIL(s, "%.*s: a heading is [section], with nothing behind it", QUOTE(line));
	struct str name = str_trim(str_make(line.p + 1, line.n - 2));
	for (size_t i = 0; s->sections[i] != NULL; i++) {
		if (str_eq(name, str_of(s->sections[i]))) {
			s->section = s->sections[i];
			buf_printf(&s->copy, "[%s]\n", s->section);
			return true;
		}
	}
	return FAIL(s, "[%.*s]: no such section; use [%s]%s%s%s", QUOTE(name), s->sections[0],
		    s->sections[1] == NULL ? "" : " or [",
		    s->sections[1] == NULL ? "" : s->sections[1],
		    s->sections[1] == NULL ? "" : "]");
}

static bool scan_key(struct scan *s, struct str key)
{
	if (key.n == 0)
		return FAIL(s, "no key before the =; write key = value");
	for (size_t i = 0; i < key.n; i++) {
		char c = key.p[i];
		if (c >= 'A' && c <= 'Z')
			return FAIL(s, "%.*s: keys are lower-case", QUOTE(key));
		if ((c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_')
			return FAIL(s, "%.*s: a key is made of a-z, 0-9 and _", QUOTE(key));
	}
	for (size_t i = 0; i < s->out->count; i++) {
		const struct ini_pair *p = &s->out->pairs[i];
		if (p->section == s->section && str_eq(str_of(p->key), key))
			return FAIL(s, "[%s] %.100s is set twice (first in line %u); keep one",
				    s->section, p->key, p->line);
	}
	return true;
}

/* Takes the quotes off, or refuses what would be cut without them. */
static bool scan_value(struct scan *s, struct str key, struct str *value)
{
	struct str v = *value;
	if (v.n > 0 && (v.p[0] == '"' || v.p[0] == '\'')) {
		struct str inner = str_make(v.p + 1, v.n - 1);
		size_t end = str_find(inner, v.p[0]);
		if (end == inner.n)
			return FAIL(s, "%.*s = %.*s: the closing quote is missing", QUOTE(key),
				    QUOTE(v));
		if (end != inner.n - 1)
			return FAIL(s, "%.*s = %.*s: nothing may follow the closing quote",
				    QUOTE(key), QUOTE(v));
		*value = str_make(inner.p, end);
		return true;
	}
	if (str_find(v, ';') != v.n || str_find(v, '#') != v.n)
		return FAIL(s,
			    "%.*s = %.*s: ; and # need quotes around the value (a comment stands "
			    "on its own line)",
			    QUOTE(key), QUOTE(v));
	return true;
}

static bool scan_pair(struct scan *s, struct str line)
{
	size_t equals = str_find(line, '=');
	if (equals == line.n)
		return FAIL(s, "%.*s: no =; write key = value", QUOTE(line));
	struct str key = str_trim(str_make(line.p, equals));
	struct str value = str_trim(str_make(line.p + equals + 1, line.n - equals - 1));
	if (s->section == NULL)
		return FAIL(s, "%.*s stands before any heading; write [%s] above it", QUOTE(key),
			    s->sections[0]);
	struct str inner = value;
	if (!scan_key(s, key) || !scan_value(s, key, &inner))
		return false;
	struct ini *out = s->out;
	if (out->count == INI_PAIRS_MAX)
		return FAIL(s, "more than %d options; this is no file of ours", INI_PAIRS_MAX);
	if ((out->count & (out->count - 1)) == 0)
		out->pairs = mem_grow(out->pairs, (out->count == 0 ? 1 : out->count * 2) *
							  sizeof(out->pairs[0]));
	out->pairs[out->count++] = (struct ini_pair){
		.section = s->section,
		.key = str_dup(key),
		.value = str_dup(inner),
		.line = s->line,
	};
	buf_printf(&s->copy, "%.*s = %.*s\n", STR_ARG(key), STR_ARG(value));
	return true;
}

static bool scan_line(struct scan *s, struct str line)
{
	s->line++;
	line = str_strip(line);
	if (!scan_bytes(s, line))
		return false;
	if (line.n == 0 || line.p[0] == '#' || line.p[0] == ';')
		return true;
	return line.p[0] == '[' ? scan_heading(s, line) : scan_pair(s, line);
}

static int iniparser_is_silent(const char *fmt, ...)
{
	(void)fmt;
	return 0;
}

static dictionary *load(struct str bytes)
{
	dictionary *d = NULL;
	char path[64];
	int fd = memfd_create("ini", MFD_CLOEXEC);
	if (fd < 0)
		return NULL;
	ssize_t n = write(fd, bytes.p, bytes.n);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	iniparser_set_error_callback(iniparser_is_silent);
	if (n == (ssize_t)bytes.n)
		d = iniparser_load(path);
	int saved = errno;
	close(fd);
	errno = saved;
	return d;
}

/* iniparser's word is what counts; the scan only sees to it that nothing is lost on the way. */
static bool agree(struct scan *s)
{
	errno = 0;
	dictionary *d = load(buf_str(&s->copy));
	if (d == NULL)
		return settings_fail(s->err, "%s: cannot be parsed: %s", s->name,
				     errno != 0 ? strerror(errno) : "iniparser refuses it");
	bool ok = true;
	for (size_t i = 0; ok && i < s->out->count; i++) {
		struct ini_pair *p = &s->out->pairs[i];
		char path[INI_LINE_MAX + 32];
		snprintf(path, sizeof(path), "%s:%s", p->section, p->key);
		const char *value = iniparser_getstring(d, path, NULL);
		s->line = p->line;
		if (value == NULL || strcmp(value, p->value) != 0)
			ok = FAIL(s, "[%s] %.100s: unclear; put the value in double quotes",
				  p->section, p->key);
	}
	iniparser_freedict(d);
	return ok;
}

bool ini_parse(struct ini *out, struct str bytes, const char *name, const char *const *sections,
	       bool heading_optional, struct settings_error *err)
{
	struct scan s = {.name = name, .sections = sections, .out = out, .err = err};
	struct str rest = bytes, line;
	bool ok = true;
	*out = (struct ini){0};
	if (heading_optional) {
		s.section = sections[0];
		buf_printf(&s.copy, "[%s]\n", s.section);
	}
	while (ok && rest.n > 0) {
		size_t end = str_find(rest, '\n');
		line = str_make(rest.p, end);
		rest = end == rest.n ? str_make(rest.p, 0)
				     : str_make(rest.p + end + 1, rest.n - end - 1);
		ok = scan_line(&s, line);
	}
	if (ok && out->count > 0)
		ok = agree(&s);
	buf_free(&s.copy);
	if (!ok)
		ini_free(out);
	return ok;
}

bool ini_read(struct ini *out, const char *path, const char *const *sections, bool heading_optional,
	      bool *absent, struct settings_error *err)
{
	struct buf b = {0};
	*out = (struct ini){0};
	bool ok = file_read(path, INI_FILE_MAX, &b, absent, err) &&
		  ini_parse(out, buf_str(&b), path, sections, heading_optional, err);
	buf_free(&b);
	return ok;
}

void ini_free(struct ini *ini)
{
	for (size_t i = 0; i < ini->count; i++) {
		mem_free(ini->pairs[i].key);
		mem_free(ini->pairs[i].value);
	}
	mem_free(ini->pairs);
	*ini = (struct ini){0};
}

static bool fail_unknown(const struct ini_pair *p, const struct option_table *t, const char *name,
			 struct settings_error *err)
{
	static const struct {
		const struct option_table *table;
		const char *file;
	} others[] = {{&proxy_table, " of kamal-proxy.ini"},
		      {&service_table, ""},
		      {&rollout_table, " of rollout.ini"}};
	const char *nearest = option_nearest(t, str_of(p->key));
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		const struct option_table *other = others[i].table;
		if (other != t && option_find(other, str_of(p->key)) != NULL)
			return settings_fail(err, "%s: [%s] %.100s = %.100s: belongs to [%s]%s",
					     name, t->section, p->key, p->value, other->section,
					     others[i].file);
	}
	return settings_fail(err, "%s: [%s] %.100s = %.100s: no such option; %s%s%s", name,
			     t->section, p->key, p->value,
			     nearest != NULL ? "did you mean " : "remove it",
			     nearest != NULL ? nearest : "", nearest != NULL ? "?" : "");
}

bool ini_apply(const struct ini *ini, const struct option_table *t, void *settings, uint64_t *set,
	       const char *name, struct settings_error *err)
{
	const struct origin from = {.kind = ORIGIN_FILE, .where = name};
	for (size_t i = 0; i < ini->count; i++) {
		const struct ini_pair *p = &ini->pairs[i];
		if (strcmp(p->section, t->section) != 0)
			continue;
		const struct option *o = option_find(t, str_of(p->key));
		if (o == NULL)
			return fail_unknown(p, t, name, err);
		if (!option_assign(t, o, settings, str_of(p->value), false, &from, err))
			return false;
		if (set != NULL)
			*set |= UINT64_C(1) << (size_t)(o - t->options);
	}
	return true;
}
