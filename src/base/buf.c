/* buf: a growable byte queue. Bytes leave at the head, come at the tail, and are moved to the front
   only when that saves growing. */
#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"

#define BUF_MIN 512

static void grow(struct buf *b, size_t used, size_t need)
{
	size_t cap = b->cap < BUF_MIN ? BUF_MIN : b->cap;
	char *data;

	while (cap < need) {
		if (cap > SIZE_MAX / 2)
			abort();
		cap *= 2;
	}
	data = mem_alloc(cap);
	if (b->data != NULL)
		memcpy(data, b->data + b->head, used);
	mem_free(b->data);
	*b = (struct buf){.data = data, .head = 0, .tail = used, .cap = cap};
}

char *buf_reserve(struct buf *b, size_t n)
{
	size_t used = buf_used(b);

	if (n > SIZE_MAX - used)
		abort();
	if (b->data == NULL || n > b->cap - b->tail) {
		/* Moving at most what was consumed: so moving never costs more than the bytes. */
		if (b->data != NULL && used + n <= b->cap && used <= b->head) {
			memcpy(b->data, b->data + b->head, used);
			b->head = 0;
			b->tail = used;
		} else {
			grow(b, used, used + n);
		}
	}
	return b->data + b->tail;
}

void buf_append(struct buf *b, const void *p, size_t n)
{
	if (n == 0)
		return;
	memcpy(buf_reserve(b, n), p, n);
	buf_commit(b, n);
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list args, again;
	int n;

	va_start(args, fmt);
	va_copy(again, args);
	n = vsnprintf(NULL, 0, fmt, args);
	if (n > 0) {
		size_t len = (size_t)n;

		vsnprintf(buf_reserve(b, len + 1), len + 1, fmt, again);
		buf_commit(b, len);
	}
	va_end(again);
	va_end(args);
}

void buf_consume(struct buf *b, size_t n)
{
	b->head += n;
	if (b->head == b->tail)
		b->head = b->tail = 0;
}

void buf_clear(struct buf *b)
{
	b->head = b->tail = 0;
}

void buf_free(struct buf *b)
{
	mem_free(b->data);
	*b = (struct buf){0};
}
