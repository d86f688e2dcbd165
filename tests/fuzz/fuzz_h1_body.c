/* Bodies: fed whole and in steps, with all promised room overwritten, they must give the same
   payload, trailers and end. The first byte chooses kind and step. */
#include <stdlib.h>

#include "http/h1.h"

#define REQUIRE(what) ((what) ? (void)0 : abort())
#define BEFORE 8
#define AFTER 4

struct outcome {
	enum h1_result result;
	struct buf payload, trailers;
	size_t used;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require_sound(struct slice in, struct slice data, size_t used, struct str trailers)
{
	struct field f;

	REQUIRE(used <= in.n && data.p >= in.p && data.p + data.n <= in.p + used);
	REQUIRE(data.p - data.before >= in.p - in.before);
	REQUIRE(data.p + data.n + data.after <= in.p + used + (used == in.n ? in.after : 0));
	REQUIRE(trailers.n == 0 || data.p + data.n + data.after <= trailers.p);
	REQUIRE(trailers.n == 0 || trailers.p + trailers.n <= in.p + used);
	memset(data.p - data.before, 0xEE, data.before);
	memset(data.p + data.n, 0xEE, data.after);
	while (h1_next_trailer(&trailers, &f))
		;
	REQUIRE(trailers.n == 0);
}

/* One decoding of what was left and what is new, in memory of exactly that size. */
static void step(struct h1_body *b, struct buf *left, struct outcome *o)
{
	size_t n = buf_used(left), used;
	char *memory = malloc(BEFORE + n + AFTER);
	struct slice in = {.p = memory + BEFORE, .n = n, .before = BEFORE, .after = AFTER}, data;
	struct str trailers;

	if (n != 0)
		memcpy(in.p, buf_str(left).p, n);
	o->result = h1_body_decode(b, in, &data, &used, &trailers);
	REQUIRE(b->done == (o->result == H1_DONE));
	if (o->result != H1_BAD) {
		require_sound(in, data, used, trailers);
		buf_add(&o->payload, slice_str(data));
		buf_add(&o->trailers, trailers);
		o->used += used;
		buf_clear(left);
		buf_append(left, in.p + used, n - used);
	}
	free(memory);
}

static struct outcome feed(struct h1_body b, struct str in, size_t by)
{
	struct outcome o = {.result = H1_PARTIAL};
	struct buf left = {0};

	for (size_t given = 0; given < in.n && o.result == H1_PARTIAL; given += by) {
		buf_append(&left, in.p + given, in.n - given < by ? in.n - given : by);
		step(&b, &left, &o);
	}
	buf_free(&left);
	return o;
}

static bool same(const struct buf *a, const struct buf *b)
{
	return buf_used(a) == buf_used(b) && (buf_used(a) == 0 || str_eq(buf_str(a), buf_str(b)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct outcome whole, parts;
	struct h1_body b;
	struct str in;

	if (size < 2)
		return 0;
	in = str_make((const char *)data + 1, size - 1);
	h1_body_init(&b, data[0] & 0x80 ? BODY_LENGTH : BODY_CHUNKED, data[0] & 15);
	whole = feed(b, in, in.n);
	parts = feed(b, in, (data[0] & 63) + 1);
	REQUIRE(whole.result == parts.result);
	if (whole.result != H1_BAD)
		REQUIRE(whole.used == parts.used && same(&whole.payload, &parts.payload) &&
			same(&whole.trailers, &parts.trailers));
	buf_free(&whole.payload);
	buf_free(&whole.trailers);
	buf_free(&parts.payload);
	buf_free(&parts.trailers);
	return 0;
}
