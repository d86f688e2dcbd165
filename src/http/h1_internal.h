/* What the parts of h1 share: byte classes, the scanner of field lines, the meaning of a head. */
#ifndef KP_HTTP_H1_INTERNAL_H
#define KP_HTTP_H1_INTERNAL_H

#include "http/h1.h"

enum {
	H1_TCHAR = 1,      /* RFC 9110 5.6.2 */
	H1_UNDERSCORE = 2, /* that one token character */
	H1_TARGET = 4,     /* may stand in a request target */
	H1_TEXT = 8,       /* may stand in a field value: tab, space, visible, 0x80 and above */
};
extern const uint8_t h1_class[256];

static inline bool h1_is(char c, int classes)
{
	return (h1_class[(unsigned char)c] & classes) != 0;
}

/* Where the parser stands. No byte at or behind `end` is looked at. Running out of bytes means
   `at_end`: more are needed, or no more may come (a limit). So a result never depends on bytes
   beyond those it was found by, and feeding in pieces gives the same as feeding whole. */
struct h1_cursor {
	const char *p, *end;
	enum h1_result at_end;
};

/* First byte in [p, end) that may not stand in a field value, or end. */
const char *h1_skip_text(const char *p, const char *end);

/* CR LF at the cursor, and past it. */
enum h1_result h1_line_end(struct h1_cursor *c);

/* One field line, and past it; or the empty line: then *name is empty. */
enum h1_result h1_field_line(struct h1_cursor *c, struct str *name, struct str *value,
			     bool *underscore);

/* Derives framing and connection handling from the fields; checks what must hold between them. */
enum h1_result h1_request_meaning(struct head *head);
enum h1_result h1_answer_meaning(struct head *head);

#endif
