/* message: what names, methods, statuses and hosts mean, and questions to a parsed head. */
#include "http/message.h"

static const struct str field_names[HDR_COUNT] = {
#define X(id, name) [HDR_##id] = {.p = (name), .n = sizeof(name) - 1},
	HTTP_FIELDS(X)
#undef X
};

static unsigned char lower(char c)
{
	unsigned char u = (unsigned char)c;

	return u >= 'A' && u <= 'Z' ? (unsigned char)(u | 0x20) : u;
}

static enum field_id one_of(struct str name, enum field_id a, enum field_id b)
{
	unsigned char last = lower(name.p[name.n - 1]);
	enum field_id id = last == (unsigned char)field_names[a].p[name.n - 1] ? a : b;

	return str_ieq(name, field_names[id]) ? id : HDR_OTHER;
}

/* Names of one length differ in their last letter, except where the switch looks further. */
static enum field_id known_name(struct str name)
{
	switch (name.n) {
	case 2: return one_of(name, HDR_TE, HDR_TE);
	case 4: return one_of(name, HDR_HOST, HDR_DATE);
	case 5: return one_of(name, HDR_PROXY, HDR_PROXY);
	case 6:
		return lower(name.p[0]) == 'c' ? one_of(name, HDR_COOKIE, HDR_COOKIE)
					       : one_of(name, HDR_EXPECT, HDR_EXPECT);
	case 7: return one_of(name, HDR_TRAILER, HDR_UPGRADE);
	case 9: return one_of(name, HDR_FORWARDED, HDR_X_REAL_IP);
	case 10:
		switch (lower(name.p[0])) {
		case 'c': return one_of(name, HDR_CONNECTION, HDR_CONNECTION);
		case 's': return one_of(name, HDR_SET_COOKIE, HDR_SET_COOKIE);
		default: return one_of(name, HDR_KEEP_ALIVE, HDR_USER_AGENT);
		}
	case 12: return one_of(name, HDR_CONTENT_TYPE, HDR_X_REQUEST_ID);
	case 14:
		return lower(name.p[0]) == 'h'
			       ? one_of(name, HDR_HTTP2_SETTINGS, HDR_HTTP2_SETTINGS)
			       : one_of(name, HDR_CONTENT_LENGTH, HDR_X_KAMAL_TARGET);
	case 15: return one_of(name, HDR_X_FORWARDED_FOR, HDR_X_REQUEST_START);
	case 16: return one_of(name, HDR_X_FORWARDED_HOST, HDR_PROXY_CONNECTION);
	case 17: return one_of(name, HDR_X_FORWARDED_PROTO, HDR_TRANSFER_ENCODING);
	case 18: return one_of(name, HDR_PROXY_AUTHENTICATE, HDR_PROXY_AUTHENTICATE);
	case 19: return one_of(name, HDR_PROXY_AUTHORIZATION, HDR_PROXY_AUTHORIZATION);
	default: return HDR_OTHER;
	}
}

enum field_id field_id(struct str name)
{
	const struct str any = STR("x-forwarded-");
	enum field_id id = known_name(name);

	if (id == HDR_OTHER && name.n >= any.n && name.p[1] == '-' &&
	    str_ieq(str_make(name.p, any.n), any))
		return HDR_X_FORWARDED_ANY;
	return id;
}

enum method method_of(struct str name)
{
	static const struct {
		struct str name;
		enum method method;
	} methods[] = {
		{{"GET", 3}, METHOD_GET},         {{"POST", 4}, METHOD_POST},
		{{"HEAD", 4}, METHOD_HEAD},       {{"PUT", 3}, METHOD_PUT},
		{{"DELETE", 6}, METHOD_DELETE},   {{"OPTIONS", 7}, METHOD_OPTIONS},
		{{"PATCH", 5}, METHOD_PATCH},     {{"TRACE", 5}, METHOD_TRACE},
		{{"CONNECT", 7}, METHOD_CONNECT},
	};

	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
		if (str_eq(name, methods[i].name))
			return methods[i].method;
	return METHOD_OTHER;
}

