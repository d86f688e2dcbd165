/* conn: one descriptor's bytes through the worker's one read buffer; see the header for the rules. */
#include "net/conn.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"

void conn_io_init(struct conn_io *io, struct ev_loop *loop)
{
	io->loop = loop;
	io->memory = mem_alloc(CONN_ROOM_BEFORE + CONN_READ_MAX + CONN_ROOM_AFTER);
}

void conn_io_fini(struct conn_io *io)
{
	mem_free(io->memory);
	io->memory = NULL;
}

static ssize_t plain_recv(struct conn *c, void *p, size_t n)
{
	return recv(c->fd, p, n, 0);
}

static ssize_t plain_send(struct conn *c, const void *p, size_t n)
{
	ssize_t sent = send(c->fd, p, n, MSG_NOSIGNAL);
	if (sent > 0)
		c->sent += (uint64_t)sent;
	return sent;
}

static void plain_shutdown(struct conn *c)
{
	shutdown(c->fd, SHUT_WR);
}

static void plain_close(struct conn *c)
{
	close(c->fd);
}

const struct stream_ops conn_plain = {
	.recv = plain_recv,
	.send = plain_send,
	.shutdown = plain_shutdown,
	.close = plain_close,
};

/* The one place where interest is decided. */
static void conn_interest(struct conn *c)
{
	bool room = buf_used(&c->in) < c->read_max;
	if (c->reading && !c->eof && room) {
		if (!ev_is_active(&c->rd))
			ev_io_start(c->io->loop, &c->rd);
		if (c->stream != NULL && c->stream->more)
			ev_feed_event(c->io->loop, &c->rd, EV_READ);
	} else if (ev_is_active(&c->rd)) {
		ev_io_stop(c->io->loop, &c->rd);
	}
	if (conn_unsent(c) != 0) {
		if (!ev_is_active(&c->wr))
			ev_io_start(c->io->loop, &c->wr);
	} else if (ev_is_active(&c->wr)) {
		ev_io_stop(c->io->loop, &c->wr);
	}
}

void conn_hold(struct conn *c)
{
	c->holds++;
}

void conn_drop(struct conn *c)
{
	if (--c->holds == 0 && c->closing)
		c->events->closed(c);
}

void conn_close(struct conn *c)
{
	if (c->closing)
		return;
	c->closing = true;
	ev_io_stop(c->io->loop, &c->rd);
	ev_io_stop(c->io->loop, &c->wr);
	c->ops->close(c);
	c->fd = -1;
	buf_free(&c->in);
	buf_free(&c->out);
	if (c->holds == 0)
		c->events->closed(c);
}

/* Gives n bytes that lie at the read buffer's place to the owner and keeps what it leaves. */
static void deliver(struct conn *c, size_t n)
{
	char *base = c->io->memory + CONN_ROOM_BEFORE;
	struct slice in = {
		.p = base,
		.n = n,
		.before = CONN_ROOM_BEFORE,
		.after = CONN_READ_MAX + CONN_ROOM_AFTER - n,
	};
	size_t used = c->events->data(c, in);
	if (c->closing)
		return;
	if (used < n)
		buf_append(&c->in, base + used, n - used);
	conn_interest(c);
}

/* Moves kept bytes to the front of the read buffer; returns how many. */
static size_t take_kept(struct conn *c)
{
	size_t kept = buf_used(&c->in);
	if (kept != 0) {
		memcpy(c->io->memory + CONN_ROOM_BEFORE, c->in.data + c->in.head, kept);
		buf_free(&c->in);
	}
	return kept;
}

static void read_failed(struct conn *c, int err)
{
	c->reading = false;
	c->eof = true;
	conn_interest(c);
	c->events->error(c, err);
}

static void read_once(struct conn *c)
{
	size_t kept = buf_used(&c->in);
	if (kept >= c->read_max) {
		conn_interest(c);
		return;
	}
	ssize_t n = c->ops->recv(c, c->io->memory + CONN_ROOM_BEFORE + kept, c->read_max - kept);
	if (n > 0) {
		deliver(c, take_kept(c) + (size_t)n);
	} else if (n == 0) {
		c->eof = true;
		conn_interest(c);
		c->events->eof(c);
	} else if (errno != EAGAIN && errno != EINTR) {
		read_failed(c, errno);
	} else if (c->stream != NULL) { /* a handshake may have an answer to send */
		conn_interest(c);
	}
}

