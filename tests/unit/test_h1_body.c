/* Bodies: fed whole, byte by byte and in all sizes between, against an unmapped page. After each
   step all promised room is overwritten: neither payload, trailers nor what is left may suffer. */
#include "unit.h"

#include "guard.h"
#include "http/h1.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define ROOM_BEFORE 32

struct outcome {
	enum h1_result result;
	char payload[GUARD_ROOM], trailers[GUARD_ROOM];
	size_t n, ntrailers, used;
};
static struct outcome whole, parts;

static void spoil(struct slice data)
{
	memset(data.p - data.before, 0xEE, data.before);
	memset(data.p + data.n, 0xEE, data.after);
}

static void check_places(struct slice in, struct slice data, size_t used, struct str trailers)
{
	assert_true(used <= in.n);
	assert_true(data.p >= in.p && data.p + data.n <= in.p + used);
	assert_ptr_equal(data.p - data.before, in.p - in.before);
	if (trailers.n != 0) {
		assert_true(data.p + data.n + data.after <= trailers.p);
		assert_true(trailers.p + trailers.n <= in.p + used);
	} else {
		assert_ptr_equal(data.p + data.n + data.after,
				 in.p + used + (used == in.n ? in.after : 0));
	}
}

/* Gives at most `step` new bytes a time, after those that were left over. */
static void feed(struct h1_body b, struct str text, size_t step, size_t after, struct outcome *o)
{
	static char left[GUARD_ROOM];
	size_t nleft = 0, given = 0;

	o->n = o->ntrailers = o->used = 0;
	do {
		size_t more = text.n - given < step ? text.n - given : step;
		struct slice in = {.n = nleft + more, .before = ROOM_BEFORE, .after = after};
		struct slice data;
		struct str trailers;
		size_t used;

		if (more != 0)
			memcpy(left + nleft, text.p + given, more);
		given += more;
		in.p = guard_copy(left, in.n + after);
		o->result = h1_body_decode(&b, in, &data, &used, &trailers);
		assert_int_equal(b.done, o->result == H1_DONE);
		if (o->result == H1_BAD)
			return;
		check_places(in, data, used, trailers);
		spoil(data);
		if (data.n != 0)
			memcpy(o->payload + o->n, data.p, data.n);
		if (trailers.n != 0)
			memcpy(o->trailers, trailers.p, trailers.n);
		o->n += data.n;
		o->ntrailers = trailers.n;
		o->used += used;
		nleft = in.n - used;
		memcpy(left, in.p + used, nleft);
	} while (o->result == H1_PARTIAL && given < text.n);
}

static void feed_in_all_ways(enum body_kind kind, uint64_t length, struct str text)
{
	struct h1_body b;

	h1_body_init(&b, kind, length);
	feed(b, text, GUARD_ROOM, 0, &whole);
	for (size_t step = 1; step <= text.n && step < 40; step++) {
		feed(b, text, step, step % 3 * 4, &parts);
		assert_int_equal(parts.result, whole.result);
		if (whole.result == H1_BAD)
			continue;
		assert_int_equal(parts.used, whole.used);
		assert_int_equal(parts.n, whole.n);
		assert_memory_equal(parts.payload, whole.payload, whole.n);
		assert_int_equal(parts.ntrailers, whole.ntrailers);
		assert_memory_equal(parts.trailers, whole.trailers, whole.ntrailers);
	}
}

static void check(struct str text, enum h1_result result, const char *payload, const char *trailers)
{
	feed_in_all_ways(BODY_CHUNKED, 0, text);
	if (whole.result != result)
		print_error("%d for \"%.*s\"\n", (int)whole.result, STR_ARG(text));
	assert_int_equal(whole.result, result);
	if (result == H1_BAD)
		return;
	assert_str(str_make(whole.payload, whole.n), payload);
	assert_str(str_make(whole.trailers, whole.ntrailers), trailers);
}

static void reads_by_length(void **state)
{
	(void)state;
	feed_in_all_ways(BODY_LENGTH, 5, STR("abcdefgh"));
	assert_int_equal(whole.result, H1_DONE);
	assert_str(str_make(whole.payload, whole.n), "abcde");
	assert_int_equal(whole.used, 5);
	feed_in_all_ways(BODY_LENGTH, 9, STR("abcdefgh"));
	assert_int_equal(whole.result, H1_PARTIAL);
	assert_int_equal(whole.n, 8);
	feed_in_all_ways(BODY_LENGTH, UINT64_MAX, STR("abcdefgh"));
	assert_int_equal(whole.result, H1_PARTIAL);
}

