/* h1send: puts head, chunk size and chunk end around the payload where it lies; copies nothing else. */
#include "proxy/h1send.h"

#include <errno.h>
#include <string.h>

#include "base/text.h"

#define CHUNK_SIZE_MAX 18 /* 16 hex digits, CRLF */

void h1send_begin(struct h1send *s, struct conn *c, struct str head, enum body_kind kind,
		  uint64_t length)
{
	*s = (struct h1send){.conn = c, .head = head, .kind = kind, .left = length};
	if (kind == BODY_NONE || (kind == BODY_LENGTH && length == 0))
		s->ended = true;
}

int h1send_flush(struct h1send *s)
{
	if (s->head.n == 0)
		return 0;
	struct str head = s->head;
	s->head = (struct str){0};
	return conn_send(s->conn, head.p, head.n);
}

/* Puts `what` directly before the slice's bytes; false when there is no room. */
static bool put_before(struct slice *data, struct str what)
{
	if (what.n > data->before)
		return false;
	data->p -= what.n;
	data->n += what.n;
	data->before -= what.n;
	if (what.n != 0)
		memcpy(data->p, what.p, what.n);
	return true;
}

static bool put_after(struct slice *data, struct str what)
{
	if (what.n > data->after)
		return false;
	if (what.n != 0)
		memcpy(data->p + data->n, what.p, what.n);
	data->n += what.n;
	data->after -= what.n;
	return true;
}

/* One piece that may have text around it: in one send if there is room, else in several. */
static int send_around(struct h1send *s, struct str before, struct slice data, struct str after)
{
	struct slice whole = data;
	struct str head = s->head;
	if (put_after(&whole, after) && put_before(&whole, before) && put_before(&whole, head)) {
		s->head = (struct str){0};
		return whole.n == 0 ? 0 : conn_send(s->conn, whole.p, whole.n);
	}
	if (h1send_flush(s) < 0 || (before.n != 0 && conn_send(s->conn, before.p, before.n) < 0))
		return -1;
	/* put_after and put_before touched only the room. */
	if (data.n != 0 && conn_send(s->conn, data.p, data.n) < 0)
		return -1;
	return after.n != 0 ? conn_send(s->conn, after.p, after.n) : 0;
}

static int send_chunk(struct h1send *s, struct slice data, bool fin, struct str trailers)
{
	char size_memory[CHUNK_SIZE_MAX];
	struct text size = text_in(size_memory, sizeof(size_memory));
	if (data.n != 0) {
		text_hex(&size, data.n);
		text_lit(&size, "\r\n");
	}
	struct str end = data.n != 0 ? STR("\r\n") : STR("");
	if (fin && trailers.n == 0)
		end = data.n != 0 ? STR("\r\n0\r\n\r\n") : STR("0\r\n\r\n");
	if (send_around(s, text_str(&size), data, end) < 0)
		return -1;
	if (!fin || trailers.n == 0)
		return 0;
	/* Trailers may lie right behind the data: they are sent after it, on their own. */
	if (conn_send(s->conn, "0\r\n", 3) < 0 || conn_send(s->conn, trailers.p, trailers.n) < 0)
		return -1;
	return conn_send(s->conn, "\r\n", 2);
}

int h1send_body(struct h1send *s, struct slice data, bool fin, struct str trailers)
{
	int rc = 0;
	switch (s->kind) {
	case BODY_CHUNKED: rc = send_chunk(s, data, fin, trailers); break;
	case BODY_LENGTH:
		if (data.n > s->left) {
			errno = EPROTO;
			return -1;
		}
		s->left -= data.n;
		rc = send_around(s, STR(""), data, STR(""));
		break;
	case BODY_CLOSE:
		rc = send_around(s, STR(""), data, STR(""));
		if (fin)
			conn_shutdown(s->conn);
		break;
	case BODY_NONE: rc = h1send_flush(s); break;
	}
	s->ended = s->ended || fin || (s->kind == BODY_LENGTH && s->left == 0);
	return rc;
}