static void on_readable(struct ev_loop *loop, ev_io *w, int revents)
{
	(void)loop;
	struct conn *c = container_of(w, struct conn, rd);
	conn_hold(c);
	if ((revents & EV_CUSTOM) != 0 && buf_used(&c->in) != 0)
		deliver(c, take_kept(c));
	else if ((revents & EV_READ) != 0)
		read_once(c);
	conn_drop(c);
}

/* Sends what can be sent now; bytes taken, or −1 when the stream is broken. */
static ssize_t try_send(struct conn *c, const void *p, size_t n)
{
	ssize_t sent = c->ops->send(c, p, n);
	if (sent >= 0)
		return sent;
	if (errno == EAGAIN || errno == EINTR)
		return 0;
	c->write_failed = true;
	return -1;
}

static void on_writable(struct ev_loop *loop, ev_io *w, int revents)
{
	(void)loop;
	(void)revents;
	struct conn *c = container_of(w, struct conn, wr);
	struct str out = buf_str(&c->out);
	ssize_t n = try_send(c, out.p, out.n);

	conn_hold(c);
	if (n < 0) {
		int err = errno;
		buf_free(&c->out);
		conn_interest(c);
		c->events->error(c, err);
	} else {
		buf_consume(&c->out, (size_t)n);
		if (conn_unsent(c) == 0) {
			buf_free(&c->out);
			if (c->shut)
				c->ops->shutdown(c);
			conn_interest(c);
			c->events->drained(c);
		}
	}
	conn_drop(c);
}

static void set_watchers(struct conn *c)
{
	ev_io_init(&c->rd, on_readable, c->fd, EV_READ);
	ev_io_init(&c->wr, on_writable, c->fd, EV_WRITE);
}

void conn_init(struct conn *c, struct conn_io *io, int fd, const struct conn_events *events)
{
	memset(c, 0, sizeof(*c));
	c->io = io;
	c->fd = fd;
	c->events = events;
	c->ops = &conn_plain;
	c->reading = true;
	c->read_max = CONN_READ_MAX;
	set_watchers(c);
	conn_interest(c);
}

void conn_set_stream(struct conn *c, struct conn_stream *s)
{
	c->stream = s;
	c->ops = s->ops;
}

void conn_take(struct conn *c, struct conn *from, const struct conn_events *events)
{
	ev_io_stop(from->io->loop, &from->rd);
	ev_io_stop(from->io->loop, &from->wr);
	*c = *from;
	c->holds = 0;
	c->events = events;
	c->read_max = CONN_READ_MAX;
	set_watchers(c);
	c->rd.events = EV_READ; /* without libev's mark of a new descriptor: saves an epoll_ctl */
	from->in = from->out = (struct buf){0};
	from->stream = NULL;
	from->fd = -1;
	from->closing = true;
	if (from->holds == 0)
		from->events->closed(from);
	conn_read_start(c);
}

void conn_give(struct conn *c, size_t n)
{
	conn_hold(c);
	deliver(c, n);
	conn_drop(c);
}

void conn_read_now(struct conn *c)
{
	conn_hold(c);
	read_once(c);
	conn_drop(c);
}

void conn_read_stop(struct conn *c)
{
	c->reading = false;
	if (!c->closing)
		conn_interest(c);
}

void conn_read_start(struct conn *c)
{
	c->reading = true;
	if (c->closing)
		return;
	conn_interest(c);
	if (buf_used(&c->in) != 0)
		conn_kick(c);
}

void conn_kick(struct conn *c)
{
	if (!c->closing)
		ev_feed_event(c->io->loop, &c->rd, EV_CUSTOM);
}

int conn_send(struct conn *c, const void *p, size_t n)
{
	if (c->write_failed || c->closing) {
		errno = EPIPE;
		return -1;
	}
	size_t done = 0;
	if (conn_unsent(c) == 0) {
		ssize_t sent = try_send(c, p, n);
		if (sent < 0)
			return -1;
		done = (size_t)sent;
	}
	if (done < n)
		buf_append(&c->out, (const char *)p + done, n - done);
	if (conn_unsent(c) != 0)
		conn_interest(c);
	return 0;
}

void conn_shutdown(struct conn *c)
{
	if (c->shut || c->closing)
		return;
	c->shut = true;
	if (conn_unsent(c) != 0)
		return;
	c->ops->shutdown(c);
	conn_interest(c);
}
