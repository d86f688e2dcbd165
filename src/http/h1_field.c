/* h1: the scanner of field lines, used for heads and trailers alike (RFC 9112 5). */
#include "h1_internal.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define IS_ALNUM(c) (((c) >= '0' && (c) <= '9') || (((c) | 0x20) >= 'a' && ((c) | 0x20) <= 'z'))
#define IS_TOKEN_MARK(c)                                                                           \
	((c) == '!' || ((c) >= '#' && (c) <= '\'') || (c) == '*' || (c) == '+' || (c) == '-' ||    \
	 (c) == '.' || ((c) >= '^' && (c) <= '`') || (c) == '|' || (c) == '~')
#define CLASS(c)                                                                                   \
	(uint8_t)((IS_ALNUM(c) || IS_TOKEN_MARK(c) ? H1_TCHAR : 0) |                               \
		  ((c) == '_' ? H1_UNDERSCORE : 0) |                                               \
		  ((c) > 0x20 && (c) < 0x7F && (c) != '#' ? H1_TARGET : 0) |                       \
		  ((c) == '\t' || ((c) >= 0x20 && (c) != 0x7F) ? H1_TEXT : 0))
#define CLASS4(c) CLASS(c), CLASS((c) + 1), CLASS((c) + 2), CLASS((c) + 3)
#define CLASS16(c) CLASS4(c), CLASS4((c) + 4), CLASS4((c) + 8), CLASS4((c) + 12)
#define CLASS64(c) CLASS16(c), CLASS16((c) + 16), CLASS16((c) + 32), CLASS16((c) + 48)

const uint8_t h1_class[256] = {CLASS64(0), CLASS64(64), CLASS64(128), CLASS64(192)};

bool h1_is_tchar(unsigned char c)
{
	return (h1_class[c] & H1_TCHAR) != 0;
}

const char *h1_skip_text(const char *p, const char *end)
{
#ifdef __SSE2__
	const __m128i last_control = _mm_set1_epi8(0x1F);
	const __m128i tab = _mm_set1_epi8('\t');
	const __m128i del = _mm_set1_epi8(0x7F);

	for (; end - p >= 16; p += 16) {
		__m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
		__m128i control = _mm_cmpeq_epi8(_mm_min_epu8(v, last_control), v);
		__m128i bad = _mm_or_si128(_mm_andnot_si128(_mm_cmpeq_epi8(v, tab), control),
					   _mm_cmpeq_epi8(v, del));
		int mask = _mm_movemask_epi8(bad);

		if (mask != 0)
			return p + __builtin_ctz((unsigned)mask);
	}
#endif
	while (p < end && h1_is(*p, H1_TEXT))
		p++;
	return p;
}

enum h1_result h1_line_end(struct h1_cursor *c)
{
	if (c->p == c->end)
		return c->at_end;
	if (c->p[0] != '\r')
		return H1_BAD;
	if (c->end - c->p < 2)
		return c->at_end;
	if (c->p[1] != '\n')
		return H1_BAD;
	c->p += 2;
	return H1_DONE;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

enum h1_result h1_field_line(struct h1_cursor *c, struct str *name, struct str *value,
			     bool *underscore)
{
	const char *p = c->p, *start = p, *value_end;
	int classes = 0;

	while (p < c->end && h1_is(*p, H1_TCHAR))
		classes |= h1_class[(unsigned char)*p++];
	*name = str_make(start, (size_t)(p - start));
	*underscore = (classes & H1_UNDERSCORE) != 0;
	if (name->n == 0)
		return h1_line_end(c);
	if (p == c->end)
		return c->at_end;
	if (*p++ != ':')
		return H1_BAD;
	while (p < c->end && is_blank(*p))
		p++;
	start = p;
	c->p = value_end = h1_skip_text(p, c->end);
	while (value_end > start && is_blank(value_end[-1]))
		value_end--;
	*value = str_make(start, (size_t)(value_end - start));
	return h1_line_end(c);
}