static void reads_none_and_until_close(void **state)
{
	(void)state;
	feed_in_all_ways(BODY_NONE, 0, STR("GET /"));
	assert_int_equal(whole.result, H1_DONE);
	assert_int_equal(whole.used, 0);
	feed_in_all_ways(BODY_LENGTH, 0, STR("GET /"));
	assert_int_equal(whole.result, H1_DONE);
	assert_int_equal(whole.used, 0);
	feed_in_all_ways(BODY_CLOSE, 0, STR("abc"));
	assert_int_equal(whole.result, H1_PARTIAL);
	assert_str(str_make(whole.payload, whole.n), "abc");
}

static void reads_chunks(void **state)
{
	(void)state;
	check(STR("0\r\n\r\n"), H1_DONE, "", "");
	check(STR("5\r\nabcde\r\n0\r\n\r\nGET /"), H1_DONE, "abcde", "");
	assert_int_equal(whole.used, 15);
	check(STR("1\r\na\r\n02\r\nbc\r\n003\r\ndef\r\n00\r\n\r\n"), H1_DONE, "abcdef", "");
	check(STR("A\r\n0123456789\r\nb\r\n0123456789a\r\n0\r\n\r\n"), H1_DONE,
	      "01234567890123456789a", "");
	check(STR("0000000000000001\r\na\r\n0000000000000000\r\n\r\n"), H1_DONE, "a", "");
	check(STR("2\r\n\r\n\r\n0\r\n\r\n"), H1_DONE, "\r\n", "");
	check(STR("ffffffffffffffff\r\nabc"), H1_PARTIAL, "abc", "");
	check(STR("3\r\nabc\r"), H1_PARTIAL, "abc", "");
	check(STR("3\r\nabc\r\n0\r\n"), H1_PARTIAL, "abc", "");
}

static void drops_extensions(void **state)
{
	(void)state;
	check(STR("3;a=b\r\nabc\r\n0;x;y=\"z \t,\"\r\n\r\n"), H1_DONE, "abc", "");
	check(STR("3 \t;a\r\nabc\r\n0\r\n\r\n"), H1_DONE, "abc", "");
	check(STR("3;\r\nabc\r\n0\r\n\r\n"), H1_DONE, "abc", "");
}

static void gives_trailers(void **state)
{
	struct field f;
	struct str section;

	(void)state;
	check(STR("3\r\nabc\r\n0\r\nA: b\r\nContent-Type:\t c \r\n\r\nGET"), H1_DONE, "abc",
	      "A: b\r\nContent-Type:\t c \r\n");
	section = str_make(whole.trailers, whole.ntrailers);
	assert_true(h1_next_trailer(&section, &f));
	assert_str(f.name, "A");
	assert_str(f.value, "b");
	assert_int_equal(f.id, HDR_OTHER);
	assert_true(h1_next_trailer(&section, &f));
	assert_str(f.name, "Content-Type");
	assert_str(f.value, "c");
	assert_int_equal(f.id, HDR_CONTENT_TYPE);
	assert_false(h1_next_trailer(&section, &f));
	check(STR("0\r\na_b: c\r\n\r\n"), H1_DONE, "", "a_b: c\r\n");
}

