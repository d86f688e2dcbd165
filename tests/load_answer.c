/*
 * Reads what comes back for a request of the loader, to the letter: what is not
 * whole and right is a lost request.
 */
#include "load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool status_fits(const struct client *c)
{
	for (int i = 0; i < load.ok_count; i++)
		if (load.ok[i] == c->status)
			return true;
	return load.ok_count == 0 && c->status < 500;
}

void answer_done(struct client *c)
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
	report_ok(c, now_ns());
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

bool answer_read(struct client *c)
{
	return c->phase == PHASE_BODY ? body_read(c) : head_read(c);
}
