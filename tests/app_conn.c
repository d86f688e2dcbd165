/*
 * A connection of the test app: its buffers, its steps from head to answer,
 * its end.
 */
#include "app.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

void out_add(struct conn *c, const void *p, size_t n)
{
	if (c->out_len + n > c->out_cap && c->out_off > 0) {
		memmove(c->out, c->out + c->out_off, c->out_len - c->out_off);
		c->out_len -= c->out_off;
		c->out_off = 0;
	}
	if (c->out_len + n > c->out_cap) {
		c->out_cap = (c->out_len + n) * 2;
		c->out = realloc(c->out, c->out_cap);
		if (c->out == NULL)
			abort();
	}
	memcpy(c->out + c->out_len, p, n);
	c->out_len += n;
}

__attribute__((format(printf, 2, 3))) void out_printf(struct conn *c, const char *fmt, ...)
{
	char text[4096];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	out_add(c, text, (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1);
}

void timer_set(struct conn *c, long long ms)
{
	if (c->due == 0)
		app.armed++;
	c->due = now_ns() + (uint64_t)ms * 1000000U;
}

void timer_clear(struct conn *c)
{
	if (c->due != 0)
		app.armed--;
	c->due = 0;
}

void in_drop(struct conn *c, size_t n)
{
	memmove(c->in, c->in + n, c->in_len - n);
	c->in_len -= n;
}

static size_t out_pending(const struct conn *c)
{
	return c->out_len - c->out_off;
}

/* Back to the state in which the next head is awaited. */
static void request_end(struct conn *c)
{
	log_line(c->id, "end %d", c->status);
	timer_clear(c);
	c->closing = c->closing || c->close || app.leaving;
	c->state = STATE_HEAD;
	c->answered = c->begun = c->stalled = c->chunked = c->expect = c->head_only = false;
	c->produce = NULL;
	c->method[0] = c->query[0] = c->upgrade[0] = c->trailers[0] = '\0';
	c->sum = c->bytes = 0;
	c->made = 0;
	c->status = c->hosts = 0;
}

/* One step of the connection's life; false when it must wait for something. */
static bool conn_advance(struct conn *c)
{
	size_t n = c->in_len;

	if (c->dead || c->closing || out_pending(c) > OUT_HIGH)
		return false;
	switch (c->state) {
	case STATE_HEAD: return head_read(c);
	case STATE_BODY:
		if (c->body == BODY_DONE && !c->stalled) {
			c->state = STATE_ANSWER;
			if (!c->answered)
				c->route->finish(c);
			return true;
		}
		return !c->stalled && body_step(c);
	case STATE_ANSWER:
		if (c->answered)
			request_end(c);
		else if (c->produce != NULL && c->due == 0)
			c->produce(c);
		else
			return false;
		return true;
	case STATE_TUNNEL:
		out_add(c, c->in, n);
		c->in_len = 0;
		c->closing = c->eof;
		return n > 0;
	}
	return false;
}

static void conn_flush(struct conn *c)
{
	while (out_pending(c) > 0 && !c->dead) {
		ssize_t n = send(c->fd, c->out + c->out_off, out_pending(c), MSG_NOSIGNAL);

		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0)
			c->dead = true;
		else
			c->out_off += (size_t)n;
	}
	c->out_off = c->out_len = 0;
}

static void conn_free(struct conn *c)
{
	if (c->status != 101 && (c->state != STATE_HEAD || c->in_len > 0) && !c->closing)
		log_line(c->id, "cut");
	else if (c->state == STATE_TUNNEL)
		log_line(c->id, "end 101");
	timer_clear(c);
	*(c->prev != NULL ? &c->prev->next : &app.conns) = c->next;
	if (c->next != NULL)
		c->next->prev = c->prev;
	close(c->fd);
	free(c->out);
	free(c);
}

/* Whatever can be done now is done; then what to wait for is worked out. */
void conn_run(struct conn *c)
{
	struct epoll_event ev = {.data.ptr = c};

	do {
		while (conn_advance(c))
			;
		if (out_pending(c) == 0)
			break;
		conn_flush(c);
	} while (!c->dead && out_pending(c) == 0);
	if (c->closing && out_pending(c) == 0) {
		shutdown(c->fd, SHUT_WR);
		c->dead = true;
	}
	if (app.leaving && c->state == STATE_HEAD && c->in_len == 0 && out_pending(c) == 0)
		c->dead = true;
	if (c->dead) {
		conn_free(c);
		return;
	}
	if (!c->eof && !c->stalled && c->in_len < IN_CAP && out_pending(c) <= OUT_HIGH)
		ev.events |= EPOLLIN;
	if (out_pending(c) > 0)
		ev.events |= EPOLLOUT;
	if (ev.events != c->events)
		epoll_ctl(app.epfd, EPOLL_CTL_MOD, c->fd, &ev);
	c->events = ev.events;
}

/*
 * To be reset a Unix socket must be closed with something unread in it, so the
 * head of such a request is looked at before it is taken.
 */
static bool conn_resets(struct conn *c)
{
	char peek[24];
	ssize_t n;

	if (c->state != STATE_HEAD || c->in_len > 0)
		return false;
	n = recv(c->fd, peek, sizeof(peek), MSG_PEEK);
	if (n < 12 || memmem(peek, (size_t)n, " /die-reset", 11) == NULL)
		return false;
	peek[n - 1] = '\0';
	log_line(++app.requests, "begin %.*s/die-reset", (int)strcspn(peek, "/"), peek);
	return true;
}

void conn_read(struct conn *c)
{
	ssize_t n;

	if (conn_resets(c)) {
		c->dead = true;
		return;
	}
	n = recv(c->fd, c->in + c->in_len, IN_CAP - c->in_len, 0);
	if (n > 0)
		c->in_len += (size_t)n;
	else if (n == 0)
		c->eof = true;
	else if (errno != EAGAIN)
		c->dead = true;
	if (c->eof && c->state != STATE_TUNNEL)
		c->dead = true;
}

void conn_accept(int fd)
{
	struct epoll_event ev = {.events = EPOLLIN};
	struct conn *c = malloc(sizeof(*c));

	if (c == NULL)
		abort();
	memset(c, 0, offsetof(struct conn, in));
	c->fd = fd;
	c->events = ev.events;
	c->next = app.conns;
	if (app.conns != NULL)
		app.conns->prev = c;
	app.conns = c;
	app.accepted++;
	ev.data.ptr = c;
	epoll_ctl(app.epfd, EPOLL_CTL_ADD, fd, &ev);
}
