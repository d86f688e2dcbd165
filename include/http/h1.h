/* h1: HTTP/1.1 on the wire (RFC 9112), as pure functions: bytes in, spans out.
 *
 * Strict, since a proxy that tolerates is a proxy that smuggles: no bare LF or CR, no folding, no space
 * before a colon, exactly one Host in HTTP/1.1, Content-Length of digits only and once, never beside
 * Transfer-Encoding, which is "chunked" and nothing else. One CRLF before a request line is skipped.
 * A request's fields with '_' in their name are checked and counted, but not given: CGI would take
 * "a_b" for "a-b". */
#ifndef KP_HTTP_H1_H
#define KP_HTTP_H1_H

#include "base/buf.h"
#include "base/str.h"
#include "http/message.h"

enum h1_result {
	H1_DONE,          /* a whole head / the end of the body */
	H1_PARTIAL,       /* well-formed so far; more bytes are needed */
	H1_BAD,           /* 400 (an answer: 502) */
	H1_LINE_TOO_LONG, /* 414 */
	H1_TOO_LARGE,     /* 431: head or number of fields */
	H1_CODING,        /* 501: a transfer coding other than chunked */
	H1_VERSION,       /* 505 */
};

/* The status to answer a bad request with (400, 414, 431, 501, 505). */
int h1_result_status(enum h1_result r);

struct h1_limits {
	size_t head;   /* bytes, request line and empty line included */
	size_t line;   /* bytes of the request line */
	size_t fields; /* at most HEAD_FIELDS_MAX */
};

/* Parses a head at the start of `in`. On H1_DONE *used is its length, the empty line (and a skipped
   leading CRLF) included. On anything else *used is 0 and the head is undefined. CONNECT is H1_BAD. */
enum h1_result h1_parse_request(struct str in, const struct h1_limits *limits, struct head *head,
				size_t *used);
enum h1_result h1_parse_answer(struct str in, const struct h1_limits *limits, struct head *head,
			       size_t *used);

/* Cheap test whether bytes that came after `seen` others can have ended a head that was partial: false
   means "surely not yet", so that a head fed byte by byte is not parsed anew each time. */
bool h1_may_be_whole(struct str in, size_t seen);

/* How an answer is framed, by the request's method, its status and its fields (RFC 9112 6.3).
   Sets *length with BODY_LENGTH. */
enum body_kind h1_answer_body(const struct head *answer, enum method method, uint64_t *length);

/* ---- bodies ---- */

#define H1_CHUNK_LINE_MAX 256 /* size and extensions */
#define H1_TRAILERS_MAX 8192  /* bytes of a trailer section */

struct h1_body {
	enum body_kind kind;
	uint64_t left; /* of the length or the chunk */
	uint8_t state; /* chunked: where the decoder stands; private */
	bool done;
};

void h1_body_init(struct h1_body *b, enum body_kind kind, uint64_t length);

/* Decodes body bytes. *data gets the payload found (n may be 0), moved together inside `in`'s own
   bytes if it lay in several chunks, with its room before and after counted; *used is how many bytes of
   `in` are spent (what is left over must be given again, with more). At the end of a chunked body
   *trailers is the validated trailer section ("Name: value\r\n"…, possibly empty), lying in `in`.
   H1_DONE: the message is whole (data may still be there). H1_PARTIAL: more is needed. H1_BAD.
   BODY_CLOSE never ends by itself. Room before data never reaches below in.p - in.before. */
enum h1_result h1_body_decode(struct h1_body *b, struct slice in, struct slice *data, size_t *used,
			      struct str *trailers);

/* Splits a validated trailer section: next field line, false at its end. */
bool h1_next_trailer(struct str *section, struct field *out);

/* Is `c` a token character (RFC 9110 5.6.2)? */
bool h1_is_tchar(unsigned char c);

#endif