static void refuses_bad_chunks(void **state)
{
	static const struct str bad[] = {
		STR("\r\n"),
		STR("+5\r\nabcde"),
		STR("-1\r\n"),
		STR("0x5\r\nabcde"),
		STR(" 5\r\n"),
		STR("5 \r\nabcde"),
		STR("5\t\r\nabcde"),
		STR("5\nabcde"),
		STR("5\r\r\n"),
		STR("g\r\n"),
		STR("5\rabcde"),
		STR("5 x\r\n"),
		STR("5,\r\n"),
		STR(";a\r\n"),
		STR("5\0\r\nabcde"),
		STR("10000000000000000\r\n"),
		STR("00000000000000001\r\na\r\n"),
		STR("5;a\nabcde"),
		STR("5;a\rb\r\n"),
		STR("5;\0\r\n"),
		STR("5;\x7F\r\n"),
		STR("5;\x80\r\n"),
		STR("5;a\r\r\n"),
		STR("3\r\nabcd\r\n"),
		STR("3\r\nabc\n"),
		STR("3\r\nabc\r\r\n"),
		STR("3\r\nabc0\r\n\r\n"),
		STR("3\r\nabc\r\n\r\n"),
		STR("0\r\n\n"),
		STR("0\r\n\rx"),
		STR("0\r\n a: b\r\n\r\n"),
		STR("0\r\na : b\r\n\r\n"),
		STR("0\r\na\r\n\r\n"),
		STR("0\r\na: b\n\r\n"),
		STR("0\r\na: b\r\n c\r\n\r\n"),
		STR("0\r\na: \0\r\n\r\n"),
		STR("0\r\n: b\r\n\r\n"),
		STR("0\r\nGET / HTTP/1.1\r\n"),
	};

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++)
		check(bad[i], H1_BAD, NULL, NULL);
}

static void bounds_lines_and_trailers(void **state)
{
	static char text[2 * H1_TRAILERS_MAX];
	size_t n = H1_TRAILERS_MAX + 3;

	(void)state;
	memset(text, 'x', sizeof(text));
	memcpy(text, "0;", 2);
	check(str_make(text, H1_CHUNK_LINE_MAX), H1_PARTIAL, "", "");
	check(str_make(text, H1_CHUNK_LINE_MAX + 1), H1_BAD, NULL, NULL);
	memcpy(text + H1_CHUNK_LINE_MAX, "\r\n\r\n", 4);
	check(str_make(text, H1_CHUNK_LINE_MAX + 4), H1_DONE, "", "");

	memset(text, 'x', sizeof(text));
	memcpy(text, "0\r\na:", 5);
	memcpy(text + n - 4, "\r\n\r\n", 4);
	feed_in_all_ways(BODY_CHUNKED, 0, str_make(text, n));
	assert_int_equal(whole.result, H1_DONE);
	assert_int_equal(whole.ntrailers, H1_TRAILERS_MAX - 2);
	memcpy(text + n - 4, "x\r\n\r\n", 5);
	feed_in_all_ways(BODY_CHUNKED, 0, str_make(text, n + 1));
	assert_int_equal(whole.result, H1_BAD);
}

static void moves_nothing_when_in_one_piece(void **state)
{
	char text[] = "5\r\nabcde\r\n3\r\n";
	struct slice in = {.p = text, .n = sizeof(text) - 1, .before = 0, .after = 1};
	struct slice data;
	struct str trailers;
	struct h1_body b;
	size_t used;

	(void)state;
	h1_body_init(&b, BODY_CHUNKED, 0);
	assert_int_equal(h1_body_decode(&b, in, &data, &used, &trailers), H1_PARTIAL);
	assert_ptr_equal(data.p, text + 3);
	assert_str(slice_str(data), "abcde");
	assert_int_equal(data.before, 3);
	assert_int_equal(data.after, 6);
	assert_int_equal(used, in.n);
	assert_string_equal(text, "5\r\nabcde\r\n3\r\n");
}

static void stays_done(void **state)
{
	char text[] = "0\r\n\r\nGET";
	struct slice in = {.p = text, .n = sizeof(text) - 1}, data;
	struct str trailers;
	struct h1_body b;
	size_t used;

	(void)state;
	h1_body_init(&b, BODY_CHUNKED, 0);
	assert_int_equal(h1_body_decode(&b, in, &data, &used, &trailers), H1_DONE);
	assert_int_equal(used, 5);
	assert_int_equal(h1_body_decode(&b, slice_skip(in, used), &data, &used, &trailers),
			 H1_DONE);
	assert_int_equal(used, 0);
	assert_int_equal(data.n, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_by_length),
		cmocka_unit_test(reads_none_and_until_close),
		cmocka_unit_test(reads_chunks),
		cmocka_unit_test(drops_extensions),
		cmocka_unit_test(gives_trailers),
		cmocka_unit_test(refuses_bad_chunks),
		cmocka_unit_test(bounds_lines_and_trailers),
		cmocka_unit_test(moves_nothing_when_in_one_piece),
		cmocka_unit_test(stays_done),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
