/* What the fuzz targets for request and answer heads have in common. */
#ifndef KP_TESTS_FUZZ_HEAD_H
#define KP_TESTS_FUZZ_HEAD_H

#include <stdlib.h>

#include "http/h1.h"

#define REQUIRE(what) ((what) ? (void)0 : abort())

typedef enum h1_result h1_parser(struct str, const struct h1_limits *, struct head *, size_t *);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline void require_inside(struct str span, struct str in)
{
	REQUIRE(span.p == NULL || (span.p >= in.p && span.p + span.n <= in.p + in.n));
}

static inline void require_sound(const struct head *head, struct str in)
{
	const struct str *spans[] = {&head->method_name, &head->target,    &head->path,
				     &head->query,       &head->authority, &head->reason,
				     &head->upgrade_to};

	for (size_t i = 0; i < sizeof(spans) / sizeof(spans[0]); i++)
		require_inside(*spans[i], in);
	for (size_t i = 0; i < head->nfields; i++) {
		const struct field *f = &head->fields[i];

		require_inside(f->name, in);
		require_inside(f->value, in);
		REQUIRE(f->name.n != 0 && str_find(f->value, '\r') == f->value.n &&
			str_find(f->value, '\n') == f->value.n &&
			str_find(f->value, '\0') == f->value.n);
		for (size_t k = 0; k < f->name.n; k++)
			REQUIRE(h1_is_tchar((unsigned char)f->name.p[k]));
	}
}

/* The first two bytes choose the limits; each piece lies in memory of its own size. */
static inline void fuzz_head(h1_parser *parse, const uint8_t *data, size_t size)
{
	static struct head head, again;
	struct h1_limits limits = {.head = 4096, .line = 1024, .fields = 100};
	enum h1_result whole;
	size_t used, used_again;
	struct str in;

	if (size < 2)
		return;
	if (data[0] != 0)
		limits.line = data[0];
	if (data[1] != 0)
		limits.fields = data[1] & 7;
	in = str_make((const char *)data + 2, size - 2);
	whole = parse(in, &limits, &head, &used);
	REQUIRE(used <= in.n && used <= limits.head && (used != 0) == (whole == H1_DONE));
	if (whole == H1_DONE)
		require_sound(&head, str_make(in.p, used));
	for (size_t n = 0; n <= in.n; n = n < 64 ? n + 1 : n + 17) {
		char *copy = malloc(n == 0 ? 1 : n);
		enum h1_result r;

		memcpy(copy, in.p, n);
		r = parse(str_make(copy, n), &limits, &again, &used_again);
		if (whole == H1_DONE && n >= used)
			REQUIRE(r == H1_DONE && used_again == used);
		else
			REQUIRE(r == H1_PARTIAL || (r == whole && whole != H1_DONE));
		free(copy);
	}
}

#endif
