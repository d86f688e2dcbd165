/* rewrite: which header fields pass, in both directions (CONTRACT: what a request meets; RFC 9110 7.6.1). */
#ifndef KP_PROXY_REWRITE_H
#define KP_PROXY_REWRITE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"
#include "base/text.h"
#include "http/message.h"

struct request_facts {
	struct str client_ip;  /* numeric */
	struct str scheme;     /* "http" or "https" */
	struct str request_id; /* the one to send: the client's or a new one */
	int64_t now_ms;        /* Unix time */
	bool trusted;          /* the client's forwarding fields are believed */
	struct str path;       /* as the app shall see it (prefix stripped) */
	bool upgrade;          /* pass the Upgrade on */
};

/* Writes the head toward the app, all but X-Kamal-Target and the empty line. */
void rewrite_request(struct text *out, const struct head *h, const struct request_facts *f);

/* Drops the fields of an answer that end here (hop-by-hop, framing), in place. Content-Length stays for answers
   without a body to HEAD or with 304; an upgrade keeps Upgrade. */
void rewrite_answer(struct head *h, bool has_body);

/* The trailers that may pass, into out: none that frames, routes or authenticates (RFC 9110 6.5.1). */
void rewrite_trailers(struct text *out, struct str section);

#endif
