/* A client of TLS 1.2 that asks over and over to renegotiate and reads none of the refusals. OpenSSL's own client
 * asks once, so the records are sealed here. */
#include "unit.h"

#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/tls.h"

#define RECORD 33 /* head, explicit nonce, an empty hello, tag */

static struct {
	struct ev_loop *loop;
	struct conn conn;
	struct tls_cert *cert;
	SSL *ssl;
	int other;
	int errors;
	size_t got;
	uint8_t keys[40]; /* client's key, server's key, client's salt, server's salt */
	uint64_t sequence;
} rig;

static size_t on_data(struct conn *c, struct slice in)
{
	(void)c;
	rig.got += in.n;
	return in.n;
}

static void on_error(struct conn *c, int err)
{
	(void)c;
	assert_int_equal(err, EPROTO);
	rig.errors++;
}

static void on_other(struct conn *c)
{
	(void)c;
}

static const struct conn_events events = {
	.data = on_data,
	.eof = on_other,
	.drained = on_other,
	.error = on_error,
	.closed = on_other,
};

static struct tls_cert *choose(void *user, struct str name)
{
	(void)user;
	(void)name;
	return rig.cert;
}

static void shake(void)
{
	for (int i = 0; i < 20 && SSL_do_handshake(rig.ssl) != 1; i++)
		ev_run(rig.loop, EVRUN_NOWAIT);
	assert_true(SSL_is_init_finished(rig.ssl));
	rig.sequence = 1; /* its Finished was the first */
}

/* RFC 5246 6.3 */
static void derive_keys(void)
{
	uint8_t master[48], seed[13 + 64] = "key expansion";
	EVP_KDF *prf = EVP_KDF_fetch(NULL, "TLS1-PRF", NULL);
	EVP_KDF_CTX *ctx = EVP_KDF_CTX_new(prf);
	char digest[] = "SHA256";

	SSL_SESSION_get_master_key(SSL_get_session(rig.ssl), master, sizeof(master));
	SSL_get_server_random(rig.ssl, seed + 13, 32);
	SSL_get_client_random(rig.ssl, seed + 45, 32);
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SECRET, master, sizeof(master)),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SEED, seed, sizeof(seed)),
		OSSL_PARAM_construct_end(),
	};
	assert_int_equal(EVP_KDF_derive(ctx, rig.keys, sizeof(rig.keys), params), 1);
	EVP_KDF_CTX_free(ctx);
	EVP_KDF_free(prf);
}

/* RFC 5288 3: a hello that says nothing. */
static void seal_hello(uint8_t *to)
{
	static const uint8_t hello[4] = {SSL3_MT_CLIENT_HELLO};
	uint8_t aad[13] = {[8] = SSL3_RT_HANDSHAKE, 3, 3, 0, sizeof(hello)}, nonce[12];
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	int n;

	for (int i = 0; i < 8; i++)
		aad[i] = (uint8_t)(rig.sequence >> (56 - 8 * i));
	rig.sequence++;
	memcpy(nonce, rig.keys + 32, 4);
	memcpy(nonce + 4, aad, 8);
	memcpy(to, (uint8_t[]){SSL3_RT_HANDSHAKE, 3, 3, 0, RECORD - 5}, 5);
	memcpy(to + 5, aad, 8);
	EVP_EncryptInit_ex(ctx, EVP_aes_128_gcm(), NULL, rig.keys, nonce);
	EVP_EncryptUpdate(ctx, NULL, &n, aad, sizeof(aad));
	EVP_EncryptUpdate(ctx, to + 13, &n, hello, sizeof(hello));
	EVP_EncryptFinal_ex(ctx, to + 17, &n);
	EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_GET_TAG, 16, to + 17);
	EVP_CIPHER_CTX_free(ctx);
}

static void flood(int hellos)
{
	uint8_t record[RECORD];

	for (int i = 0; i < hellos && rig.errors == 0; i++) {
		seal_hello(record);
		assert_int_equal(send(rig.other, record, sizeof(record), MSG_NOSIGNAL), RECORD);
		ev_run(rig.loop, EVRUN_NOWAIT);
	}
}

static void refusals_that_nobody_reads(void **state)
{
	(void)state;
	shake();
	derive_keys();
	flood(10);
	assert_int_equal(rig.errors, 0);
	flood(100000);
	assert_int_equal(rig.errors, 1);
	assert_true(conn_unsent(&rig.conn) < 300 * 1024);
	assert_int_equal(rig.got, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(refusals_that_nobody_reads)};
	const struct tls_source own = {.service = "blog"};
	struct tls *tls = tls_new(NULL, true);
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	struct conn_io io;
	char why[128];
	int fd[2];

	rig.loop = ev_loop_new(EVFLAG_AUTO);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd) < 0)
		return 1;
	tls_set_choose(tls, choose, NULL);
	rig.cert = tls_cert_make(tls, &own, why, sizeof(why));
	conn_io_init(&io, rig.loop);
	conn_init(&rig.conn, &io, fd[0], &events);
	tls_stream_start(tls, &rig.conn);
	SSL_CTX_set_max_proto_version(ctx, TLS1_2_VERSION);
	rig.ssl = SSL_new(ctx);
	rig.other = fd[1];
	SSL_set_cipher_list(rig.ssl, "ECDHE-ECDSA-AES128-GCM-SHA256");
	SSL_set_fd(rig.ssl, rig.other);
	SSL_set_connect_state(rig.ssl);
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	conn_close(&rig.conn);
	SSL_free(rig.ssl);
	SSL_CTX_free(ctx);
	tls_cert_drop(rig.cert);
	tls_free(tls);
	conn_io_fini(&io);
	ev_loop_destroy(rig.loop);
	close(rig.other);
	return failed;
}