bool method_is_idempotent(enum method m)
{
	switch (m) {
	case METHOD_GET:
	case METHOD_HEAD:
	case METHOD_PUT:
	case METHOD_DELETE:
	case METHOD_OPTIONS:
	case METHOD_TRACE: return true;
	default: return false;
	}
}

/* The IANA registry of statuses. */
#define STATUSES(X)                                                                                \
	X(100, "Continue")                                                                         \
	X(101, "Switching Protocols")                                                              \
	X(102, "Processing")                                                                       \
	X(103, "Early Hints")                                                                      \
	X(200, "OK")                                                                               \
	X(201, "Created")                                                                          \
	X(202, "Accepted")                                                                         \
	X(203, "Non-Authoritative Information")                                                    \
	X(204, "No Content")                                                                       \
	X(205, "Reset Content")                                                                    \
	X(206, "Partial Content")                                                                  \
	X(207, "Multi-Status")                                                                     \
	X(208, "Already Reported")                                                                 \
	X(226, "IM Used")                                                                          \
	X(300, "Multiple Choices")                                                                 \
	X(301, "Moved Permanently")                                                                \
	X(302, "Found")                                                                            \
	X(303, "See Other")                                                                        \
	X(304, "Not Modified")                                                                     \
	X(305, "Use Proxy")                                                                        \
	X(307, "Temporary Redirect")                                                               \
	X(308, "Permanent Redirect")                                                               \
	X(400, "Bad Request")                                                                      \
	X(401, "Unauthorized")                                                                     \
	X(402, "Payment Required")                                                                 \
	X(403, "Forbidden")                                                                        \
	X(404, "Not Found")                                                                        \
	X(405, "Method Not Allowed")                                                               \
	X(406, "Not Acceptable")                                                                   \
	X(407, "Proxy Authentication Required")                                                    \
	X(408, "Request Timeout")                                                                  \
	X(409, "Conflict")                                                                         \
	X(410, "Gone")                                                                             \
	X(411, "Length Required")                                                                  \
	X(412, "Precondition Failed")                                                              \
	X(413, "Content Too Large")                                                                \
	X(414, "URI Too Long")                                                                     \
	X(415, "Unsupported Media Type")                                                           \
	X(416, "Range Not Satisfiable")                                                            \
	X(417, "Expectation Failed")                                                               \
	X(421, "Misdirected Request")                                                              \
	X(422, "Unprocessable Content")                                                            \
	X(423, "Locked")                                                                           \
	X(424, "Failed Dependency")                                                                \
	X(425, "Too Early")                                                                        \
	X(426, "Upgrade Required")                                                                 \
	X(428, "Precondition Required")                                                            \
	X(429, "Too Many Requests")                                                                \
	X(431, "Request Header Fields Too Large")                                                  \
	X(451, "Unavailable For Legal Reasons")                                                    \
	X(500, "Internal Server Error")                                                            \
	X(501, "Not Implemented")                                                                  \
	X(502, "Bad Gateway")                                                                      \
	X(503, "Service Unavailable")                                                              \
	X(504, "Gateway Timeout")                                                                  \
	X(505, "HTTP Version Not Supported")                                                       \
	X(506, "Variant Also Negotiates")                                                          \
	X(507, "Insufficient Storage")                                                             \
	X(508, "Loop Detected")                                                                    \
	X(511, "Network Authentication Required")

const char *status_reason(int status)
{
	static const char *const reasons[512] = {
#define X(status, reason) [status] = (reason),
		STATUSES(X)
#undef X
	};

	if (status < 0 || status >= 512 || reasons[status] == NULL)
		return "";
	return reasons[status];
}

