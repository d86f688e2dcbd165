/* str: comparing, cutting and reading spans of bytes. ASCII only, whatever the locale. */
#include "base/str.h"

#include "base/mem.h"

static unsigned char lower(char c)
{
	unsigned char u = (unsigned char)c;

	return u >= 'A' && u <= 'Z' ? (unsigned char)(u | 0x20) : u;
}

bool str_ieq(struct str a, struct str b)
{
	if (a.n != b.n)
		return false;
	for (size_t i = 0; i < a.n; i++)
		if (lower(a.p[i]) != lower(b.p[i]))
			return false;
	return true;
}

bool str_has_prefix(struct str s, struct str prefix)
{
	return s.n >= prefix.n && str_eq(str_make(s.p, prefix.n), prefix);
}

bool str_has_suffix(struct str s, struct str suffix)
{
	if (suffix.n == 0)
		return true;
	return s.n >= suffix.n && str_eq(str_make(s.p + (s.n - suffix.n), suffix.n), suffix);
}

static bool is_blank(char c, bool line_ends)
{
	return c == ' ' || c == '\t' || (line_ends && (c == '\r' || c == '\n'));
}

static struct str without_blanks(struct str s, bool line_ends)
{
	while (s.n != 0 && is_blank(s.p[0], line_ends)) {
		s.p++;
		s.n--;
	}
	while (s.n != 0 && is_blank(s.p[s.n - 1], line_ends))
		s.n--;
	return s;
}

struct str str_trim(struct str s)
{
	return without_blanks(s, false);
}

struct str str_strip(struct str s)
{
	return without_blanks(s, true);
}

bool str_split(struct str *rest, char sep, struct str *part)
{
	size_t at;

	if (rest->p == NULL)
		return false;
	at = str_find(*rest, sep);
	*part = str_trim(str_make(rest->p, at));
	if (at == rest->n)
		*rest = (struct str){0};
	else
		*rest = str_make(rest->p + at + 1, rest->n - at - 1);
	return true;
}

size_t str_find(struct str s, char c)
{
	const char *at = s.n == 0 ? NULL : memchr(s.p, c, s.n);

	return at == NULL ? s.n : (size_t)(at - s.p);
}

bool str_to_u64(struct str s, uint64_t *out)
{
	uint64_t v = 0;

	if (s.n == 0)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		unsigned digit = (unsigned)(unsigned char)s.p[i] - '0';

		if (digit > 9 || __builtin_mul_overflow(v, 10, &v) ||
		    __builtin_add_overflow(v, digit, &v))
			return false;
	}
	*out = v;
	return true;
}

static unsigned hex_digit(char c)
{
	unsigned char u = lower(c);

	if (u >= '0' && u <= '9')
		return u - (unsigned)'0';
	if (u >= 'a' && u <= 'f')
		return u - (unsigned)'a' + 10;
	return 16;
}

bool str_hex_to_u64(struct str s, uint64_t *out)
{
	uint64_t v = 0;

	if (s.n == 0)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		unsigned digit = hex_digit(s.p[i]);

		if (digit > 15 || v >> 60 != 0)
			return false;
		v = v << 4 | digit;
	}
	*out = v;
	return true;
}

struct unit {
	struct str suffix;
	uint64_t factor;
};

/* The first unit whose suffix fits decides, so a longer suffix stands before its own ending. */
static bool read_with_unit(struct str s, const struct unit *units, size_t n, uint64_t *out)
{
	for (size_t i = 0; i < n; i++) {
		uint64_t v;

		if (!str_has_suffix(s, units[i].suffix))
			continue;
		if (!str_to_u64(str_make(s.p, s.n - units[i].suffix.n), &v) ||
		    __builtin_mul_overflow(v, units[i].factor, &v))
			return false;
		*out = v;
		return true;
	}
	return false;
}

bool str_to_duration(struct str s, uint64_t *ms)
{
	static const struct unit units[] = {
		{{"ms", 2}, 1},
		{{"s", 1}, 1000},
		{{"m", 1}, 60 * 1000},
		{{"h", 1}, 60 * 60 * 1000},
	};

	if (str_eq(s, STR("0"))) {
		*ms = 0;
		return true;
	}
	return read_with_unit(s, units, sizeof(units) / sizeof(units[0]), ms);
}

bool str_to_size(struct str s, uint64_t *bytes)
{
	static const struct unit units[] = {
		{{"k", 1}, 1024},
		{{"m", 1}, 1024 * 1024},
		{{"g", 1}, 1024 * 1024 * 1024},
		{{"", 0}, 1},
	};

	return read_with_unit(s, units, sizeof(units) / sizeof(units[0]), bytes);
}

uint32_t str_fnv1a32(struct str s)
{
	uint32_t h = 2166136261U;

	for (size_t i = 0; i < s.n; i++)
		h = (h ^ (unsigned char)s.p[i]) * 16777619U;
	return h;
}

uint64_t str_hash(struct str s)
{
	uint64_t h = 14695981039346656037ULL;

	for (size_t i = 0; i < s.n; i++)
		h = (h ^ (unsigned char)s.p[i]) * 1099511628211ULL;
	return h;
}

char *str_dup(struct str s)
{
	char *copy = mem_alloc(s.n + 1);

	if (s.n != 0)
		memcpy(copy, s.p, s.n);
	copy[s.n] = '\0';
	return copy;
}

bool str_copy(char *dst, size_t size, struct str s)
{
	if (size == 0)
		return false;
	dst[0] = '\0';
	if (s.n >= size || str_find(s, '\0') != s.n)
		return false;
	if (s.n != 0)
		memcpy(dst, s.p, s.n);
	dst[s.n] = '\0';
	return true;
}
