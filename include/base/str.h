/* str: a span of bytes that somebody else owns. Never NUL-terminated by promise. */
#ifndef KP_BASE_STR_H
#define KP_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct str {
	const char *p;
	size_t n;
};

/* For printf("%.*s"). */
#define STR_ARG(s) (int)(s).n, (s).p
/* A literal, its length known to the compiler. */
#define STR(lit) ((struct str){.p = (lit), .n = sizeof(lit) - 1})

static inline struct str str_of(const char *c)
{
	return (struct str){.p = c, .n = c == NULL ? 0 : strlen(c)};
}

static inline struct str str_make(const char *p, size_t n)
{
	return (struct str){.p = p, .n = n};
}

static inline bool str_eq(struct str a, struct str b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

/* ASCII case-insensitive; no locale is ever asked. */
bool str_ieq(struct str a, struct str b);

bool str_has_prefix(struct str s, struct str prefix);
bool str_has_suffix(struct str s, struct str suffix);

/* Without leading and trailing bytes of OWS (space, tab); str_strip also drops CR and LF. */
struct str str_trim(struct str s);
struct str str_strip(struct str s);

/* Cuts the part before the first `sep` off `*rest` and puts it, trimmed, into `*part`; an empty part
   counts. False when `rest` is used up (its p is NULL then). Start with the whole text. */
bool str_split(struct str *rest, char sep, struct str *part);

/* Index of `c`, or s.n. */
size_t str_find(struct str s, char c);

/* Digits only, no sign, no blank, no overflow. */
bool str_to_u64(struct str s, uint64_t *out);
bool str_hex_to_u64(struct str s, uint64_t *out);

/* "500ms", "30s", "5m", "1h" → milliseconds; a bare number is refused, but "0" is allowed. */
bool str_to_duration(struct str s, uint64_t *ms);
/* "64k", "1m", "1g", "123" → bytes (powers of 1024). */
bool str_to_size(struct str s, uint64_t *bytes);

/* FNV-1a; the 32-bit one is part of the outside (canary groups), the 64-bit one of no promise. */
uint32_t str_fnv1a32(struct str s);
uint64_t str_hash(struct str s);

/* A malloc'ed, NUL-terminated copy; aborts when memory is out. */
char *str_dup(struct str s);

/* Copies with a NUL into dst[size]; false (and an empty dst) when it does not fit or holds a NUL. */
bool str_copy(char *dst, size_t size, struct str s);

#endif
