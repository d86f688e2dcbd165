/* The vector scan of field values against its scalar twin and against the definition. */
#include "unit.h"

#include "guard.h"
#include "http/h1.h"

/* The twin: the same file, compiled once more without SSE2 and under other names. */
#undef __SSE2__
#define h1_class twin_class
#define h1_skip_text twin_skip_text
#define h1_line_end twin_line_end
#define h1_field_line twin_field_line
#define h1_is_tchar twin_is_tchar
bool twin_is_tchar(unsigned char c);
#include "http/h1_field.c"
#undef h1_skip_text
#undef h1_is_tchar
const char *h1_skip_text(const char *p, const char *end);

static bool may_stand(unsigned char c)
{
	return c == '\t' || (c >= 0x20 && c != 0x7F);
}

static void finds_each_byte_at_each_place(void **state)
{
	char text[80];

	(void)state;
	for (size_t n = 0; n <= sizeof(text); n += 3) {
		for (size_t at = 0; at < n; at++) {
			for (int c = 0; c < 256; c++) {
				size_t want = may_stand((unsigned char)c) ? n : at;
				const char *in;

				memset(text, 'x', n);
				text[at] = (char)c;
				in = guard_copy(text, n);
				assert_ptr_equal(h1_skip_text(in, in + n), in + want);
				assert_ptr_equal(twin_skip_text(in, in + n), in + want);
			}
		}
	}
}

static void finds_the_first_of_several(void **state)
{
	const char text[] = "0123456789\t\x80\xFF"
			    "bcdef0123456789\r\n\r\n0123456789abcdef";

	(void)state;
	assert_ptr_equal(h1_skip_text(text, text + sizeof(text)), strchr(text, '\r'));
	assert_ptr_equal(twin_skip_text(text, text + sizeof(text)), strchr(text, '\r'));
}

static void knows_token_characters(void **state)
{
	(void)state;
	for (int c = 0; c < 256; c++) {
		bool want = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
			    (c >= 'A' && c <= 'Z') ||
			    (c != 0 && strchr("!#$%&'*+-.^_`|~", c) != NULL);

		assert_int_equal(h1_is_tchar((unsigned char)c), want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_each_byte_at_each_place),
		cmocka_unit_test(finds_the_first_of_several),
		cmocka_unit_test(knows_token_characters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
