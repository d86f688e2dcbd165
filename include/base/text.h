/* text: writes text into fixed memory, by hand because snprintf costs too much on the request path.
   What does not fit is dropped and `full` says so: check it once at the end. */
#ifndef KP_BASE_TEXT_H
#define KP_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

struct text {
	char *p;
	size_t n, cap;
	bool full;
};

static inline struct text text_in(char *p, size_t cap)
{
	return (struct text){.p = p, .n = 0, .cap = cap, .full = false};
}

static inline struct str text_str(const struct text *t)
{
	return (struct str){.p = t->p, .n = t->n};
}

static inline void text_add(struct text *t, struct str s)
{
	if (s.n > t->cap - t->n) {
		t->full = true;
		return;
	}
	if (s.n != 0)
		memcpy(t->p + t->n, s.p, s.n);
	t->n += s.n;
}

static inline void text_char(struct text *t, char c)
{
	if (t->n < t->cap)
		t->p[t->n++] = c;
	else
		t->full = true;
}

#define text_lit(t, lit) text_add((t), STR(lit))

void text_u64(struct text *t, uint64_t v);
void text_hex(struct text *t, uint64_t v); /* lower case, no leading zeros, "0" for 0 */
/* In double quotes; what JSON forbids is escaped; bytes that are no UTF-8 become \u00XX. */
void text_json(struct text *t, struct str s);
/* & < > " ' escaped. */
void text_html(struct text *t, struct str s);
/* UTC "2026-01-02T03:04:05.678Z" of a Unix time in milliseconds. */
void text_time(struct text *t, int64_t unix_ms);

#endif
