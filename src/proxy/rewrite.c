/* rewrite: header policy; decides by the table of known names, copies the rest as it came. */
#include "proxy/rewrite.h"

#include "http/h1.h"

static void add_field(struct text *out, struct str name, struct str value)
{
	text_add(out, name);
	text_lit(out, ": ");
	text_add(out, value);
	text_lit(out, "\r\n");
}

/* Fields that concern one connection only, whatever Connection lists. */
static bool is_hop_by_hop(enum field_id id)
{
	switch (id) {
	case HDR_CONNECTION:
	case HDR_KEEP_ALIVE:
	case HDR_PROXY_CONNECTION:
	case HDR_TE:
	case HDR_TRANSFER_ENCODING:
	case HDR_UPGRADE:
	case HDR_HTTP2_SETTINGS: return true;
	default: return false;
	}
}

/* Fields that a client could use to pose as another one. */
static bool is_forwarding(enum field_id id)
{
	switch (id) {
	case HDR_FORWARDED:
	case HDR_PROXY:
	case HDR_X_FORWARDED_FOR:
	case HDR_X_FORWARDED_HOST:
	case HDR_X_FORWARDED_PROTO:
	case HDR_X_FORWARDED_ANY:
	case HDR_X_REAL_IP: return true;
	default: return false;
	}
}

/* Fields that are written anew from what the proxy knows. */
static bool is_rewritten(enum field_id id)
{
	switch (id) {
	case HDR_HOST:
	case HDR_CONTENT_LENGTH:
	case HDR_X_FORWARDED_FOR:
	case HDR_X_KAMAL_TARGET:
	case HDR_X_REQUEST_ID: return true;
	default: return false;
	}
}

static bool passes(const struct head *h, const struct field *f, const struct request_facts *facts,
		   bool lists)
{
	if (is_hop_by_hop(f->id) || is_rewritten(f->id))
		return false;
	if (!facts->trusted && (is_forwarding(f->id) || f->id == HDR_X_REQUEST_START))
		return false;
	/* What a client's Connection names ends here, but it cannot make what the proxy vouches for vanish:
	   forwarding fields of a trusted sender stay. */
	return !lists || is_forwarding(f->id) || !head_connection_lists(h, f->name);
}

static void add_request_line(struct text *out, const struct head *h, struct str path)
{
	text_add(out, h->method_name);
	text_char(out, ' ');
	text_add(out, path);
	if (h->query.p != NULL) {
		text_char(out, '?');
		text_add(out, h->query);
	}
	text_lit(out, " HTTP/1.1\r\n");
}

/* X-Forwarded-For: what a trusted client said, in one field, and then the client itself. */
static void add_forwarded_for(struct text *out, const struct head *h, const struct request_facts *f)
{
	const char *before = "X-Forwarded-For: ";
	for (size_t i = 0; f->trusted && i < h->nfields; i++) {
		if (h->fields[i].id != HDR_X_FORWARDED_FOR || h->fields[i].value.n == 0)
			continue;
		text_add(out, str_of(before));
		text_add(out, h->fields[i].value);
		before = ", ";
	}
	/* Who comes by a Unix socket has no address; what stands in front has said who it is. */
	if (f->client_ip.n != 0) {
		text_add(out, str_of(before));
		text_add(out, f->client_ip);
		before = ", ";
	}
	if (before[0] == ',')
		text_lit(out, "\r\n");
}

static void add_forwarding(struct text *out, const struct head *h, const struct request_facts *f)
{
	add_forwarded_for(out, h, f);
	if (!f->trusted || head_find(h, HDR_X_FORWARDED_PROTO) == NULL)
		add_field(out, STR("X-Forwarded-Proto"), f->scheme);
	if (!f->trusted || head_find(h, HDR_X_FORWARDED_HOST) == NULL)
		add_field(out, STR("X-Forwarded-Host"), h->authority);
	add_field(out, STR("X-Request-ID"), f->request_id);
	if (!f->trusted || head_find(h, HDR_X_REQUEST_START) == NULL) {
		text_lit(out, "X-Request-Start: t=");
		text_u64(out, (uint64_t)f->now_ms);
		text_lit(out, "\r\n");
	}
}

static void add_framing(struct text *out, const struct head *h, bool upgrade)
{
	if (h->body == BODY_CHUNKED) {
		text_lit(out, "Transfer-Encoding: chunked\r\n");
	} else if (h->body == BODY_LENGTH) {
		text_lit(out, "Content-Length: ");
		text_u64(out, h->length);
		text_lit(out, "\r\n");
	}
	if (upgrade) {
		text_lit(out, "Connection: Upgrade\r\n");
		add_field(out, STR("Upgrade"), h->upgrade_to);
	}
}

static bool accepts_trailers(const struct head *h)
{
	for (size_t i = 0; i < h->nfields; i++) {
		struct str rest = h->fields[i].value;
		struct str part;
		if (h->fields[i].id != HDR_TE)
			continue;
		while (str_split(&rest, ',', &part)) {
			if (str_ieq(part, STR("trailers")))
				return true;
		}
	}
	return false;
}

void rewrite_request(struct text *out, const struct head *h, const struct request_facts *f)
{
	bool lists = head_find(h, HDR_CONNECTION) != NULL;
	add_request_line(out, h, f->path);
	add_field(out, STR("Host"), h->authority);
	for (size_t i = 0; i < h->nfields; i++) {
		if (passes(h, &h->fields[i], f, lists))
			add_field(out, h->fields[i].name, h->fields[i].value);
	}
	if (accepts_trailers(h))
		text_lit(out, "TE: trailers\r\n");
	add_framing(out, h, f->upgrade);
	add_forwarding(out, h, f);
}

static bool answer_passes(const struct head *h, const struct field *f, bool has_body, bool lists)
{
	if (f->id == HDR_UPGRADE)
		return h->status == 101;
	if (f->id == HDR_CONTENT_LENGTH)
		return !has_body && h->status >= 200 && h->status != 204;
	if (is_hop_by_hop(f->id))
		return false;
	return !lists || !head_connection_lists(h, f->name);
}

void rewrite_answer(struct head *h, bool has_body)
{
	bool lists = head_find(h, HDR_CONNECTION) != NULL;
	bool keep[HEAD_FIELDS_MAX];
	size_t kept = 0;
	for (size_t i = 0; i < h->nfields; i++)
		keep[i] = answer_passes(h, &h->fields[i], has_body, lists);
	for (size_t i = 0; i < h->nfields; i++) {
		if (keep[i])
			h->fields[kept++] = h->fields[i];
	}
	h->nfields = kept;
}

void rewrite_trailers(struct text *out, struct str section)
{
	struct field f;
	while (h1_next_trailer(&section, &f)) {
		bool forbidden = is_hop_by_hop(f.id) || is_forwarding(f.id) || is_rewritten(f.id) ||
				 f.id == HDR_TRAILER || f.id == HDR_EXPECT || f.id == HDR_COOKIE ||
				 f.id == HDR_SET_COOKIE || f.id == HDR_PROXY_AUTHENTICATE ||
				 f.id == HDR_PROXY_AUTHORIZATION || f.id == HDR_CONTENT_TYPE ||
				 f.id == HDR_X_REQUEST_START;
		if (!forbidden)
			add_field(out, f.name, f.value);
	}
}
