/* Field sections of HTTP/2: whatever comes as names and values, what is taken for a request reads as that very
 * request in HTTP/1.1, and as no other. Input: pieces of one length byte and so many bytes, name and value in turn;
 * the first byte says what kind of section it is. */
#include "fuzz_head.h"
#include "http/h2.h"

static struct str next_piece(struct str *in)
{
	size_t n = in->n == 0 ? 0 : (unsigned char)in->p[0];
	struct str piece;

	if (in->n != 0)
		*in = str_make(in->p + 1, in->n - 1);
	n = n < in->n ? n : in->n;
	piece = str_make(in->p, n);
	*in = str_make(in->p + n, in->n - n);
	return piece;
}

/* As many lines as the head says, and not one byte behind it. */
static void require_one_request(struct str raw, const struct head *head, size_t given)
{
	size_t lines = 0;

	for (size_t i = 0; i < raw.n; i++)
		lines += raw.p[i] == '\n';
	/* request line, empty line, host, and what a WebSocket gets */
	REQUIRE(lines <= given + 3 + 3);
	REQUIRE(head->nfields <= given + 1 + 3);
	REQUIRE(str_has_suffix(raw, STR("\r\n\r\n")));
	REQUIRE(head->minor == 1 && head->authority.n != 0);
	REQUIRE(head_find(head, HDR_TRANSFER_ENCODING) == NULL);
	REQUIRE(head_find(head, HDR_CONNECTION) == NULL || head->upgrade);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct h1_limits limits = {.head = 4096, .line = 1024, .fields = 20};
	static struct head head;
	struct h2_section section = {.limit = 0};
	struct str in = str_make((const char *)data + 1, size - 1), raw;
	size_t given = 0;

	if (size < 1)
		return 0;
	h2_section_begin(&section, &limits, (data[0] & 1) != 0);
	while (in.n != 0) {
		struct str name = next_piece(&in);
		h2_section_add(&section, name, next_piece(&in));
		given++;
	}
	REQUIRE(buf_used(&section.text) <= 2 * limits.head + 4096);
	if ((data[0] & 1) != 0) {
		if (h2_section_trailers(&section, &raw)) {
			struct field f;
			size_t lines = 0;
			while (h1_next_trailer(&raw, &f))
				lines++;
			REQUIRE(lines <= given);
		}
	} else if (h2_section_request(&section, &limits, (data[0] & 2) != 0, "0123456789abcdef",
				      &head, &raw) == 0) {
		require_sound(&head, raw);
		require_one_request(raw, &head, given);
	}
	h2_section_free(&section);
	return 0;
}
