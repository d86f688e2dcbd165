/* h2: from HTTP/2's fields to HTTP/1.1's head. What would read as something else there (a line's end in a value,
   a capital, a field of one connection) never gets as far as the parser. */
#include "http/h2.h"

#define LINE_ROOM 64 /* of a request line, beside its method and target, and of a field line */
#define KEY_CHARS 24 /* of 16 bytes in base64 */
#define NONCE 16

static const struct str pseudo_names[H2_PSEUDO_COUNT] = {
	[H2_METHOD] = {":method", 7},        [H2_SCHEME] = {":scheme", 7},
	[H2_AUTHORITY] = {":authority", 10}, [H2_PATH] = {":path", 5},
	[H2_PROTOCOL] = {":protocol", 9},
};

static void clear(struct h2_section *s)
{
	struct buf text = s->text;
	buf_clear(&text);
	*s = (struct h2_section){.text = text};
}

void h2_section_free(struct h2_section *s)
{
	buf_free(&s->text);
	clear(s);
}

void h2_section_begin(struct h2_section *s, const struct h1_limits *limits, bool trailers)
{
	clear(s);
	(void)buf_reserve(&s->text, LINE_ROOM);
	s->trailers = trailers;
	/* What is longer than this is longer than the limits of the head that comes of it. */
	s->limit = trailers ? H1_TRAILERS_MAX : 2 * limits->head + LINE_ROOM;
}

/* ---- writing ---- */

static void put(struct h2_section *s, struct str what)
{
	buf_add(&s->text, what);
}

static struct str pseudo(const struct h2_section *s, enum h2_pseudo which)
{
	return str_make(s->text.data + s->text.head + s->pseudo[which].at, s->pseudo[which].n);
}

/* The buffer may move while it grows: a value that lies in it is put by its place. */
static void put_pseudo(struct h2_section *s, enum h2_pseudo which)
{
	(void)buf_reserve(&s->text, s->pseudo[which].n);
	put(s, pseudo(s, which));
}

static void put_field(struct h2_section *s, struct str name, struct str value)
{
	put(s, name);
	put(s, STR(": "));
	put(s, value);
	put(s, STR("\r\n"));
}

/* RFC 9113 8.2.3: a Cookie that came in pieces is one again, wherever in the section they stood. */
static void add_to_cookie(struct h2_section *s, struct str value)
{
	size_t n = value.n + 2, behind = buf_used(&s->text) - s->cookie_end;
	(void)buf_reserve(&s->text, n);
	char *at = s->text.data + s->text.head + s->cookie_end;
	memmove(at + n, at, behind);
	at[0] = ';';
	at[1] = ' ';
	if (value.n != 0)
		memcpy(at + 2, value.p, value.n);
	buf_commit(&s->text, n);
	s->cookie_end += n;
}

/* ---- judging ---- */

static bool is_lower_token(struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		if (!h1_is_tchar(c) || (c >= 'A' && c <= 'Z'))
			return false;
	}
	return s.n != 0;
}

static bool is_token(struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		if (!h1_is_tchar((unsigned char)s.p[i]))
			return false;
	}
	return s.n != 0;
}

/* RFC 9113 8.2.1: no control character in it, no blank around it. */
static bool is_value(struct str s)
{
	unsigned bad = 0;
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		bad |= (unsigned)((c < 0x20 && c != '\t') | (c == 0x7f));
	}
	return bad == 0 && (s.n == 0 || str_trim(s).n == s.n);
}

static bool is_visible(struct str s)
{
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] <= 0x20 || s.p[i] == 0x7f)
			return false;
	}
	return true;
}

/* RFC 9113 8.2.2 */
static bool is_of_one_connection(enum field_id id, struct str value)
{
	switch (id) {
	case HDR_CONNECTION:
	case HDR_KEEP_ALIVE:
	case HDR_PROXY_CONNECTION:
	case HDR_TRANSFER_ENCODING:
	case HDR_UPGRADE: return true;
	case HDR_TE: return !str_ieq(value, STR("trailers"));
	default: return false;
	}
}

/* ---- the request line ---- */

static bool is_websocket(const struct h2_section *s)
{
	return s->pseudo[H2_PROTOCOL].given;
}

static bool line_is_good(const struct h2_section *s)
{
	struct str method = pseudo(s, H2_METHOD), path = pseudo(s, H2_PATH);
	struct str scheme = pseudo(s, H2_SCHEME);
	if (!is_token(method) || str_eq(method, STR("CONNECT")) != is_websocket(s))
		return false;
	if (!str_eq(scheme, STR("http")) && !str_eq(scheme, STR("https")))
		return false;
	if (path.n == 0 || !is_visible(path) || !is_visible(pseudo(s, H2_AUTHORITY)))
		return false;
	return path.p[0] == '/' || str_eq(path, STR("*"));
}

/* All pseudo-fields are here: the head begins. */
static void put_request_line(struct h2_section *s)
{
	s->head = buf_used(&s->text);
	if (s->head == 0 || !line_is_good(s)) {
		s->bad = true;
		return;
	}
	if (is_websocket(s))
		put(s, STR("GET"));
	else
		put_pseudo(s, H2_METHOD);
	put(s, STR(" "));
	put_pseudo(s, H2_PATH);
	put(s, STR(" HTTP/1.1\r\n"));
	if (s->pseudo[H2_AUTHORITY].given) {
		put(s, STR("host: "));
		put_pseudo(s, H2_AUTHORITY);
		put(s, STR("\r\n"));
	}
}

