/* conn: a buffered byte stream over one descriptor in one event loop.
 *
 * Reading goes through one buffer of the worker: an idle connection holds none. What the owner does not
 * use of it is kept in `in` and given again with the bytes that follow. Writing tries the socket at once;
 * only what it does not take is kept in `out`. Interest is computed in one place (conn_interest) from
 * `reading` and `out`, so back-pressure needs no flags: an owner that has enough says so by
 * conn_read_stop, and drained() tells it that everything sent has gone out.
 *
 * A conn is embedded in its owner. conn_close ends it; the owner's closed() is called once no callback
 * of this conn is on the stack, and may free the owner. No other event comes after conn_close. */
#ifndef KP_NET_CONN_H
#define KP_NET_CONN_H

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

#define CONN_ROOM_BEFORE (96 * 1024) /* in front of bytes read: a rewritten head fits there */
#define CONN_READ_MAX (128 * 1024)   /* bytes a read can bring, kept ones included */
#define CONN_ROOM_AFTER 64           /* behind them: the end of a chunk */

struct conn;

/* What all conns of a loop share. */
struct conn_io {
	struct ev_loop *loop;
	char *memory; /* CONN_ROOM_BEFORE + CONN_READ_MAX + CONN_ROOM_AFTER */
};
void conn_io_init(struct conn_io *io, struct ev_loop *loop);
void conn_io_fini(struct conn_io *io);

/* How bytes move: plain sockets, or TLS over them. Like recv/send: −1 with errno. */
struct stream_ops {
	ssize_t (*recv)(struct conn *c, void *p, size_t n);
	/* Adds what the kernel took to c->sent. n = 0: goes on with what it had kept back. */
	ssize_t (*send)(struct conn *c, const void *p, size_t n);
	void (*shutdown)(struct conn *c); /* the sending half */
	void (*close)(struct conn *c);
};
extern const struct stream_ops conn_plain;

/* A stream that is no plain socket: embedded in what it keeps for one conn. */
struct conn_stream {
	const struct stream_ops *ops;
	size_t unsent; /* bytes that send() has kept back, for the socket did not take them */
	bool more;     /* recv() has more in hand, of which no event will tell */
};

/* What the owner is told. */
struct conn_events {
	/* Bytes are here; returns how many are used up. May write around them inside the slice's room.
	   A whole keep of nothing used must be below CONN_READ_MAX, or reading stalls: bound your heads. */
	size_t (*data)(struct conn *c, struct slice in);
	/* The other side sends no more. Kept bytes can still be read with conn_kick. */
	void (*eof)(struct conn *c);
	/* All that was sent has left (only after a conn_send that could not send everything). */
	void (*drained)(struct conn *c);
	/* The connection failed while reading (then `eof` is set), or only while flushing `out`: what the
	   other side had sent before can still be read. */
	void (*error)(struct conn *c, int err);
	/* Last call: nothing refers to the conn any more. */
	void (*closed)(struct conn *c);
};

struct conn {
	ev_io rd, wr;
	const struct conn_events *events;
	const struct stream_ops *ops;
	struct conn_stream *stream; /* NULL: a plain socket */
	struct conn_io *io;
	struct buf in, out;
	uint64_t sent; /* bytes the kernel took: the proof that no byte of a request was written */
	uint32_t read_max; /* bytes a read may bring, kept ones included; ≤ CONN_READ_MAX */
	int fd;
	uint8_t holds;
	bool reading, eof, write_failed, shut, closing;
};

/* Takes fd over. Reading starts at once. */
void conn_init(struct conn *c, struct conn_io *io, int fd, const struct conn_events *events);
/* Before anything was read or sent. */
void conn_set_stream(struct conn *c, struct conn_stream *s);
void conn_close(struct conn *c);
/* Takes over what `from` is, its descriptor, its stream, what it keeps and has not sent; from's owner is told
   closed() as if it had been closed. For an owner that finds, while it reads, that another should have it. */
void conn_take(struct conn *c, struct conn *from, const struct conn_events *events);
/* Gives the n bytes that lie at the read buffer's place, as they were lent to the one it was taken from. */
void conn_give(struct conn *c, size_t n);
static inline bool conn_is_closed(const struct conn *c)
{
	return c->closing;
}

void conn_hold(struct conn *c);
void conn_drop(struct conn *c);

/* Reads once now, as if the loop had said so (right after accept). */
void conn_read_now(struct conn *c);
void conn_read_stop(struct conn *c);
void conn_read_start(struct conn *c);
/* Gives kept bytes to data() again, from the loop's next turn (never from within). */
void conn_kick(struct conn *c);

/* Sends or keeps. 0, or −1 with errno when the stream can take no more for ever (no event follows; what
   the other side has sent can still be read). */
int conn_send(struct conn *c, const void *p, size_t n);
/* Half-close once everything is out. */
void conn_shutdown(struct conn *c);
static inline size_t conn_unsent(const struct conn *c)
{
	return buf_used(&c->out) + (c->stream == NULL ? 0 : c->stream->unsent);
}

#endif
