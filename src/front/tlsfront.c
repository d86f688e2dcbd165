/* tlsfront: waits for the end of a handshake, not longer than for a head, and hands the connection on. */
#include "front/tlsfront.h"

#include "base/mem.h"
#include "front/h1front.h"
#include "front/h2front.h"
#include "proxy/exchange.h"
#include "proxy/proxy.h"

struct tlsfront {
	struct list node; /* in proxy->handshakes */
	struct front front;
	struct conn conn;
	struct proxy *proxy;
	struct deadline deadline;
};

static size_t on_data(struct conn *c, struct slice in)
{
	struct tlsfront *f = container_of(c, struct tlsfront, conn);
	f->front.cert = tls_stream_cert(c);
	if (tls_stream_is_h2(c))
		h2front_take(f->proxy, c, &f->front, in);
	else
		h1front_take(f->proxy, c, &f->front, in);
	return in.n;
}

static void on_eof(struct conn *c)
{
	conn_close(c);
}

/* The server's part of the handshake has left: the client's is still to come. */
static void on_drained(struct conn *c)
{
	(void)c;
}

static void on_error(struct conn *c, int err)
{
	(void)err;
	conn_close(c);
}

static void on_closed(struct conn *c)
{
	struct tlsfront *f = container_of(c, struct tlsfront, conn);
	deadline_clear(&f->deadline);
	list_remove(&f->node);
	f->proxy->nfronts--;
	mem_free(f);
}

static const struct conn_events tlsfront_conn_events = {
	.data = on_data,
	.eof = on_eof,
	.drained = on_drained,
	.error = on_error,
	.closed = on_closed,
};

static void on_deadline(struct deadline *d)
{
	conn_close(&container_of(d, struct tlsfront, deadline)->conn);
}

void tlsfront_accept(struct proxy *p, int fd, const struct sockaddr_storage *from,
		     unsigned server_port)
{
	struct tlsfront *f = mem_new(struct tlsfront);
	f->proxy = p;
	front_init(&f->front, p, from, server_port);
	deadline_init(&f->deadline, on_deadline);
	deadline_set(p->timers, &f->deadline, p->settings->head_timeout);
	list_push_back(&p->handshakes, &f->node);
	p->nfronts++;
	conn_init(&f->conn, &p->io, fd, &tlsfront_conn_events);
	tls_stream_start(p->tls, &f->conn);
	f->conn.read_max = (uint32_t)p->request_limits.head;
	conn_read_now(&f->conn);
}

void tlsfront_close_idle(struct proxy *p)
{
	list_for_each_safe (it, &p->handshakes) {
		struct tlsfront *f = container_of(it, struct tlsfront, node);
		if (!tls_stream_is_amid(&f->conn))
			conn_close(&f->conn);
	}
}

void tlsfront_close_all(struct proxy *p)
{
	list_for_each_safe (it, &p->handshakes)
		conn_close(&container_of(it, struct tlsfront, node)->conn);
}