const struct field *head_find(const struct head *h, enum field_id id)
{
	for (size_t i = 0; i < h->nfields; i++)
		if (h->fields[i].id == id)
			return &h->fields[i];
	return NULL;
}

static struct str unquoted(struct str s)
{
	bool quoted = s.n >= 2 && s.p[0] == '"' && s.p[s.n - 1] == '"';
	return quoted ? str_make(s.p + 1, s.n - 2) : s;
}

struct str head_cookie(const struct head *h, struct str name)
{
	for (size_t i = 0; i < h->nfields; i++) {
		struct str rest = h->fields[i].value;
		struct str pair;
		if (h->fields[i].id != HDR_COOKIE)
			continue;
		while (str_split(&rest, ';', &pair)) {
			size_t at = str_find(pair, '=');
			if (at < pair.n && str_eq(str_trim(str_make(pair.p, at)), name))
				return unquoted(
					str_trim(str_make(pair.p + at + 1, pair.n - at - 1)));
		}
	}
	return STR("");
}

bool head_connection_lists(const struct head *h, struct str name)
{
	for (size_t i = 0; i < h->nfields; i++) {
		struct str rest = h->fields[i].value, part;

		if (h->fields[i].id != HDR_CONNECTION)
			continue;
		while (str_split(&rest, ',', &part))
			if (str_ieq(part, name))
				return true;
	}
	return false;
}

void head_rebase(struct head *h, const char *from, const char *to)
{
	/* By number, since the two need not be parts of one object. */
	uintptr_t move = (uintptr_t)to - (uintptr_t)from;
	struct str *spans[] = {&h->method_name, &h->target, &h->path,      &h->query,
			       &h->authority,   &h->reason, &h->upgrade_to};

	for (size_t i = 0; i < sizeof(spans) / sizeof(spans[0]); i++)
		if (spans[i]->p != NULL)
			spans[i]->p = (const char *)((uintptr_t)spans[i]->p + move);
	for (size_t i = 0; i < h->nfields; i++) {
		struct field *f = &h->fields[i];

		f->name.p = (const char *)((uintptr_t)f->name.p + move);
		f->value.p = (const char *)((uintptr_t)f->value.p + move);
	}
}

/* Length of "[…]" at the start, or 0. Whether it is an address is for the one who resolves it. */
static size_t ipv6_length(struct str s)
{
	size_t i = 1;

	while (i < s.n && (s.p[i] == ':' || s.p[i] == '.' || (s.p[i] >= '0' && s.p[i] <= '9') ||
			   (lower(s.p[i]) >= 'a' && lower(s.p[i]) <= 'f')))
		i++;
	return i > 2 && i < s.n && s.p[i] == ']' ? i + 1 : 0;
}

static size_t name_length(struct str s)
{
	size_t i = 0;

	while (i < s.n && ((lower(s.p[i]) >= 'a' && lower(s.p[i]) <= 'z') ||
			   (s.p[i] >= '0' && s.p[i] <= '9') || s.p[i] == '.' || s.p[i] == '-' ||
			   s.p[i] == '_'))
		i++;
	return i;
}

static bool is_port(struct str s)
{
	uint64_t port;

	if (s.n == 0)
		return true;
	if (s.p[0] != ':')
		return false;
	return s.n == 1 || (str_to_u64(str_make(s.p + 1, s.n - 1), &port) && port <= 65535);
}

bool host_normalise(struct str authority, char *dst, size_t size, struct str *host)
{
	size_t n, whole;

	if (authority.n == 0)
		return false;
	whole = n = authority.p[0] == '[' ? ipv6_length(authority) : name_length(authority);
	if (n != 0 && authority.p[n - 1] == '.')
		n--;
	if (n == 0 || n > 253 || n > size)
		return false;
	if (!is_port(str_make(authority.p + whole, authority.n - whole)))
		return false;
	for (size_t i = 0; i < n; i++)
		dst[i] = (char)lower(authority.p[i]);
	*host = str_make(dst, n);
	return true;
}
