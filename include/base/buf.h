/* buf: a growable byte queue; slice: bytes lent out of a larger buffer, with known room around them. */
#ifndef KP_BASE_BUF_H
#define KP_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

/* Bytes that lie in a writable buffer: `before` bytes in front of p and `after` bytes behind p + n may
   be overwritten by whoever holds the slice. That is how a head is put directly before its body. */
struct slice {
	char *p;
	size_t n;
	size_t before, after;
};

static inline struct str slice_str(struct slice s)
{
	return (struct str){.p = s.p, .n = s.n};
}

/* The slice without its first k bytes (they become room). k ≤ n. */
static inline struct slice slice_skip(struct slice s, size_t k)
{
	return (struct slice){.p = s.p + k, .n = s.n - k, .before = s.before + k, .after = s.after};
}

/* A byte queue; all zero is an empty one. It owns no memory while empty after buf_free. */
struct buf {
	char *data;
	size_t head, tail, cap;
};

static inline size_t buf_used(const struct buf *b)
{
	return b->tail - b->head;
}

static inline struct str buf_str(const struct buf *b)
{
	return (struct str){.p = b->data + b->head, .n = b->tail - b->head};
}

/* Makes room for n more bytes at the tail and returns where they go; then buf_commit what was written. */
char *buf_reserve(struct buf *b, size_t n);
static inline void buf_commit(struct buf *b, size_t n)
{
	b->tail += n;
}

void buf_append(struct buf *b, const void *p, size_t n);
static inline void buf_add(struct buf *b, struct str s)
{
	buf_append(b, s.p, s.n);
}
void buf_printf(struct buf *b, const char *fmt, ...)
	__attribute__((format(printf, 2, 3), nonnull(2)));

/* Takes n bytes (≤ used) from the head. When the queue is empty its memory stays for the next bytes. */
void buf_consume(struct buf *b, size_t n);
/* Forgets the bytes, keeps the memory. */
void buf_clear(struct buf *b);
/* Gives the memory back; the buf is empty and usable. */
void buf_free(struct buf *b);

#endif
