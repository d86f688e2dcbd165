/*
 * The test app as a witness: what it is sent is parsed to the letter, and
 * anything malformed is answered with 599 and the reason.
 */
#include "app.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void request_malformed(struct conn *c, const char *why)
{
	app.malformed++;
	app.malformed_last = why;
	log_line(c->id, "malformed %s", why);
	c->close = true;
	if (!c->begun)
		answer_text(c, 599, "", "malformed: %s\n", why);
	else
		c->dead = true;
	c->produce = NULL;
	c->state = STATE_ANSWER;
	c->answered = true;
}

static bool token_char(char ch)
{
	return isalnum((unsigned char)ch) || (ch != '\0' && strchr("!#$%&'*+-.^_`|~", ch) != NULL);
}

static const char *field_length(struct conn *c, const char *value)
{
	if (c->length >= 0)
		return "two Content-Length";
	if (value[0] == '\0' || value[strspn(value, "0123456789")] != '\0' || strlen(value) > 18)
		return "Content-Length";
	c->length = atoll(value);
	return NULL;
}

/* One field line, its colon already a NUL; returns what is wrong with it. */
static const char *field_take(struct conn *c, const char *name, const char *value)
{
	if (strcasecmp(name, "Content-Length") == 0)
		return field_length(c, value);
	if (strcasecmp(name, "Transfer-Encoding") == 0) {
		if (c->chunked || strcasecmp(value, "chunked") != 0)
			return "Transfer-Encoding";
		c->chunked = true;
	} else if (strcasecmp(name, "Host") == 0) {
		c->hosts++;
	} else if (strcasecmp(name, "Expect") == 0) {
		c->expect = strcasecmp(value, "100-continue") == 0;
	} else if (strcasecmp(name, "Upgrade") == 0) {
		snprintf(c->upgrade, sizeof(c->upgrade), "%.63s", value);
	} else if (strcasecmp(name, "Connection") == 0) {
		if (strcasestr(value, "close") != NULL)
			c->close = true;
	}
	return NULL;
}

static const char *fields_parse(struct conn *c, char *line)
{
	char *end, *p;
	const char *wrong;

	for (; *line != '\0'; line = end + 2) {
		end = strstr(line, "\r\n");
		*end = '\0';
		for (p = line; token_char(*p); p++)
			;
		if (p == line || *p != ':')
			return "field name";
		*p++ = '\0';
		p += strspn(p, " \t");
		for (char *v = p; *v != '\0'; v++)
			if ((unsigned char)*v < 32 && *v != '\t')
				return "control character in a field";
		wrong = field_take(c, line, p);
		if (wrong != NULL)
			return wrong;
	}
	if (c->hosts > 1 || (c->hosts == 0 && !c->http10))
		return "Host";
	if (c->chunked && (c->length >= 0 || c->http10))
		return "both Content-Length and Transfer-Encoding";
	return NULL;
}

static const char *head_parse(struct conn *c, char *text, char *path, size_t cap)
{
	char *target, *proto, *end = strstr(text, "\r\n");

	*end = '\0';
	target = strchr(text, ' ');
	proto = target != NULL ? strchr(target + 1, ' ') : NULL;
	if (proto == NULL || target == text || proto == target + 1)
		return "request line";
	*target++ = '\0';
	*proto++ = '\0';
	if (strcmp(proto, "HTTP/1.1") != 0 && strcmp(proto, "HTTP/1.0") != 0)
		return "version";
	c->http10 = c->close = proto[7] == '0';
	for (char *p = text; *p != '\0'; p++)
		if (!token_char(*p))
			return "method";
	if (target[0] != '/' && strcmp(target, "*") != 0)
		return "target";
	snprintf(c->method, sizeof(c->method), "%.31s", text);
	c->head_only = strcmp(text, "HEAD") == 0;
	proto = strchr(target, '?');
	if (proto != NULL)
		*proto++ = '\0';
	snprintf(c->query, sizeof(c->query), "%.511s", proto != NULL ? proto : "");
	snprintf(path, cap, "%.1000s", target);
	return fields_parse(c, end + 2);
}

