/* message: the shapes of HTTP heads and the tables of field names, methods and statuses (RFC 9110).
   Pure: no I/O, no memory of its own. */
#ifndef KP_HTTP_MESSAGE_H
#define KP_HTTP_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

/* Field names the proxy looks at; every other one is HDR_OTHER. One list makes enum and table. */
#define HTTP_FIELDS(X)                                                                             \
	X(CONNECTION, "connection")                                                                \
	X(CONTENT_LENGTH, "content-length")                                                        \
	X(CONTENT_TYPE, "content-type")                                                            \
	X(COOKIE, "cookie")                                                                        \
	X(DATE, "date")                                                                            \
	X(EXPECT, "expect")                                                                        \
	X(FORWARDED, "forwarded")                                                                  \
	X(HOST, "host")                                                                            \
	X(HTTP2_SETTINGS, "http2-settings")                                                        \
	X(KEEP_ALIVE, "keep-alive")                                                                \
	X(PROXY, "proxy")                                                                          \
	X(PROXY_AUTHENTICATE, "proxy-authenticate")                                                \
	X(PROXY_AUTHORIZATION, "proxy-authorization")                                              \
	X(PROXY_CONNECTION, "proxy-connection")                                                    \
	X(SET_COOKIE, "set-cookie")                                                                \
	X(TE, "te")                                                                                \
	X(TRAILER, "trailer")                                                                      \
	X(TRANSFER_ENCODING, "transfer-encoding")                                                  \
	X(UPGRADE, "upgrade")                                                                      \
	X(USER_AGENT, "user-agent")                                                                \
	X(X_FORWARDED_FOR, "x-forwarded-for")                                                      \
	X(X_FORWARDED_HOST, "x-forwarded-host")                                                    \
	X(X_FORWARDED_PROTO, "x-forwarded-proto")                                                  \
	X(X_FORWARDED_ANY, "x-forwarded-*") /* any other name that begins so */                    \
	X(X_KAMAL_TARGET, "x-kamal-target")                                                        \
	X(X_REAL_IP, "x-real-ip")                                                                  \
	X(X_REQUEST_ID, "x-request-id")                                                            \
	X(X_REQUEST_START, "x-request-start")

enum field_id {
	HDR_OTHER,
#define X(id, name) HDR_##id,
	HTTP_FIELDS(X)
#undef X
		HDR_COUNT
};

/* Case-insensitive; costs one switch on the length for names that are not in the table. */
enum field_id field_id(struct str name);

struct field {
	struct str name, value; /* value without surrounding OWS */
	enum field_id id;
};

enum method {
	METHOD_OTHER,
	METHOD_GET,
	METHOD_HEAD,
	METHOD_POST,
	METHOD_PUT,
	METHOD_DELETE,
	METHOD_OPTIONS,
	METHOD_TRACE,
	METHOD_PATCH,
	METHOD_CONNECT,
};
enum method method_of(struct str name);
/* RFC 9110 9.2.2: GET HEAD PUT DELETE OPTIONS TRACE. */
bool method_is_idempotent(enum method m);

/* Reason phrase, "" when unknown. */
const char *status_reason(int status);

enum body_kind {
	BODY_NONE,
	BODY_LENGTH,
	BODY_CHUNKED,
	BODY_CLOSE, /* answers only: until the connection ends */
};

#define HEAD_FIELDS_MAX 256 /* the hard limit above max_headers */

/* A parsed head. All spans point into the bytes it was parsed from. */
struct head {
	/* requests */
	enum method method;
	struct str method_name;
	struct str target; /* as sent */
	struct str path;   /* "/a/b"; "*" for OPTIONS *; "/" for an absolute-form without one */
	struct str query;  /* without '?'; p is NULL when there was none */
	struct str
		authority; /* of the Host field or absolute-form, as sent; empty for HTTP/1.0 without */
	/* answers */
	int status;
	struct str reason;
	/* both */
	int minor;            /* HTTP/1.minor: 0 or 1 */
	enum body_kind body;  /* of an answer: as its fields say; see h1_answer_body */
	uint64_t length;      /* with BODY_LENGTH */
	bool keep_alive;      /* by version and Connection */
	bool expect_continue; /* Expect: 100-continue, HTTP/1.1 */
	bool upgrade; /* Connection: upgrade and an Upgrade field, HTTP/1.1, not h2c, no body */
	struct str upgrade_to; /* the Upgrade field's value then */
	size_t nfields;
	struct field fields[HEAD_FIELDS_MAX];
};

/* The first field with that id, or NULL. */
const struct field *head_find(const struct head *h, enum field_id id);
/* The value of the first cookie of that name in the head's Cookie fields (RFC 6265 4.2), without
   surrounding double quotes; empty: there is none, or it says nothing. */
struct str head_cookie(const struct head *h, struct str name);
/* Is `name` listed in one of the head's Connection fields (and therefore hop-by-hop)? */
bool head_connection_lists(const struct head *h, struct str name);
/* Shifts all spans of the head by the move of its bytes from `from` to `to`. */
void head_rebase(struct head *h, const char *from, const char *to);

/* A host as routes compare it: lower case, without port and trailing dot, IPv6 in brackets kept as is.
   False when `authority` is no valid host[:port] (RFC 3986 3.2.2; no userinfo). */
bool host_normalise(struct str authority, char *dst, size_t size, struct str *host);

#endif
