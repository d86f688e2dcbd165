/*
 * What the test app answers: one route a path, each a behaviour that a proxy
 * may meet, from the plain to the lying.
 */
#include "app.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char pattern[3782 + PIECE];

static void count_piece(struct conn *c, const char *p, size_t n)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += (uint64_t)(unsigned char)p[i] * (((c->bytes + i) & 255) + 1);
	c->sum += sum;
	c->bytes += n;
}

static void root_finish(struct conn *c)
{
	answer_text(c, 200, "Content-Type: text/plain\r\n", "version %s\n", app.version);
}

static void up_finish(struct conn *c)
{
	answer_text(c, 200, "", "OK\n");
}

static void count_finish(struct conn *c)
{
	answer_text(c, 200, "", "requests %u malformed %u connections %u last %s\n", app.requests,
		    app.malformed, app.accepted, app.malformed_last);
}

static void echo_head(struct conn *c)
{
	char fields[128];

	snprintf(fields, sizeof(fields), "X-Method: %.31s\r\n", c->method);
	answer_head(c, 200, fields, c->chunked ? CHUNKED : c->length);
}

static void echo_piece(struct conn *c, const char *p, size_t n)
{
	if (!c->begun)
		echo_head(c);
	answer_piece(c, p, n);
}

static void echo_finish(struct conn *c)
{
	if (!c->begun)
		echo_head(c);
	answer_end(c, "");
}

static void headers_finish(struct conn *c)
{
	answer_head(c, 200, "Content-Type: text/plain\r\n", (long long)c->head_len);
	answer_piece(c, c->head, c->head_len);
	answer_end(c, "");
}

static void slow_finish(struct conn *c)
{
	timer_set(c, param(c, "ms", 100));
	c->produce = root_finish;
}

/* A body that neither loss nor doubling nor a swap of pieces leaves alike. */
static void size_produce(struct conn *c)
{
	size_t n = PIECE;

	if (c->total - c->made < PIECE)
		n = (size_t)(c->total - c->made);
	answer_piece(c, pattern + c->made % 3782, n);
	c->made += (long long)n;
	if (c->made >= c->total || c->no_body)
		answer_end(c, "");
}

static void size_finish(struct conn *c)
{
	long long framing = c->total = param(c, "n", 1024);

	if (param(c, "chunked", 0))
		framing = CHUNKED;
	if (param(c, "close", 0))
		framing = UNTIL_CLOSE;
	answer_head(c, 200, "Content-Type: application/octet-stream\r\n", framing);
	c->produce = size_produce;
}

static void upload_finish(struct conn *c)
{
	answer_text(c, 200, "", "%llu bytes sum %llu\n", (unsigned long long)c->bytes,
		    (unsigned long long)c->sum);
}

static void stall_begin(struct conn *c)
{
	timer_set(c, param(c, "ms", 1000));
	c->stalled = true;
}

static void drip_produce(struct conn *c)
{
	char text[64];
	int n = snprintf(text, sizeof(text), "%s %lld%s",
			 c->route->path[1] == 's' ? "data:" : "chunk", c->made,
			 c->route->path[1] == 's' ? "\n\n" : "\n");

	answer_piece(c, text, (size_t)n);
	c->made++;
	if (c->no_body || (c->total > 0 && c->made >= c->total))
		answer_end(c, "");
	else
		timer_set(c, param(c, "ms", 100));
}

static void drip_finish(struct conn *c)
{
	c->total = param(c, "n", 3);
	answer_head(c, 200,
		    c->route->path[1] == 's' ? "Content-Type: text/event-stream\r\n"
					     : "Content-Type: text/plain\r\n",
		    CHUNKED);
	c->produce = drip_produce;
}

static void trailers_finish(struct conn *c)
{
	answer_head(c, 200, "Trailer: X-Sum, X-Last\r\n", CHUNKED);
	answer_piece(c, "with trailers\n", 14);
	answer_end(c, "X-Sum: 42\r\nX-Last: yes\r\n");
}

static void echo_trailers_finish(struct conn *c)
{
	answer_text(c, 200, "", "%s", c->trailers);
}

static void upgrade_begin(struct conn *c)
{
	if (c->upgrade[0] == '\0') {
		c->close = true;
		answer_text(c, 426, "Upgrade: echo\r\n", "upgrade wanted\n");
		return;
	}
	out_printf(c,
		   "HTTP/1.1 101 Switching Protocols\r\nX-Version: %s\r\n"
		   "Connection: Upgrade\r\nUpgrade: %s\r\n\r\n",
		   app.version, c->upgrade);
	c->status = 101;
	c->state = STATE_TUNNEL;
}

static void early_begin(struct conn *c)
{
	c->close = c->close || strcmp(c->route->path, "/early-close") == 0;
	answer_text(c, 413, "", "too much\n");
}

static void continue_finish(struct conn *c)
{
	answer_text(c, 200, "", "expect %s, %llu bytes\n", c->expect ? "yes" : "no",
		    (unsigned long long)c->bytes);
}

static void hints_finish(struct conn *c)
{
	out_printf(c, "HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n");
	root_finish(c);
}

static void die_finish(struct conn *c)
{
	c->dead = true;
}

static void die_head_finish(struct conn *c)
{
	static const char text[] = "HTTP/1.1 200 OK\r\nContent-Type: te";

	answer_raw(c, text, sizeof(text) - 1);
}

