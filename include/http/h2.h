/* h2: a request's field section as HTTP/2 brings it (RFC 9113 8.2, 8.3; RFC 8441), field by field, written down
 * as the HTTP/1.1 head that means the same, and read by the parser of those (h1.h): one judge for both versions,
 * and what an app gets cannot be understood otherwise than it was here. Pure but for the buffer it grows. */
#ifndef KP_HTTP_H2_H
#define KP_HTTP_H2_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"
#include "http/h1.h"
#include "http/message.h"

enum h2_pseudo { H2_METHOD, H2_SCHEME, H2_AUTHORITY, H2_PATH, H2_PROTOCOL, H2_PSEUDO_COUNT };

/* All zero, or with a text that is empty, it is an unused one. */
struct h2_section {
	struct buf
		text; /* the values of the pseudo-fields, behind them (from `head` on) the head */
	struct {
		size_t at, n;
		bool given;
	} pseudo[H2_PSEUDO_COUNT];
	size_t head;       /* where in text the head begins; 0: not yet */
	size_t cookie_end; /* where in text the first Cookie's value ends; 0: there is none */
	size_t limit;      /* bytes of text */
	bool trailers;     /* fields alone */
	bool prioritised;  /* it has a priority field (RFC 9218) */
	bool bad;          /* malformed: what comes is ignored */
	bool too_large;    /* more than the limit came: what comes is ignored */
};

/* Begins a section; a buffer that `text` has is used again. */
void h2_section_begin(struct h2_section *s, const struct h1_limits *limits, bool trailers);
void h2_section_add(struct h2_section *s, struct str name, struct str value);

/* At the end of a request's section. fin: no payload and no trailers follow. 0: *head is the request, its spans lie
   in *raw, which lies in the section; an extended CONNECT for a WebSocket has become a GET with `upgrade` set and
   a key of its own, which is made of `nonce`, 16 characters. Otherwise the status to answer with (400, 414, 431,
   501). A body of unknown length is BODY_CHUNKED. */
int h2_section_request(struct h2_section *s, const struct h1_limits *limits, bool fin,
		       const char *nonce, struct head *head, struct str *raw);
/* At the end of trailers: "Name: value\r\n"…, lying in the section. False when it is malformed or too long. */
bool h2_section_trailers(const struct h2_section *s, struct str *trailers);

void h2_section_free(struct h2_section *s);

#endif
