/*
 * The loader's own rooms: load.c reads the arguments and loops, load_conn.c is
 * one client connection, load_report.c keeps what came of each request and
 * sums it up, load_talk.c is a client for bytes written by hand,
 * load_swap.c measures handoffs.
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
	uint64_t begun, wake;
	size_t out_len, out_off, in_len, body_len;
	char echo[64], body[256], out[2048], in[IN_CAP];
};

struct load {
	struct sockaddr_storage addr;
	socklen_t addr_len;
	const char *host, *path, *until_file, *marks;
	int epfd, ok[16], ok_count;
	unsigned weights[KIND_COUNT];
	unsigned connections, started, limit, busy;
	uint64_t deadline, think;
	bool stopping, json;
};
extern struct load load;

uint64_t now_ns(void);

/* load_conn.c */
void client_start(struct client *c);
void client_event(struct client *c, uint32_t events);
void client_tick(struct client *c, uint64_t now);

/* load_report.c; version 0: the answer named none */
void report_ok(uint64_t begun, uint64_t ended, unsigned version);
__attribute__((format(printf, 3, 4))) void report_failed(const struct client *c, uint64_t begun,
							 const char *fmt, ...);
int report_print(void);

/* load_talk.c: standard input to the address, its answer to standard output */
int talk(bool hold);

/* load_swap.c: measures so many handoffs of the service in that directory */
int swap(const char *dir, unsigned times);

#endif