static void die_mid_finish(struct conn *c)
{
	c->close = true;
	c->total = param(c, "n", 1000);
	answer_head(c, 200, "", c->total);
	c->total /= 2;
	c->produce = size_produce;
}

static void die_chunk_finish(struct conn *c)
{
	c->close = true;
	answer_head(c, 200, "", CHUNKED);
	answer_piece(c, "whole\n", 6);
	out_printf(c, "1000\r\npart");
	c->answered = true;
}

static void never_finish(struct conn *c)
{
	(void)c;
}

static void status_finish(struct conn *c)
{
	int code = (int)param(c, "code", 200);

	answer_text(c, code, "", "status %d\n", code);
}

static void empty_finish(struct conn *c)
{
	answer_text(c, atoi(c->route->path + 1), "ETag: \"x\"\r\n", "never seen\n");
}

static void flood_produce(struct conn *c)
{
	for (int i = 0; i < 100; i++)
		out_printf(c, "HTTP/1.1 103 Early Hints\r\n\r\n");
	if (++c->made == 1000)
		root_finish(c);
}

/* Answers that lie; each is followed by the end of the connection. */
static void bad_finish(struct conn *c)
{
#define LIE(kind, text)                                                                            \
	{                                                                                          \
		kind, "HTTP/1.1 " text, sizeof("HTTP/1.1 " text) - 1                               \
	}
	static const struct {
		const char *kind, *text;
		size_t len;
	} lies[] = {
		LIE("twocl", "200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!"),
		LIE("clte", "200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
			    "5\r\nhello\r\n0\r\n\r\n"),
		LIE("badchunk", "200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n"),
		LIE("badfirst",
		    "200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n"),
		LIE("longbody", "200 OK\r\nContent-Length: 5\r\n\r\nhelloHTTP/1.1 200 OK\r\n"
				"Content-Length: 4\r\n\r\nevil"),
		LIE("shortbody", "200 OK\r\nContent-Length: 10\r\n\r\nhello"),
		LIE("nul", "200 OK\r\nX-Bad: a\0b\r\nContent-Length: 0\r\n\r\n"),
		LIE("barelf", "200 OK\nContent-Length: 0\n\n"),
		LIE("space", "200 OK\r\nContent-Length : 0\r\n\r\n"),
		LIE("code", "99 Low\r\nContent-Length: 0\r\n\r\n"),
		LIE("junk", "\r\ngarbage\r\n\r\n"),
	};
	char kind[32] = "";

	param_text(c, "kind", kind, sizeof(kind));
	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		if (strcmp(kind, lies[i].kind) == 0) {
			answer_raw(c, lies[i].text, lies[i].len);
			return;
		}
	}
	if (strcmp(kind, "1xxflood") == 0)
		c->produce = flood_produce;
	else
		answer_text(c, 404, "", "no such lie\n");
}

static void http10_finish(struct conn *c)
{
	static const char text[] =
		"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nold answer\n";

	answer_raw(c, text, c->head_only ? sizeof(text) - 12 : sizeof(text) - 1);
}

static void cookie_finish(struct conn *c)
{
	answer_text(c, 200, "Set-Cookie: a=1; Path=/\r\nSet-Cookie: b=2; Path=/x\r\n", "cookies\n");
}

static void missing_finish(struct conn *c)
{
	answer_text(c, 404, "", "not here\n");
}

static const struct route routes[] = {
	{"/", NULL, count_piece, root_finish},
	{"/up", NULL, count_piece, up_finish},
	{"/count", NULL, count_piece, count_finish},
	{"/echo", NULL, echo_piece, echo_finish},
	{"/headers", NULL, count_piece, headers_finish},
	{"/slow", NULL, count_piece, slow_finish},
	{"/size", NULL, count_piece, size_finish},
	{"/upload", NULL, count_piece, upload_finish},
	{"/stall-upload", stall_begin, count_piece, upload_finish},
	{"/chunked", NULL, count_piece, drip_finish},
	{"/sse", NULL, count_piece, drip_finish},
	{"/trailers", NULL, count_piece, trailers_finish},
	{"/echo-trailers", NULL, count_piece, echo_trailers_finish},
	{"/upgrade", upgrade_begin, count_piece, never_finish},
	{"/early", early_begin, count_piece, never_finish},
	{"/early-close", early_begin, count_piece, never_finish},
	{"/continue", NULL, count_piece, continue_finish},
	{"/hints", NULL, count_piece, hints_finish},
	{"/die-before", NULL, count_piece, die_finish},
	{"/die-head", NULL, count_piece, die_head_finish},
	{"/die-mid", NULL, count_piece, die_mid_finish},
	{"/die-chunk", NULL, count_piece, die_chunk_finish},
	{"/never", NULL, count_piece, never_finish},
	{"/status", NULL, count_piece, status_finish},
	{"/204", NULL, count_piece, empty_finish},
	{"/304", NULL, count_piece, empty_finish},
	{"/bad", NULL, count_piece, bad_finish},
	{"/http10", NULL, count_piece, http10_finish},
	{"/cookie", NULL, count_piece, cookie_finish},
};
static const struct route missing = {"", NULL, count_piece, missing_finish};

const struct route *route_find(const char *path)
{
	for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++)
		if (strcmp(routes[i].path, path) == 0)
			return &routes[i];
	return &missing;
}

void route_init(void)
{
	static const char set[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

	for (size_t i = 0; i < sizeof(pattern); i++)
		pattern[i] = set[(i % 3782 + i % 3782 / 61) % 62];
}
