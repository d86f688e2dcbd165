/* text: numbers, times and escapes written by hand into fixed memory. */
#include "base/text.h"

static const char hex_digits[] = "0123456789abcdef";

void text_u64(struct text *t, uint64_t v)
{
	char digits[20];
	size_t at = sizeof(digits);

	do {
		digits[--at] = (char)('0' + v % 10);
		v /= 10;
	} while (v != 0);
	text_add(t, str_make(digits + at, sizeof(digits) - at));
}

void text_hex(struct text *t, uint64_t v)
{
	char digits[16];
	size_t at = sizeof(digits);

	do {
		digits[--at] = hex_digits[v & 15];
		v >>= 4;
	} while (v != 0);
	text_add(t, str_make(digits + at, sizeof(digits) - at));
}

/* Length of the well-formed UTF-8 sequence (RFC 3629) of two bytes or more at p, or 0. */
static size_t utf8_length(const unsigned char *p, size_t n)
{
	size_t len;
	unsigned char low = 0x80, high = 0xBF;

	if (p[0] >= 0xC2 && p[0] <= 0xDF)
		len = 2;
	else if (p[0] >= 0xE0 && p[0] <= 0xEF)
		len = 3;
	else if (p[0] >= 0xF0 && p[0] <= 0xF4)
		len = 4;
	else
		return 0;
	/* The second byte shuts out overlong forms, surrogates and what lies above U+10FFFF. */
	if (p[0] == 0xE0)
		low = 0xA0;
	else if (p[0] == 0xED)
		high = 0x9F;
	else if (p[0] == 0xF0)
		low = 0x90;
	else if (p[0] == 0xF4)
		high = 0x8F;
	if (n < len || p[1] < low || p[1] > high)
		return 0;
	for (size_t i = 2; i < len; i++)
		if ((p[i] & 0xC0) != 0x80)
			return 0;
	return len;
}

static void json_escape(struct text *t, unsigned char c)
{
	char four[] = {'\\', 'u', '0', '0', hex_digits[c >> 4], hex_digits[c & 15]};

	switch (c) {
	case '"': text_lit(t, "\\\""); break;
	case '\\': text_lit(t, "\\\\"); break;
	case '\n': text_lit(t, "\\n"); break;
	case '\r': text_lit(t, "\\r"); break;
	case '\t': text_lit(t, "\\t"); break;
	default: text_add(t, str_make(four, sizeof(four)));
	}
}

void text_json(struct text *t, struct str s)
{
	const unsigned char *p = (const unsigned char *)s.p;
	size_t plain = 0, i = 0;

	text_char(t, '"');
	while (i < s.n) {
		size_t len;

		if (p[i] >= 0x20 && p[i] < 0x80 && p[i] != '"' && p[i] != '\\') {
			i++;
			continue;
		}
		if (p[i] >= 0x80 && (len = utf8_length(p + i, s.n - i)) != 0) {
			i += len;
			continue;
		}
		text_add(t, str_make(s.p + plain, i - plain));
		json_escape(t, p[i]);
		plain = ++i;
	}
	if (plain < s.n)
		text_add(t, str_make(s.p + plain, s.n - plain));
	text_char(t, '"');
}

void text_html(struct text *t, struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		switch (s.p[i]) {
		case '&': text_lit(t, "&amp;"); break;
		case '<': text_lit(t, "&lt;"); break;
		case '>': text_lit(t, "&gt;"); break;
		case '"': text_lit(t, "&quot;"); break;
		case '\'': text_lit(t, "&#39;"); break;
		default: text_char(t, s.p[i]);
		}
	}
}

static void put_digits(char *p, uint64_t v, int n)
{
	while (n-- > 0) {
		p[n] = (char)('0' + v % 10);
		v /= 10;
	}
}

void text_time(struct text *t, int64_t unix_ms)
{
	char out[] = "0000-00-00T00:00:00.000Z";
	int64_t seconds = unix_ms / 1000 - (unix_ms % 1000 < 0);
	int64_t day = seconds / 86400 - (seconds % 86400 < 0);
	uint64_t in_day = (uint64_t)(seconds - day * 86400);
	/* Days to a date in years that begin in March, so that the leap day comes last. */
	int64_t shifted = day + 719468;
	int64_t era = (shifted >= 0 ? shifted : shifted - 146096) / 146097;
	uint64_t of_era = (uint64_t)(shifted - era * 146097);
	uint64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
	uint64_t of_year = of_era - (365 * year + year / 4 - year / 100);
	uint64_t month = (5 * of_year + 2) / 153;
	uint64_t date = of_year - (153 * month + 2) / 5 + 1;

	month = month < 10 ? month + 3 : month - 9;
	put_digits(out, (uint64_t)((int64_t)year + era * 400 + (month <= 2)), 4);
	put_digits(out + 5, month, 2);
	put_digits(out + 8, date, 2);
	put_digits(out + 11, in_day / 3600, 2);
	put_digits(out + 14, in_day / 60 % 60, 2);
	put_digits(out + 17, in_day % 60, 2);
	put_digits(out + 20, (uint64_t)(unix_ms - seconds * 1000), 3);
	text_add(t, str_make(out, sizeof(out) - 1));
}
