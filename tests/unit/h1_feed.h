/* Feeds a head to the parser whole and cut after every byte, always against an unmapped page. */
#ifndef KP_TESTS_H1_FEED_H
#define KP_TESTS_H1_FEED_H

#include "unit.h"

#include "guard.h"
#include "http/h1.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

typedef enum h1_result h1_parser(struct str, const struct h1_limits *, struct head *, size_t *);

static const struct h1_limits roomy = {.head = 32768, .line = 8192, .fields = 100};
static struct head head;

/* The result for the whole; every shorter piece must be partial, or wrong in the same way. */
static inline enum h1_result parse(h1_parser *p, const struct h1_limits *limits, struct str in,
				   size_t *used)
{
	static struct head other;
	enum h1_result whole = p(str_make(guard_copy(in.p, in.n), in.n), limits, &head, used);
	size_t need = whole == H1_DONE ? *used : in.n;
	bool wrong = false;
	size_t none;

	for (size_t n = 0; n < need; n++) {
		enum h1_result r = p(str_make(guard_copy(in.p, n), n), limits, &other, &none);

		assert_int_equal(none, 0);
		if (r != H1_PARTIAL) {
			assert_int_equal(r, whole);
			assert_int_not_equal(r, H1_DONE);
			wrong = true;
		} else {
			assert_false(wrong);
		}
		if (whole == H1_DONE)
			assert_true(h1_may_be_whole(str_make(in.p, need), n));
	}
	if (whole != H1_DONE)
		assert_int_equal(*used, 0);
	return whole;
}

#endif
