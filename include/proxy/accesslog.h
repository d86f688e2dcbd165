/* accesslog: one line a request, formatted by hand, written without ever blocking the loop: what a full
 * pipe or disk does not take is dropped and counted. Lines to a pipe or socket that other workers write to
 * as well go out whole, in pieces of at most PIPE_BUF bytes; a longer line has fields shortened. */
#ifndef KP_PROXY_ACCESSLOG_H
#define KP_PROXY_ACCESSLOG_H

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

struct accesslog;

/* A field that the service wants logged: written as req_<name> or resp_<name>. */
struct logged_field {
	struct logged_field *next;
	struct str name; /* as in the log: lower case, '-' as '_' */
	struct str value;
	bool answer;
};

struct logged_request {
	int64_t time_ms; /* Unix time of its end */
	uint64_t duration_ns;
	struct str host, path, query, request_id, service, target, method;
	struct str content_type, answer_type, user_agent, remote_addr, client_addr;
	struct str proto, scheme;
	unsigned port, client_port;
	int status;
	int64_t request_length; /* −1: unknown (chunked) */
	uint64_t answer_length;
	const struct logged_field *fields;
};

/* fd −1: off. path: where it is opened anew by accesslog_reopen; NULL: not a file of ours. */
struct accesslog *accesslog_new(struct ev_loop *loop, int fd, const char *path);
void accesslog_free(struct accesslog *l); /* flushes, closes fd */
bool accesslog_is_on(const struct accesslog *l);
void accesslog_write(struct accesslog *l, const struct logged_request *r);
/* 0, or −1 with errno (the old file stays in use). */
int accesslog_reopen(struct accesslog *l);
uint64_t accesslog_dropped(const struct accesslog *l);

#endif
