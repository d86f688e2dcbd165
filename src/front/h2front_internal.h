/* h2front, seen from inside its files: h2front.c (a connection's life), h2frame.c (what the client sends), h2stream.c
   (a stream's life, payload toward the app), h2answer.c (what the client gets), h2turn.c (when it is sent), h2calm.c
   (what a client must not do too often). */
#ifndef KP_FRONT_H2FRONT_INTERNAL_H
#define KP_FRONT_H2FRONT_INTERNAL_H

#include <nghttp2/nghttp2.h>

#include "base/list.h"
#include "base/timer.h"
#include "front/h2front.h"
#include "http/h2.h"
#include "net/conn.h"
#include "proxy/exchange.h"
#include "proxy/proxy.h"

#define H2_FRAME_HEAD 9
#define H2_TURN_SEND (64 * 1024)                      /* sent at once as soon as it is together */
#define H2_TURN_MAX (H2_TURN_SEND + 16 * 1024 + 1024) /* and one frame more */
#define H2_DIRECT (8 * 1024)    /* so much payload is worth a send of its own */
#define H2_OUT_FULL (32 * 1024) /* unsent bytes of a stream: the app is not read meanwhile */
#define H2_WINDOW 65535         /* of a stream toward us: RFC 9113's default */
#define H2_WIDE_WINDOW (256 * 1024)
#define H2_IN_ROOM 32        /* before and behind payload: a chunk's size and end */
#define H2_SPARE_STREAMS 256 /* kept for the next requests */
#define H2_SPARE_BUFFER (16 * 1024)

struct h2_conn;

/* What the connections of a worker share. */
struct h2_hub {
	struct proxy *proxy;
	ev_prepare turn; /* never started, only fed: it runs when all else of the loop's turn has */
	struct list dirty, conns, spare;
	size_t nspare;
	struct buf text; /* memory for the next section */
	nghttp2_session_callbacks *callbacks;
	nghttp2_option *option;
	nghttp2_nv fields[HEAD_FIELDS_MAX + 2]; /* of the answer head that waits for its body */
	size_t turn_used;
	bool turn_full; /* a frame did not fit */
	char turn_memory[H2_TURN_MAX];
};

/* A budget for frames that carry neither request nor payload. */
struct h2_calm {
	int64_t left;
	ev_tstamp filled;
};

enum h2_phase {
	H2_OPEN,
	H2_LEAVING, /* GOAWAY with a grace: streams that are under way to us are still served */
	H2_LAST,    /* no new stream any more; closed when the last one is done */
	H2_LINGER,  /* half-closed; what still comes is thrown away */
};

enum h2_wait {
	H2_WAIT_NONE,
	H2_WAIT_HEAD,
	H2_WAIT_IDLE,
	H2_WAIT_CLIENT,
	H2_WAIT_GRACE,
	H2_WAIT_END,
};

struct h2_conn {
	struct list node, dirty;
	struct h2_hub *hub;
	struct front client; /* copied into each stream */
	struct conn conn;
	nghttp2_session *session;
	struct list streams, touched;
	size_t nstreams;
	struct h2_section section;   /* that is coming in */
	struct h2_stream *direct;    /* its payload is sent from where it lies */
	struct h2_stream *unflushed; /* its head waits for the payload behind it */
	struct h2_calm calm;
	struct deadline deadline;
	enum h2_wait waits;
	uint64_t sent_mark; /* conn.sent when the deadline was set */
	uint64_t data_sent; /* bytes of payload */
	enum h2_phase phase;
	int32_t in_head; /* stream of the field section that has begun and not ended; 0: none */
	bool used;       /* has carried a request */
	bool inside;     /* nghttp2 is on the stack */
	bool broken;     /* and cannot go on */
};

struct h2_stream {
	struct list node, touched;
	struct front front;
	struct h2_conn *conn;
	struct exchange *exchange; /* NULL before the head is whole and after done() */
	int32_t id;
	struct deadline deadline;
	uint64_t sent_mark; /* conn->data_sent when it was set */
	struct buf in;      /* payload that the app has not taken: at most the stream's window */
	struct buf out;     /* payload that the client has not taken */
	struct buf in_trailers, out_trailers;
	uint64_t taken; /* payload that the app has taken */
	size_t waiting; /* fields of the answer head that waits in hub->fields; 0: none */
	bool in_fin;    /* the client has said its last */
	bool in_done;   /* and the exchange knows it, or needs not */
	bool begun;     /* the answer's head was given to nghttp2 */
	bool out_fin;   /* the app has said its last */
	bool out_done;  /* and it was sent */
	bool deferred;  /* nghttp2 asks for no payload until it is told to */
	bool wide;      /* the window toward us was widened */
	bool closed;    /* nghttp2 knows it no more: to be freed */
	bool tunnel;    /* asked for by an extended CONNECT */
};

extern const struct front_ops h2_front_ops;

/* ---- h2front.c ---- */

/* Sets the deadline of what the connection now waits for. */
void h2_watch(struct h2_conn *c);
/* Ends the connection at once; what it carries is cut. Never from within nghttp2. */
void h2_leave(struct h2_conn *c);
/* GOAWAY: what is open may end, nothing new begins. */
void h2_send_away(struct h2_conn *c);
/* All is said: half-closes, and closes once the client has too. */
void h2_linger(struct h2_conn *c);

/* ---- h2turn.c ---- */

/* The worker's; made when it is first asked for. */
struct h2_hub *h2_hub_of(struct proxy *p);
void h2_hub_free(struct h2_hub *hub);
/* Something is to be sent, or to be passed on: at the end of the loop's turn. */
void h2_mark(struct h2_conn *c);
/* Sends as much as the client takes. Never from within nghttp2. */
void h2_send(struct h2_conn *c);

/* ---- h2frame.c ---- */

void h2_frame_callbacks(nghttp2_session_callbacks *cb);

/* ---- h2stream.c ---- */

struct h2_stream *h2_stream_new(struct h2_conn *c, int32_t id);
/* Its payload, or the end of it, can perhaps be passed on. */
void h2_stream_touch(struct h2_stream *s);
/* Passes on what is touched, and a head that waits. */
void h2_stream_settle(struct h2_conn *c);
/* Watches the client if it is the client's turn. */
void h2_stream_watch(struct h2_stream *s);
void h2_stream_free(struct h2_stream *s);
/* Frees for good. */
void h2_stream_free_spare(struct h2_hub *hub);

/* ---- h2answer.c ---- */

/* nghttp2's source of the stream's payload, and where it goes. */
void h2_answer_callbacks(nghttp2_session_callbacks *cb);

/* ---- h2calm.c ---- */

void h2_calm_init(struct h2_conn *c);
void h2_calm_frame(struct h2_conn *c, const nghttp2_frame_hd *hd);
/* A stream that we reset because of what the client did. */
void h2_calm_reset(struct h2_conn *c, uint32_t error);

#endif
