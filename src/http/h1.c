/* h1: request and status lines, and the heads they begin (RFC 9112 2 to 5). */
#include "http/h1.h"

#include "h1_internal.h"

#define METHOD_MAX 32

int h1_result_status(enum h1_result r)
{
	switch (r) {
	case H1_LINE_TOO_LONG: return 414;
	case H1_TOO_LARGE: return 431;
	case H1_CODING: return 501;
	case H1_VERSION: return 505;
	default: return 400;
	}
}

static struct h1_cursor cursor_at(struct str in, size_t limit)
{
	if (in.n >= limit)
		return (struct h1_cursor){in.p, in.p + limit, H1_TOO_LARGE};
	return (struct h1_cursor){in.p, in.p + in.n, H1_PARTIAL};
}

static void clear_head(struct head *head)
{
	memset(head, 0, offsetof(struct head, fields)); /* the fields are 10 kB */
}

/* "HTTP/" digit "." digit */
static enum h1_result read_version(struct h1_cursor *c, char *major, char *minor)
{
	static const char pattern[] = "HTTP/0.0";

	for (size_t i = 0; i < sizeof(pattern) - 1; i++, c->p++) {
		if (c->p == c->end)
			return c->at_end;
		if (pattern[i] == '0' ? *c->p < '0' || *c->p > '9' : *c->p != pattern[i])
			return H1_BAD;
	}
	*major = c->p[-3];
	*minor = c->p[-1];
	return H1_DONE;
}

static enum h1_result accept_version(struct head *head, char major, char minor)
{
	if (major != '1' || minor > '1')
		return H1_VERSION;
	head->minor = minor - '0';
	return H1_DONE;
}

static enum h1_result read_method(struct h1_cursor *c, struct head *head)
{
	const char *start = c->p;

	while (c->p < c->end && h1_is(*c->p, H1_TCHAR))
		c->p++;
	head->method_name = str_make(start, (size_t)(c->p - start));
	if (head->method_name.n > METHOD_MAX)
		return H1_BAD;
	if (c->p == c->end)
		return c->at_end;
	if (*c->p++ != ' ' || head->method_name.n == 0)
		return H1_BAD;
	head->method = method_of(head->method_name);
	return head->method == METHOD_CONNECT ? H1_BAD : H1_DONE;
}

static enum h1_result read_target(struct h1_cursor *c, struct head *head)
{
	const char *start = c->p;

	while (c->p < c->end && h1_is(*c->p, H1_TARGET))
		c->p++;
	head->target = str_make(start, (size_t)(c->p - start));
	if (c->p == c->end)
		return c->at_end;
	return *c->p++ == ' ' && head->target.n != 0 ? H1_DONE : H1_BAD;
}

static void split_path(struct head *head, struct str s)
{
	size_t mark = str_find(s, '?');

	head->path = str_make(s.p, mark);
	if (mark < s.n)
		head->query = str_make(s.p + mark + 1, s.n - mark - 1);
}

/* RFC 9112 3.2: origin-form, absolute-form, or the asterisk of OPTIONS. */
static enum h1_result split_target(struct head *head)
{
	struct str t = head->target;
	size_t scheme, n;

	if (t.p[0] == '/') {
		split_path(head, t);
		return H1_DONE;
	}
	if (str_eq(t, STR("*"))) {
		head->path = t;
		return head->method == METHOD_OPTIONS ? H1_DONE : H1_BAD;
	}
	if (t.n >= 7 && str_ieq(str_make(t.p, 7), STR("http://")))
		scheme = 7;
	else if (t.n >= 8 && str_ieq(str_make(t.p, 8), STR("https://")))
		scheme = 8;
	else
		return H1_BAD;
	t = str_make(t.p + scheme, t.n - scheme);
	for (n = 0; n < t.n && t.p[n] != '/' && t.p[n] != '?'; n++)
		;
	head->authority = str_make(t.p, n);
	split_path(head, str_make(t.p + n, t.n - n));
	/* All spans must lie in the input, so an absent path is the scheme's last slash. */
	if (head->path.n == 0)
		head->path = str_make(t.p - 1, 1);
	return H1_DONE;
}