static void request_begin(struct conn *c, const char *path)
{
	c->route = route_find(path);
	c->state = STATE_BODY;
	c->length = c->length < 0 ? 0 : c->length;
	c->left = c->length;
	c->body = c->chunked ? BODY_SIZE : c->left > 0 ? BODY_DATA : BODY_DONE;
	if (c->route->begin != NULL)
		c->route->begin(c);
	if (c->state == STATE_BODY && !c->answered && c->expect && c->body != BODY_DONE)
		out_printf(c, "HTTP/1.1 100 Continue\r\n\r\n");
	if (strcmp(c->route->path, "/early-close") == 0)
		c->state = STATE_ANSWER;
}

bool head_read(struct conn *c)
{
	static char text[IN_CAP + 1];
	char path[1024] = "-";
	const char *wrong, *end = memmem(c->in, c->in_len, "\r\n\r\n", 4);

	if (end == NULL && c->in_len < IN_CAP)
		return false;
	c->id = ++app.requests;
	c->head_len = end != NULL ? (size_t)(end - c->in) + 4 : c->in_len;
	memcpy(c->head, c->in, c->head_len);
	c->length = -1;
	memcpy(text, c->in, c->head_len);
	text[c->head_len < 2 ? 0 : c->head_len - 2] = '\0';
	memmove(c->in, c->in + c->head_len, c->in_len - c->head_len);
	c->in_len -= c->head_len;
	if (end == NULL)
		wrong = "head too long";
	else if (strlen(text) != c->head_len - 2)
		wrong = "NUL in the head";
	else
		wrong = head_parse(c, text, path, sizeof(path));
	log_line(c->id, "begin %s %s", c->method[0] != '\0' ? c->method : "-", path);
	if (wrong != NULL)
		request_malformed(c, wrong);
	else
		request_begin(c, path);
	return true;
}

/* A line of chunked framing: a size or a trailer field. */
static bool chunk_line(struct conn *c)
{
	char *end = memmem(c->in, c->in_len, "\r\n", 2);
	size_t n = end != NULL ? (size_t)(end - c->in) : 0, used = strlen(c->trailers);

	if (end == NULL) {
		if (c->in_len > 8192)
			request_malformed(c, "chunk line");
		return false;
	}
	*end = '\0';
	if (c->body == BODY_TRAILER && n > 0) {
		snprintf(c->trailers + used, sizeof(c->trailers) - used, "%s\n", c->in);
	} else if (c->body == BODY_TRAILER) {
		c->body = BODY_DONE;
	} else if (n == 0 || n > 15 || strspn(c->in, "0123456789abcdefABCDEF") != n) {
		request_malformed(c, "chunk size");
		return false;
	} else {
		c->left = strtoll(c->in, NULL, 16);
		c->body = c->left == 0 ? BODY_TRAILER : BODY_DATA;
	}
	in_drop(c, n + 2);
	return true;
}

bool body_step(struct conn *c)
{
	size_t n = c->in_len < (size_t)c->left ? c->in_len : (size_t)c->left;

	switch (c->body) {
	case BODY_SIZE:
	case BODY_TRAILER: return chunk_line(c);
	case BODY_DATA:
		if (n > 0 && !c->answered)
			c->route->piece(c, c->in, n);
		in_drop(c, n);
		c->left -= (long long)n;
		if (c->left == 0)
			c->body = c->chunked ? BODY_CRLF : BODY_DONE;
		return n > 0;
	case BODY_CRLF:
		if (c->in_len >= 2 && memcmp(c->in, "\r\n", 2) != 0)
			request_malformed(c, "chunk end");
		if (c->in_len < 2 || c->state != STATE_BODY)
			return false;
		in_drop(c, 2);
		c->body = BODY_SIZE;
		return true;
	case BODY_DONE: break;
	}
	return false;
}
