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

static void client_close(struct client *c)
{
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
	c->in_len = 0;
}

static void client_rest(struct client *c)
{
	c->phase = PHASE_IDLE;
	load.busy--;
	c->wake = load.think != 0 ? now_ns() + load.think : 0;
}

__attribute__((format(printf, 2, 3))) static void client_fail(struct client *c, const char *fmt,
							      ...)
{
	char why[128];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	report_failed(c, c->begun, "%s", why);
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
	int n;

	snprintf(c->echo, sizeof(c->echo), "client %u request %u\n", c->index, c->serial);
	n = snprintf(c->out, sizeof(c->out), "%s %s HTTP/1.1\r\nHost: %s\r\n%s",
		     post ? "POST" : "GET", post ? "/echo" : load.path, load.host,
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

static bool status_fits(const struct client *c)
{
	for (int i = 0; i < load.ok_count; i++)
		if (load.ok[i] == c->status)
			return true;
	return load.ok_count == 0 && c->status < 500;
}

static void answer_done(struct client *c)
{
	bool post = c->kind == KIND_POST || c->kind == KIND_POST_ONESHOT;
	char *version;

	c->body[c->body_len] = '\0';
	version = strstr(c->body, "version v");
	if (!post && version != NULL && c->version == 0)
		c->version = (unsigned)atoi(version + 9);
	if (!status_fits(c)) {
		client_fail(c, "status %d", c->status);
		return;
	}
	if (post && c->status == 200 && strcmp(c->body, c->echo) != 0) {
		client_fail(c, "another body than the one sent");
		return;
	}
	if (c->in_len > 0) {
		client_fail(c, "%zu bytes after the answer", c->in_len);
		return;
	}
	report_ok(c->begun, now_ns(), c->version);
	if (c->close || c->kind == KIND_ONESHOT || c->kind == KIND_POST_ONESHOT)
		client_close(c);
	client_rest(c);
}

/* One field line; false when it cannot be right. */
static bool field_take(struct client *c, char *line)
{
	char *value = strchr(line, ':');

	if (value == NULL || value == line || value[-1] == ' ')
		return false;
	*value++ = '\0';
	value += strspn(value, " \t");
	if (strcasecmp(line, "Content-Length") == 0) {
		if (c->framing != FRAMING_CLOSE || value[strspn(value, "0123456789")] != '\0')
			return false;
		c->framing = FRAMING_LENGTH;
		c->left = atoll(value);
	} else if (strcasecmp(line, "Transfer-Encoding") == 0) {
		if (c->framing != FRAMING_CLOSE || strcasecmp(value, "chunked") != 0)
			return false;
		c->framing = FRAMING_CHUNKED;
		c->left = 0;
		c->in_chunk = c->last_chunk = false;
	} else if (strcasecmp(line, "Connection") == 0) {
		c->close = c->close || strcasestr(value, "close") != NULL;
	} else if (strcasecmp(line, "X-Version") == 0) {
		c->version = (unsigned)atoi(value + (value[0] == 'v'));
	}
	return true;
}

static bool head_take(struct client *c, char *text)
{
	char *line = strstr(text, "\r\n"), *end;

	if (strncmp(text, "HTTP/1.1 ", 9) != 0 && strncmp(text, "HTTP/1.0 ", 9) != 0)
		return false;
	c->status = atoi(text + 9);
	c->framing = FRAMING_CLOSE;
	c->close = text[7] == '0';
	if (c->status < 100 || c->status > 999)
		return false;
	for (line += 2; *line != '\0'; line = end + 2) {
		end = strstr(line, "\r\n");
		*end = '\0';
		if (!field_take(c, line))
			return false;
	}
	if (c->framing == FRAMING_CLOSE && (c->status == 204 || c->status == 304)) {
		c->framing = FRAMING_LENGTH;
		c->left = 0;
	}
	return c->framing != FRAMING_CLOSE || c->close || c->status < 200;
}

static void in_drop(struct client *c, size_t n)
{
	c->in_len -= n;
	memmove(c->in, c->in + n, c->in_len);
	c->in[c->in_len] = '\0';
}

/* True when a whole head was taken, an interim one or the last. */
static bool head_read(struct client *c)
{
	char *end = memmem(c->in, c->in_len, "\r\n\r\n", 4);
	size_t n;

	if (end == NULL)
		return false;
	n = (size_t)(end - c->in) + 4;
	end[2] = '\0';
	if (strlen(c->in) != n - 2 || !head_take(c, c->in)) {
		client_fail(c, "malformed head");
		return false;
	}
	in_drop(c, n);
	if (c->status >= 200)
		c->phase = PHASE_BODY;
	return true;
}

static void body_take(struct client *c, size_t n)
{
	size_t room = sizeof(c->body) - 1 - c->body_len, kept = n < room ? n : room;

	memcpy(c->body + c->body_len, c->in, kept);
	c->body_len += kept;
	in_drop(c, n);
}

/* The line between chunks: an end, a size, or the trailer's lines. */
static bool chunk_line(struct client *c)
{
	char *end = memmem(c->in, c->in_len, "\r\n", 2);
	size_t n;

	if (end == NULL)
		return false;
	n = (size_t)(end - c->in);
	if (c->in_chunk && n > 0) {
		client_fail(c, "malformed chunk");
		return false;
	}
	if (c->last_chunk && n == 0) {
		in_drop(c, 2);
		answer_done(c);
		return false;
	}
	if (!c->in_chunk && !c->last_chunk) {
		if (n == 0 || strspn(c->in, "0123456789abcdefABCDEF") != n) {
			client_fail(c, "malformed chunk size");
			return false;
		}
		c->left = strtoll(c->in, NULL, 16);
		c->last_chunk = c->left == 0;
	}
	c->in_chunk = false;
	in_drop(c, n + 2);
	return true;
}

static bool body_read(struct client *c)
{
	size_t n = c->in_len;

	if (c->framing == FRAMING_CLOSE) {
		body_take(c, n);
		return false;
	}
	if (c->framing == FRAMING_CHUNKED && c->left == 0)
		return chunk_line(c);
	if ((long long)n > c->left)
		n = (size_t)c->left;
	body_take(c, n);
	c->left -= (long long)n;
	if (c->left == 0 && c->framing == FRAMING_LENGTH) {
		answer_done(c);
		return false;
	}
	c->in_chunk = c->left == 0;
	return n > 0;
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
		more = c->phase == PHASE_BODY ? body_read(c) : head_read(c);
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