static enum h1_result read_request_line(struct h1_cursor *head_cursor, size_t limit,
					struct head *head)
{
	struct h1_cursor line = *head_cursor;
	enum h1_result r;
	char major, minor;

	/* The byte behind the longest line must be its CR. */
	if ((size_t)(line.end - line.p) > limit) {
		line.end = line.p + limit + 1;
		line.at_end = H1_LINE_TOO_LONG;
	}
	r = read_method(&line, head);
	if (r == H1_DONE)
		r = read_target(&line, head);
	if (r == H1_DONE)
		r = read_version(&line, &major, &minor);
	if (r == H1_DONE && line.p == line.end)
		r = line.at_end;
	if (r != H1_DONE)
		return r;
	head_cursor->p = line.p;
	r = h1_line_end(head_cursor);
	if (r == H1_DONE)
		r = accept_version(head, major, minor);
	return r == H1_DONE ? split_target(head) : r;
}

static enum h1_result read_status_line(struct h1_cursor *c, struct head *head)
{
	char major, minor;
	const char *start;
	enum h1_result r = read_version(c, &major, &minor);

	if (r != H1_DONE)
		return r;
	for (int i = 0; i < 4; i++, c->p++) {
		if (c->p == c->end)
			return c->at_end;
		if (i == 0 ? *c->p != ' ' : *c->p < '0' || *c->p > '9')
			return H1_BAD;
		if (i > 0)
			head->status = head->status * 10 + (*c->p - '0');
	}
	if (head->status < 100 || head->status > 599)
		return H1_BAD;
	if (c->p < c->end && *c->p == ' ') {
		start = ++c->p;
		c->p = h1_skip_text(start, c->end);
		head->reason = str_make(start, (size_t)(c->p - start));
	}
	r = h1_line_end(c);
	return r == H1_DONE ? accept_version(head, major, minor) : r;
}

static enum h1_result read_fields(struct h1_cursor *c, size_t limit, bool keep_underscores,
				  struct head *head)
{
	size_t seen = 0;

	if (limit > HEAD_FIELDS_MAX)
		limit = HEAD_FIELDS_MAX;
	for (;;) {
		struct str name, value;
		bool underscore;
		enum h1_result r;

		if (seen == limit && c->p < c->end && h1_is(*c->p, H1_TCHAR))
			return H1_TOO_LARGE;
		r = h1_field_line(c, &name, &value, &underscore);
		if (r != H1_DONE || name.n == 0)
			return r;
		seen++;
		if (underscore && !keep_underscores)
			continue;
		head->fields[head->nfields++] = (struct field){
			.name = name, .value = value, .id = field_id(name)};
	}
}

enum h1_result h1_parse_request(struct str in, const struct h1_limits *limits, struct head *head,
				size_t *used)
{
	struct h1_cursor c = cursor_at(in, limits->head);
	enum h1_result r = H1_DONE;

	*used = 0;
	clear_head(head);
	if (c.p < c.end && *c.p == '\r')
		r = h1_line_end(&c);
	if (r == H1_DONE)
		r = read_request_line(&c, limits->line, head);
	/* What CGI makes of "a_b" and "a-b" is one name: the one would forge the other. */
	if (r == H1_DONE)
		r = read_fields(&c, limits->fields, false, head);
	if (r == H1_DONE)
		r = h1_request_meaning(head);
	if (r == H1_DONE)
		*used = (size_t)(c.p - in.p);
	return r;
}

enum h1_result h1_parse_answer(struct str in, const struct h1_limits *limits, struct head *head,
			       size_t *used)
{
	struct h1_cursor c = cursor_at(in, limits->head);
	enum h1_result r;

	*used = 0;
	clear_head(head);
	r = read_status_line(&c, head);
	if (r == H1_DONE)
		r = read_fields(&c, limits->fields, true, head);
	if (r == H1_DONE)
		r = h1_answer_meaning(head);
	if (r == H1_DONE)
		*used = (size_t)(c.p - in.p);
	return r;
}

bool h1_may_be_whole(struct str in, size_t seen)
{
	if (seen == 0)
		return in.n != 0;
	if (seen >= in.n)
		return false;
	/* Now and then without a line's end too, so that limits are noticed. */
	return in.n / 1024 != seen / 1024 || memchr(in.p + seen, '\n', in.n - seen) != NULL;
}
