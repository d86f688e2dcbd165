/* What every unit test includes: cmocka with all it wants before it, and spans compared as text. */
#ifndef KP_TESTS_UNIT_H
#define KP_TESTS_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/str.h"

#define assert_str(s, text) assert_span((s), str_of(text), __FILE__, __LINE__)

static inline void assert_span(struct str got, struct str want, const char *file, int line)
{
	if (str_eq(got, want))
		return;
	print_error("got \"%.*s\", want \"%.*s\"\n", STR_ARG(got), STR_ARG(want));
	_fail(file, line);
}

#endif
