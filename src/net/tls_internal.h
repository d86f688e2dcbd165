/* tls, seen from inside its files: tls.c (contexts, names), tls_cert.c, tls_ticket.c, tls_stream.c. */
#ifndef KP_NET_TLS_INTERNAL_H
#define KP_NET_TLS_INTERNAL_H

#include <openssl/ssl.h>

#include "net/tls.h"

#define TLS_ID 32 /* bytes of a fingerprint (SHA-256) */

struct tls_cert {
	SSL_CTX *ctx;
	unsigned refs;
	struct tls_facts facts;
	uint8_t session_id[TLS_ID]; /* of service and client_ca */
	uint8_t leaf_id[TLS_ID];    /* of the certificates themselves */
	uint8_t ca_id[TLS_ID];      /* of client_ca */
	bool asks_client;
	char service[64];
};

struct tls {
	SSL_CTX *ctx; /* connections begin with it */
	struct tls_tickets *tickets;
	tls_choose *choose;
	void *user;
	BIO_METHOD *bio;
	char *in;          /* TLS_ROOM: what was just received */
	char *out;         /* TLS_ROOM: what is to be sent at once */
	size_t used;       /* of out; 0 but within a call */
	EVP_PKEY *own_key; /* of tls_cert_make; NULL: none was asked for */
	X509 *own_cert;
	bool h2;
};

#define TLS_ROOM (160 * 1024) /* a read's or a piece's ciphertext, records' overhead included */

/* tls.c: a context with everything set that all have in common. */
SSL_CTX *tls_context(struct tls *t);

/* tls_stream.c */
BIO_METHOD *tls_stream_bio(void);
/* The certificate that the handshake has chosen: the stream counts itself in. */
void tls_stream_chose(SSL *ssl, struct tls_cert *c);
/* OpenSSL's message callback. */
void tls_stream_heard(int out, int version, int type, const void *p, size_t n, SSL *ssl, void *arg);

struct tls *tls_of(SSL *ssl);

/* tls_ticket.c */
int tls_ticket_key(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
		   EVP_MAC_CTX *mac, int sealing);
#define TLS_SESSION_SECONDS (12 * 3600)

/* The reason of OpenSSL's oldest error; the queue is empty then. */
const char *tls_reason(void);

#endif
