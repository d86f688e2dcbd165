/*
 * One client connection of the loader. It never tries a request again: what
 * the other side does not answer whole and right is a lost request.
 */
#include "load.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

static void client_send(struct client *c);

void client_close(struct client *c)
{
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
	c->in_len = 0;
}

void client_rest(struct client *c)
{
	c->phase = PHASE_IDLE;
	load.busy--;
	if (load.period != 0)
		c->wake = c->due + load.period;
	else
		c->wake = load.think != 0 ? now_ns() + load.think : 0;
}

__attribute__((format(printf, 2, 3))) void client_fail(struct client *c, const char *fmt, ...)
{
	char why[128];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	report_failed(c, "%s", why);
	client_close(c);
	client_rest(c);
}

static enum kind kind_pick(struct client *c)
{
	unsigned sum = 0, pick;

	for (int i = 0; i < KIND_COUNT; i++)
		sum += load.weights[i];
	pick = (unsigned)rand_r(&c->seed) % sum;
	for (int i = 0; i < KIND_COUNT; i++) {
		if (pick < load.weights[i])
			return (enum kind)i;
		pick -= load.weights[i];
	}
	return KIND_GET;
}

static void request_write(struct client *c)
{
	bool post = c->kind == KIND_POST || c->kind == KIND_POST_ONESHOT;
	bool once = c->kind == KIND_ONESHOT || c->kind == KIND_POST_ONESHOT;
	char number[16] = "";
	int n;

	if (load.numbered && !post)
		snprintf(number, sizeof(number), "%u", load.started);
	snprintf(c->echo, sizeof(c->echo), "client %u request %u\n", c->index, c->serial);
	n = snprintf(c->out, sizeof(c->out), "%s %s%s HTTP/1.1\r\nHost: %s\r\n%s%s%s",
		     post ? "POST" : "GET", post ? "/echo" : load.path, number, load.host,
		     load.field, load.field[0] != '\0' ? "\r\n" : "",
		     once ? "Connection: close\r\n" : "");
	if (post)
		n += snprintf(c->out + n, sizeof(c->out) - (size_t)n,
			      "Content-Length: %zu\r\n\r\n%s", strlen(c->echo), c->echo);
	else
		n += snprintf(c->out + n, sizeof(c->out) - (size_t)n, "\r\n");
	c->out_len = (size_t)n;
	c->out_off = 0;
}

static bool client_connect(struct client *c)
{
	struct epoll_event ev = {.events = EPOLLIN | EPOLLOUT, .data.ptr = c};

	c->fd = socket(load.addr.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	c->begun = now_ns();
	if (connect(c->fd, (struct sockaddr *)&load.addr, load.addr_len) < 0 &&
	    errno != EINPROGRESS) {
		client_fail(c, "connect: %s", strerror(errno));
		return false;
	}
	epoll_ctl(load.epfd, EPOLL_CTL_ADD, c->fd, &ev);
	return true;
}

/* Closed by the other side while nothing was under way: nobody's loss. */
static bool closed_meanwhile(const struct client *c)
{
	char byte;

	return recv(c->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

/* Begins the next request of this client. */
void client_start(struct client *c)
{
	if (c->fd >= 0 && closed_meanwhile(c))
		client_close(c);
	c->kind = kind_pick(c);
	c->serial++;
	c->status = 0;
	c->version = 0;
	c->body_len = 0;
	c->phase = PHASE_CONNECT;
	c->due = load.period != 0 ? c->wake : 0;
	load.started++;
	load.busy++;
	request_write(c);
	if (c->fd < 0) {
		client_connect(c);
		return;
	}
	c->begun = now_ns();
	client_send(c);
}

static void client_send(struct client *c)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.ptr = c};
	ssize_t n = send(c->fd, c->out + c->out_off, c->out_len - c->out_off, MSG_NOSIGNAL);

	c->phase = PHASE_SEND;
	if (n < 0 && errno == EAGAIN)
		n = 0;
	if (n < 0) {
		client_fail(c, "send: %s", strerror(errno));
		return;
	}
	c->out_off += (size_t)n;
	if (c->out_off < c->out_len)
		ev.events |= EPOLLOUT;
	else
		c->phase = PHASE_HEAD;
	epoll_ctl(load.epfd, EPOLL_CTL_MOD, c->fd, &ev);
}

/* The end of the connection: an answer's end, a loss, or nobody's business. */
static void client_ended(struct client *c, int error)
{
	if (c->phase == PHASE_IDLE)
		client_close(c);
	else if (c->phase == PHASE_BODY && c->framing == FRAMING_CLOSE && error == 0)
		answer_done(c);
	else if (error != 0)
		client_fail(c, "%s: %s", c->phase == PHASE_CONNECT ? "connect" : "receive",
			    strerror(error));
	else
		client_fail(c, "closed before the %s's end",
			    c->phase == PHASE_BODY ? "answer" : "request was answered, or head");
}

static void client_read(struct client *c)
{
	ssize_t n = recv(c->fd, c->in + c->in_len, IN_CAP - 1 - c->in_len, 0);
	bool more = true;

	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		client_ended(c, n < 0 ? errno : 0);
		return;
	}
	c->in_len += (size_t)n;
	c->in[c->in_len] = '\0';
	if (c->phase == PHASE_IDLE) {
		c->begun = now_ns();
		load.busy++;
		client_fail(c, "bytes that nobody asked for");
		return;
	}
	while (more && (c->phase == PHASE_HEAD || c->phase == PHASE_BODY || c->phase == PHASE_SEND))
		more = answer_read(c);
	if (c->in_len == IN_CAP - 1)
		client_fail(c, "head too long");
}

void client_event(struct client *c, uint32_t events)
{
	int error = 0;
	socklen_t len = sizeof(error);

	if (c->fd < 0)
		return;
	if (c->phase == PHASE_CONNECT && (events & (EPOLLOUT | EPOLLERR))) {
		getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &len);
		if (error != 0) {
			client_ended(c, error);
			return;
		}
		c->begun = now_ns();
		client_send(c);
	} else if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
		client_read(c);
	} else if (c->phase == PHASE_SEND && (events & EPOLLOUT)) {
		client_send(c);
	}
}

/* What time asks of a client: its next request, or to give up on this one. */
void client_tick(struct client *c, uint64_t now)
{
	if (c->phase != PHASE_IDLE) {
		if (now - c->begun > GIVE_UP_NS && now > c->begun)
			client_fail(c, "no answer in 30 s");
	} else if (!load.stopping && c->wake <= now &&
		   (load.limit == 0 || load.started < load.limit)) {
		client_start(c);
	}
}
