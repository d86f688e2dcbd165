/* proxy: what all requests of a worker share. Made once by the worker, constant but for `retiring`. */
#ifndef KP_PROXY_PROXY_H
#define KP_PROXY_PROXY_H

#include <ev.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/list.h"
#include "base/timer.h"
#include "files/settings.h"
#include "http/h1.h"
#include "net/cidr.h"
#include "net/conn.h"
#include "net/tls.h"
#include "proxy/accesslog.h"
#include "service/registry.h"

struct h2_hub;

#define PROXY_HEAD_MAX (80 * 1024) /* the longest head we write; below CONN_ROOM_BEFORE */

struct proxy {
	struct ev_loop *loop;
	struct timers *timers;
	struct conn_io io;
	const struct proxy_settings *settings;
	struct registry *registry;
	struct accesslog *log;
	struct h1_limits request_limits;
	struct h1_limits answer_limits;
	struct cidr *trusted;
	size_t ntrusted;
	struct list free_exchanges; /* memory kept for the next ones */
	char *head_memory;          /* PROXY_HEAD_MAX: the answer head being written */
	struct head *head;          /* the head being parsed: valid within one callback */
	struct tls *tls;            /* NULL: no https listener */
	struct list fronts;         /* the clients' HTTP/1 connections */
	struct list handshakes;     /* those whose TLS handshake is under way */
	struct h2_hub *h2; /* the HTTP/2 ones, and what they share; NULL before the first */
	size_t nfronts;    /* all of them */
	bool retiring;     /* each client is told to go with its next answer */
};

#endif
