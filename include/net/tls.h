/* tls: TLS 1.2 and 1.3 for the client's side, and the only room that knows OpenSSL.
 *
 * A certificate (struct tls_cert) is everything that one service answers a handshake with: keys, chains, the
 * authorities of its clients. It never changes; a new one takes its place, and connections keep the one they
 * began with. A stream (struct tls_stream) goes under a conn and moves bytes through buffers that all streams
 * of a process share: one recv a wake, one send a turn. Nothing here waits, and nothing reads a file.
 *
 * RFC 8446 (1.3), 5246 (1.2), 6066 (server names), 7301 (ALPN), 5077 (tickets). */
#ifndef KP_NET_TLS_H
#define KP_NET_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "net/conn.h"

/* ---- tickets ---- */

/* Keys that seal session tickets: in shared memory, so that what one worker seals any other opens. Made and
   turned by the master alone; never written to a file. */
struct tls_tickets;
struct tls_tickets *tls_tickets_new(void); /* NULL and errno */
struct tls_tickets *tls_tickets_attach(
	int fd); /* after an upgrade; NULL: of another layout. Takes fd over */
int tls_tickets_fd(const struct tls_tickets *t);
/* A new key when the newest is old (now: Unix time, s); the one before still opens. */
void tls_tickets_turn(struct tls_tickets *t, int64_t now);
void tls_tickets_free(struct tls_tickets *t);

/* ---- what a process has ---- */

struct tls;
struct tls_cert;

/* Who answers a client that asks for this name ("" when it asks for none; as sent)? NULL: the handshake is
   refused. The certificate is the callee's; the connection counts itself in. */
typedef struct tls_cert *tls_choose(void *user, struct str name);

/* tickets NULL: no resumption. h2: offer HTTP/2 to clients (ALPN). */
struct tls *tls_new(struct tls_tickets *tickets, bool h2);
void tls_set_choose(struct tls *t, tls_choose *choose, void *user);
void tls_free(struct tls *t);

/* ---- certificates ---- */

struct tls_source {
	const char *service; /* sessions of one service are not resumed for another */
	struct str pem;      /* private keys and certificates, in one text or … */
	struct str key;      /* … the keys apart */
	struct str
		client_ca; /* clients must show a certificate of one of these; "": none is asked for */
};
struct tls_facts {
	int64_t not_before, not_after; /* Unix time, s: the narrowest of its certificates */
	char issuer[128];              /* a name for a person */
};

/* Each private key must belong to a certificate; the certificates behind that one are its chain. One key of
   each kind (ECDSA, RSA) is used. NULL and why. */
struct tls_cert *tls_cert_load(struct tls *t, const struct tls_source *s, char *why, size_t size);
/* One of our own making, for as long as there is no other. NULL and why. */
struct tls_cert *tls_cert_make(struct tls *t, const struct tls_source *s, char *why, size_t size);
struct tls_cert *tls_cert_hold(struct tls_cert *c);
void tls_cert_drop(struct tls_cert *c); /* NULL is allowed */
const struct tls_facts *tls_cert_facts(const struct tls_cert *c);

/* May a connection that began with `had` carry a request for the service that has `has` now? (RFC 9110 15.5.20:
   421 otherwise.) It may when it is the same service, or the same certificate, with the same client_ca. */
bool tls_cert_serves(const struct tls_cert *had, const struct tls_cert *has);

/* ---- connections ---- */

/* A stream for the conn, set on it: a handshake comes first, driven by what is read. */
void tls_stream_start(struct tls *t, struct conn *c);
/* What the handshake chose; NULL before. */
const struct tls_cert *tls_stream_cert(const struct conn *c);
/* Is a handshake under way: begun, and not done? */
bool tls_stream_is_amid(const struct conn *c);
/* Does it speak HTTP/2 (ALPN)? */
bool tls_stream_is_h2(const struct conn *c);

#endif