/* ---- fields ---- */

static void add_pseudo(struct h2_section *s, struct str name, struct str value)
{
	for (int i = 0; i < H2_PSEUDO_COUNT; i++) {
		if (!str_eq(name, pseudo_names[i]))
			continue;
		if (s->pseudo[i].given)
			break;
		s->pseudo[i].given = true;
		s->pseudo[i].at = buf_used(&s->text);
		s->pseudo[i].n = value.n;
		put(s, value);
		return;
	}
	s->bad = true;
}

static void add_regular(struct h2_section *s, struct str name, struct str value)
{
	enum field_id id = field_id(name);
	if (!is_lower_token(name) || !is_value(value) || is_of_one_connection(id, value)) {
		s->bad = true;
	} else if (id == HDR_HOST && !s->trailers && s->pseudo[H2_AUTHORITY].given) {
		/* RFC 9113 8.3.1: one place, said twice. */
		s->bad = !str_ieq(value, pseudo(s, H2_AUTHORITY));
	} else if (id == HDR_COOKIE && s->cookie_end != 0) {
		add_to_cookie(s, value);
	} else if (is_websocket(s) && str_eq(name, STR("sec-websocket-key"))) {
		return; /* RFC 8441 5: it has no meaning here; the app gets one of ours */
	} else {
		put_field(s, name, value);
		if (id == HDR_COOKIE)
			s->cookie_end = buf_used(&s->text) - 2;
		if (name.n == 8 && str_eq(name, STR("priority")))
			s->prioritised = true;
	}
}

void h2_section_add(struct h2_section *s, struct str name, struct str value)
{
	if (s->bad || s->too_large)
		return;
	if (buf_used(&s->text) + name.n + value.n + LINE_ROOM > s->limit) {
		s->too_large = true;
		return;
	}
	bool is_pseudo = name.n != 0 && name.p[0] == ':';
	if (is_pseudo && (s->trailers || s->head != 0)) {
		s->bad = true;
	} else if (is_pseudo) {
		add_pseudo(s, name, value);
	} else {
		if (s->head == 0 && !s->trailers)
			put_request_line(s);
		if (!s->bad)
			add_regular(s, name, value);
	}
}

/* ---- the whole ---- */

static void base64(char *to, const char *from)
{
	static const char set[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	for (size_t i = 0, o = 0; i < NONCE; i += 3) {
		unsigned left = (unsigned)(NONCE - i), v = 0;
		for (unsigned k = 0; k < 3; k++)
			v = v << 8 | (k < left ? (unsigned char)from[i + k] : 0U);
		for (unsigned k = 0; k < 4; k++)
			to[o++] = k <= left ? set[v >> (18 - 6 * k) & 63] : '=';
	}
}

/* RFC 8441 5: what a WebSocket needs in HTTP/1.1 and has not in HTTP/2. */
static void put_upgrade(struct h2_section *s, const char *nonce)
{
	char key[KEY_CHARS];
	base64(key, nonce);
	put_field(s, STR("sec-websocket-key"), str_make(key, sizeof(key)));
	put(s, STR("connection: upgrade\r\nupgrade: websocket\r\n"));
}

static bool read_body(struct head *h, bool fin)
{
	if (!fin) {
		if (h->body == BODY_NONE && !h->upgrade)
			h->body = BODY_CHUNKED;
		return true;
	}
	if (h->body == BODY_LENGTH)
		return h->length == 0;
	/* RFC 9110 8.6: that there is none is said where one is usual. */
	if (h->method == METHOD_POST || h->method == METHOD_PUT || h->method == METHOD_PATCH)
		h->body = BODY_LENGTH;
	return true;
}

int h2_section_request(struct h2_section *s, const struct h1_limits *limits, bool fin,
		       const char *nonce, struct head *head, struct str *raw)
{
	size_t used;
	if (s->too_large)
		return s->head == 0 ? 414 : 431;
	if (s->head == 0 && !s->bad)
		put_request_line(s);
	if (s->bad)
		return 400;
	if (is_websocket(s)) {
		if (!str_eq(pseudo(s, H2_PROTOCOL), STR("websocket")))
			return 501;
		put_upgrade(s, nonce);
	}
	put(s, STR("\r\n"));
	struct str text = buf_str(&s->text);
	*raw = str_make(text.p + s->head, text.n - s->head);
	enum h1_result r = h1_parse_request(*raw, limits, head, &used);
	if (r != H1_DONE)
		return h1_result_status(r == H1_PARTIAL ? H1_BAD : r);
	bool good = used == raw->n && read_body(head, fin) && head->upgrade == is_websocket(s) &&
		    !(fin && head->upgrade);
	return good ? 0 : 400;
}

bool h2_section_trailers(const struct h2_section *s, struct str *trailers)
{
	*trailers = buf_str(&s->text);
	return !s->bad && !s->too_large;
}
