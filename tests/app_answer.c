/*
 * The parts that the test app's answers are made of: heads, bodies in each
 * framing, and a request's query parameters.
 */
#include "app.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The value of a query parameter, as text up to the next '&'. */
bool param_text(const struct conn *c, const char *name, char *value, size_t cap)
{
	const char *p = c->query;
	size_t len = strlen(name), n;

	while (*p != '\0') {
		if (strncmp(p, name, len) == 0 && p[len] == '=') {
			n = strcspn(p + len + 1, "&");
			snprintf(value, cap, "%.*s", (int)n, p + len + 1);
			return true;
		}
		p += strcspn(p, "&");
		p += *p == '&';
	}
	return false;
}

long long param(const struct conn *c, const char *name, long long otherwise)
{
	char value[32];

	return param_text(c, name, value, sizeof(value)) ? atoll(value) : otherwise;
}

void answer_head(struct conn *c, int code, const char *fields, long long length)
{
	if (length == CHUNKED && c->http10)
		length = UNTIL_CLOSE;
	if (length == UNTIL_CLOSE || app.leaving)
		c->close = true;
	c->begun = true;
	c->status = code;
	c->framing = length;
	c->no_body = c->head_only || code == 204 || code == 304;
	out_printf(c, "HTTP/1.1 %d %s\r\nX-Version: %s\r\n%s", code, code < 300 ? "OK" : "Other",
		   app.version, fields);
	if (length >= 0 && code != 204 && code != 304)
		out_printf(c, "Content-Length: %lld\r\n", length);
	else if (length == CHUNKED && code != 204 && code != 304)
		out_printf(c, "Transfer-Encoding: chunked\r\n");
	out_printf(c, "%s\r\n", c->close ? "Connection: close\r\n" : "");
}

void answer_piece(struct conn *c, const char *p, size_t n)
{
	if (c->no_body || n == 0)
		return;
	if (c->framing == CHUNKED)
		out_printf(c, "%zx\r\n", n);
	out_add(c, p, n);
	if (c->framing == CHUNKED)
		out_add(c, "\r\n", 2);
}

void answer_end(struct conn *c, const char *trailers)
{
	if (c->framing == CHUNKED && !c->no_body)
		out_printf(c, "0\r\n%s\r\n", trailers);
	c->produce = NULL;
	c->answered = true;
}

__attribute__((format(printf, 4, 5))) void answer_text(struct conn *c, int code, const char *fields,
						       const char *fmt, ...)
{
	char text[4096];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	answer_head(c, code, fields, n);
	answer_piece(c, text, (size_t)n);
	answer_end(c, "");
}

void answer_raw(struct conn *c, const char *text, size_t n)
{
	out_add(c, text, n);
	c->answered = c->begun = c->close = true;
}
