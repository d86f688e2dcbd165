/* h1: bodies by length, by chunks and until the end (RFC 9112 6 and 7). The decoder takes only what
   is whole, except payload: an incomplete chunk line or trailer section stays with the caller. */
#include "h1_internal.h"

#define CHUNK_DIGITS_MAX 16

enum { CHUNK_LINE, CHUNK_DATA, CHUNK_END, TRAILERS };

void h1_body_init(struct h1_body *b, enum body_kind kind, uint64_t length)
{
	*b = (struct h1_body){
		.kind = kind,
		.left = kind == BODY_LENGTH ? length : 0,
		.state = CHUNK_LINE,
		.done = kind == BODY_NONE || (kind == BODY_LENGTH && length == 0),
	};
}

static bool is_hex_digit(char c)
{
	return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
}

static bool may_stand_in_extension(char c)
{
	return c == '\t' || (c >= 0x20 && c < 0x7F);
}

/* Size, extensions and line end of one chunk; the size's digits are checked as they come. */
static enum h1_result read_chunk_line(struct h1_cursor *whole, uint64_t *size)
{
	struct h1_cursor c = *whole;
	struct str digits = {.p = c.p, .n = 0};
	enum h1_result r;

	if (c.end - c.p > H1_CHUNK_LINE_MAX) {
		c.end = c.p + H1_CHUNK_LINE_MAX + 1;
		c.at_end = H1_BAD;
	}
	for (; c.p < c.end && is_hex_digit(*c.p); c.p++)
		digits.n++;
	if (digits.n > CHUNK_DIGITS_MAX)
		return H1_BAD;
	if (c.p == c.end)
		return c.at_end;
	if (!str_hex_to_u64(digits, size))
		return H1_BAD;
	while (c.p < c.end && (*c.p == ' ' || *c.p == '\t'))
		c.p++;
	if (c.p < c.end && *c.p == ';')
		while (c.p < c.end && may_stand_in_extension(*c.p))
			c.p++;
	else if (c.p != digits.p + digits.n && c.p < c.end)
		return H1_BAD;
	if (c.p == c.end)
		return c.at_end;
	whole->p = c.p;
	r = h1_line_end(whole);
	if (r == H1_PARTIAL)
		whole->p = digits.p;
	return r;
}

/* The section is taken only when its empty line is there. */
static enum h1_result read_trailers(struct h1_cursor *whole, struct str *trailers)
{
	struct h1_cursor c = *whole;
	const char *start = c.p;

	if (c.end - c.p > H1_TRAILERS_MAX) {
		c.end = c.p + H1_TRAILERS_MAX;
		c.at_end = H1_BAD;
	}
	for (;;) {
		struct str name, value;
		bool underscore;
		enum h1_result r = h1_field_line(&c, &name, &value, &underscore);

		if (r != H1_DONE)
			return r;
		if (name.n == 0)
			break;
	}
	*trailers = str_make(start, (size_t)(c.p - 2 - start));
	whole->p = c.p;
	return H1_DONE;
}

/* Payload lies in the caller's own writable bytes; pieces after the first are moved to its end. */
static void take_payload(struct h1_body *b, struct h1_cursor *c, struct slice in,
			 struct slice *data)
{
	size_t n = (size_t)(c->end - c->p);
	size_t at = (size_t)(c->p - in.p);

	if (n > b->left)
		n = (size_t)b->left;
	if (data->n == 0)
		data->p = in.p + at;
	else if (n != 0)
		memmove(data->p + data->n, in.p + at, n);
	data->n += n;
	c->p += n;
	b->left -= n;
}

static enum h1_result decode_chunks(struct h1_body *b, struct h1_cursor *c, struct slice in,
				    struct slice *data, struct str *trailers)
{
	for (;;) {
		enum h1_result r = H1_DONE;

		switch (b->state) {
		case CHUNK_LINE:
			r = read_chunk_line(c, &b->left);
			if (r == H1_DONE)
				b->state = b->left == 0 ? TRAILERS : CHUNK_DATA;
			break;
		case CHUNK_DATA:
			if (c->p == c->end)
				return H1_PARTIAL;
			take_payload(b, c, in, data);
			if (b->left == 0)
				b->state = CHUNK_END;
			break;
		case CHUNK_END:
			r = h1_line_end(c);
			if (r == H1_DONE)
				b->state = CHUNK_LINE;
			break;
		default:
			r = read_trailers(c, trailers);
			if (r == H1_DONE) {
				b->done = true;
				return H1_DONE;
			}
		}
		if (r != H1_DONE)
			return r;
	}
}

/* What may be overwritten round the payload: all that was spent, but not the trailers. */
static void set_room(struct slice in, size_t used, struct str trailers, struct slice *data)
{
	size_t behind = (size_t)(data->p - in.p) + data->n;

	data->before = in.before + (size_t)(data->p - in.p);
	if (trailers.n != 0)
		data->after = (size_t)(trailers.p - in.p) - behind;
	else
		data->after = used - behind + (used == in.n ? in.after : 0);
}

enum h1_result h1_body_decode(struct h1_body *b, struct slice in, struct slice *data, size_t *used,
			      struct str *trailers)
{
	struct h1_cursor c = {in.p, in.p + in.n, H1_PARTIAL};
	enum h1_result r = H1_PARTIAL;

	*data = (struct slice){.p = in.p};
	*used = 0;
	*trailers = (struct str){0};
	if (b->done) {
		r = H1_DONE;
	} else if (b->kind == BODY_CHUNKED) {
		r = decode_chunks(b, &c, in, data, trailers);
	} else if (b->kind == BODY_CLOSE) {
		data->n = in.n;
		c.p = c.end;
	} else {
		take_payload(b, &c, in, data);
		b->done = b->left == 0;
		r = b->done ? H1_DONE : H1_PARTIAL;
	}
	if (r == H1_BAD) {
		*data = (struct slice){.p = in.p};
		return r;
	}
	*used = (size_t)(c.p - in.p);
	set_room(in, *used, *trailers, data);
	return r;
}

bool h1_next_trailer(struct str *section, struct field *out)
{
	struct h1_cursor c;
	bool underscore;

	if (section->n == 0)
		return false;
	c = (struct h1_cursor){section->p, section->p + section->n, H1_PARTIAL};
	if (h1_field_line(&c, &out->name, &out->value, &underscore) != H1_DONE || out->name.n == 0)
		return false;
	out->id = field_id(out->name);
	*section = str_make(c.p, (size_t)(c.end - c.p));
	return true;
}
