/* tls: the contexts, with the choices that all connections have in common, and the first look at a client's
 * hello, which decides whose certificate answers. */
#include <openssl/err.h>

#include "base/mem.h"
#include "tls_internal.h"

/* Mozilla's "intermediate" without DHE. AES-128 first: it costs a third less than AES-256; clients without AES in
   hardware say so by naming ChaCha20 first, and get it. */
#define CIPHERS_12                                                                                 \
	"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"                               \
	"ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"                               \
	"ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
#define CIPHERS_13 "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"
#define GROUPS "X25519:P-256:P-384"

#define OPTIONS                                                                                    \
	(SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE |       \
	 SSL_OP_PRIORITIZE_CHACHA)
#define MODES                                                                                      \
	(SSL_MODE_RELEASE_BUFFERS | SSL_MODE_NO_AUTO_CHAIN | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER)

const char *tls_reason(void)
{
	const char *reason = ERR_reason_error_string(ERR_peek_error());
	ERR_clear_error();
	return reason == NULL ? "not understood" : reason;
}

/* Lengths are one byte each, as ALPN has them. */
static bool has_protocol(struct str list, struct str name)
{
	while (list.n > 0) {
		size_t n = (uint8_t)list.p[0];
		if (n >= list.n)
			return false;
		if (str_eq(str_make(list.p + 1, n), name))
			return true;
		list = str_make(list.p + 1 + n, list.n - 1 - n);
	}
	return false;
}

/* What a client names alone and nobody here speaks ends the handshake (RFC 7301 3.2): another protocol's client
   must not be answered in this one. */
static int on_alpn(SSL *ssl, const unsigned char **out, unsigned char *len, const unsigned char *in,
		   unsigned in_len, void *arg)
{
	static const struct str http1 = {.p = "http/1.1", .n = 8}, http2 = {.p = "h2", .n = 2};
	const struct tls *t = tls_of(
		ssl); /* the context may be one that another process has made */
	struct str list = str_make((const char *)in, in_len);
	const struct str *chosen = &http1;
	(void)arg;
	if (t->h2 && has_protocol(list, http2))
		chosen = &http2;
	else if (!has_protocol(list, http1))
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	*out = (const unsigned char *)chosen->p;
	*len = (unsigned char)chosen->n;
	return SSL_TLSEXT_ERR_OK;
}

/* The name was dealt with in the hello; this says so to the client. */
/* NOLINTNEXTLINE(readability-non-const-parameter): OpenSSL's own type */
static int on_name(SSL *ssl, int *alert, void *arg)
{
	(void)ssl;
	(void)alert;
	(void)arg;
	return SSL_TLSEXT_ERR_OK;
}

/* RFC 6066 3: a list of one host name. */
static bool asked_name(SSL *ssl, struct str *name)
{
	const unsigned char *p;
	size_t n;
	*name = STR("");
	if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &p, &n) == 0)
		return true;
	if (n < 5 || p[2] != TLSEXT_NAMETYPE_host_name)
		return false;
	size_t list = (size_t)p[0] << 8 | p[1], len = (size_t)p[3] << 8 | p[4];
	if (list != n - 2 || len == 0 || len > n - 5)
		return false;
	*name = str_make((const char *)p + 5, len);
	return true;
}

/* Before anything else is looked at, a session to resume included: sessions are a service's own. */
static int on_hello(SSL *ssl, int *alert, void *arg)
{
	const struct tls *t = arg;
	struct str name;
	if (!asked_name(ssl, &name)) {
		*alert = SSL_AD_DECODE_ERROR;
		return SSL_CLIENT_HELLO_ERROR;
	}
	struct tls_cert *c = t->choose == NULL ? NULL : t->choose(t->user, name);
	if (c == NULL) {
		*alert = SSL_AD_UNRECOGNIZED_NAME;
		return SSL_CLIENT_HELLO_ERROR;
	}
	tls_stream_chose(ssl, c);
	SSL_set_SSL_CTX(ssl, c->ctx);
	SSL_set_session_id_context(ssl, c->session_id, TLS_ID);
	if (c->asks_client)
		SSL_set_verify(ssl, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	return SSL_CLIENT_HELLO_SUCCESS;
}

SSL_CTX *tls_context(struct tls *t)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	if (ctx == NULL)
		abort();
	SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
	SSL_CTX_set_cipher_list(ctx, CIPHERS_12);
	SSL_CTX_set_ciphersuites(ctx, CIPHERS_13);
	SSL_CTX_set1_groups_list(ctx, GROUPS);
	SSL_CTX_set_options(ctx, OPTIONS);
	SSL_CTX_set_mode(ctx, MODES);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_timeout(ctx, TLS_SESSION_SECONDS);
	SSL_CTX_set_alpn_select_cb(ctx, on_alpn, NULL);
	SSL_CTX_set_tlsext_servername_callback(ctx, on_name);
	SSL_CTX_set_msg_callback(ctx, tls_stream_heard);
	if (t->tickets == NULL) {
		SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
		SSL_CTX_set_num_tickets(ctx, 0);
	} else {
		SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, tls_ticket_key);
		SSL_CTX_set_num_tickets(ctx, 1); /* each costs a seventh of a handshake */
	}
	return ctx;
}

struct tls *tls_new(struct tls_tickets *tickets, bool h2)
{
	struct tls *t = mem_new(struct tls);
	t->tickets = tickets;
	t->h2 = h2;
	t->bio = tls_stream_bio();
	t->in = mem_alloc(TLS_ROOM);
	t->out = mem_alloc(TLS_ROOM);
	t->ctx = tls_context(t);
	SSL_CTX_set_client_hello_cb(t->ctx, on_hello, t);
	return t;
}

void tls_set_choose(struct tls *t, tls_choose *choose, void *user)
{
	t->choose = choose;
	t->user = user;
}

void tls_free(struct tls *t)
{
	if (t == NULL)
		return;
	SSL_CTX_free(t->ctx);
	X509_free(t->own_cert);
	EVP_PKEY_free(t->own_key);
	BIO_meth_free(t->bio);
	mem_free(t->in);
	mem_free(t->out);
	mem_free(t);
}
