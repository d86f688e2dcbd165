/*
 * The loader's own rooms: load.c reads the arguments and loops, load_conn.c is
 * one client connection, load_answer.c what comes back on it, load_report.c
 * keeps what came of each request and sums it up, load_talk.c is a client for
 * bytes written by hand, load_swap.c measures handoffs.
 * Times are CLOCK_MONOTONIC nanoseconds.
 */
#ifndef TESTS_LOAD_H
#define TESTS_LOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#define IN_CAP 16384
#define GIVE_UP_NS 30000000000U

enum kind { KIND_GET, KIND_POST, KIND_ONESHOT, KIND_POST_ONESHOT, KIND_COUNT };
enum phase { PHASE_IDLE, PHASE_CONNECT, PHASE_SEND, PHASE_HEAD, PHASE_BODY };
enum framing { FRAMING_LENGTH, FRAMING_CHUNKED, FRAMING_CLOSE };

/* One client: a connection when it has one, and at most one request on it. */
struct client {
	int fd;
	unsigned index, seed, serial;
	enum phase phase;
	enum kind kind;
	enum framing framing;
	bool close, in_chunk, last_chunk;
	int status;
	unsigned version;
	long long left;
	uint64_t begun, wake, due; /* due: when it should have begun; 0: there is no rate */
	size_t out_len, out_off, in_len, body_len;
	char echo[64], body[256], out[2048], in[IN_CAP];
};

struct load {
	struct sockaddr_storage addr;
	socklen_t addr_len;
	const char *host, *path, *field, *until_file, *marks;
	int epfd, ok[16], ok_count;
	unsigned weights[KIND_COUNT];
	unsigned connections, started, limit, busy;
	uint64_t deadline, think, period;
	double rate;
	bool stopping, json, numbered, detail;
};
extern struct load load;

uint64_t now_ns(void);

/* load_conn.c */
void client_start(struct client *c);
void client_event(struct client *c, uint32_t events);
void client_tick(struct client *c, uint64_t now);
void client_close(struct client *c);
void client_rest(struct client *c);
__attribute__((format(printf, 2, 3))) void client_fail(struct client *c, const char *fmt, ...);

/* load_answer.c; read: true while there may be more in what has come in */
bool answer_read(struct client *c);
void answer_done(struct client *c);

/* load_report.c; version 0: the answer named none */
void report_ok(const struct client *c, uint64_t ended);
__attribute__((format(printf, 2, 3))) void report_failed(const struct client *c, const char *fmt,
							 ...);
int report_print(void);

/* load_talk.c: standard input to the address, its answer to standard output */
int talk(bool hold);

/* load_swap.c: measures so many handoffs of the service in that directory */
int swap(const char *dir, unsigned times);

#endif
