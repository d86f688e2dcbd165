/*
 * The test app's own rooms: app.c listens and loops, app_conn.c is a
 * connection's life, app_parse.c the strict witness of what comes in,
 * app_route.c the behaviours by path, app_answer.c what answers are made of.
 */
#ifndef TESTS_APP_H
#define TESTS_APP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define IN_CAP 65536
#define OUT_HIGH 131072
#define PIECE 16384
#define CHUNKED (-1LL)
#define UNTIL_CLOSE (-2LL)

enum state { STATE_HEAD, STATE_BODY, STATE_ANSWER, STATE_TUNNEL };
enum body { BODY_SIZE, BODY_DATA, BODY_CRLF, BODY_TRAILER, BODY_DONE };

struct conn;

/* begin sees the head, piece each part of the body, finish its end. */
struct route {
	const char *path;
	void (*begin)(struct conn *c);
	void (*piece)(struct conn *c, const char *p, size_t n);
	void (*finish)(struct conn *c);
};

struct conn {
	struct conn *next, *prev;
	const struct route *route;
	void (*produce)(struct conn *c);
	int fd;
	uint32_t events;
	enum state state;
	enum body body;
	bool dead, closing, eof, stalled, answered, begun;
	bool http10, close, chunked, expect, head_only, no_body;
	int status, hosts;
	unsigned id;
	char method[32], query[512], upgrade[64], trailers[2048];
	long long length, left, framing, made, total;
	uint64_t due, sum, bytes;
	char *out;
	size_t in_len, head_len, out_off, out_len, out_cap;
	char in[IN_CAP], head[IN_CAP + 1];
};

/* Of the whole process; times are CLOCK_MONOTONIC nanoseconds. */
struct app {
	const char *version, *malformed_last;
	struct conn *conns;
	int epfd, listener, logfd;
	unsigned requests, malformed, accepted, armed;
	bool leaving;
};
extern struct app app;

uint64_t now_ns(void);
__attribute__((format(printf, 2, 3))) void log_line(unsigned id, const char *fmt, ...);

/* app_conn.c */
void out_add(struct conn *c, const void *p, size_t n);
__attribute__((format(printf, 2, 3))) void out_printf(struct conn *c, const char *fmt, ...);
void in_drop(struct conn *c, size_t n);
void timer_set(struct conn *c, long long ms);
void timer_clear(struct conn *c);
void conn_accept(int fd);
void conn_read(struct conn *c);
void conn_run(struct conn *c);

/* app_parse.c: true when something was taken from the input */
bool head_read(struct conn *c);
bool body_step(struct conn *c);

/* app_route.c */
const struct route *route_find(const char *path);
void route_init(void);

/*
 * app_answer.c; length: bytes of the body, CHUNKED or UNTIL_CLOSE; fields:
 * whole lines; raw: bytes as they stand and then the end of the connection
 */
bool param_text(const struct conn *c, const char *name, char *value, size_t cap);
long long param(const struct conn *c, const char *name, long long otherwise);
void answer_head(struct conn *c, int code, const char *fields, long long length);
void answer_piece(struct conn *c, const char *p, size_t n);
void answer_end(struct conn *c, const char *trailers);
__attribute__((format(printf, 4, 5))) void answer_text(struct conn *c, int code, const char *fields,
						       const char *fmt, ...);
void answer_raw(struct conn *c, const char *text, size_t n);

#endif
