/* Keys and certificates for tests, as PEM text. */
#ifndef KP_TESTS_TLS_PEM_H
#define KP_TESTS_TLS_PEM_H

#include <openssl/pem.h>
#include <openssl/x509.h>

#include "base/buf.h"

static inline EVP_PKEY *pem_key(bool rsa)
{
	EVP_PKEY *key = rsa ? EVP_RSA_gen(2048) : EVP_EC_gen("P-256");
	assert_non_null(key);
	return key;
}

/* Self-signed, from days `from` to `to` of today. */
static inline X509 *pem_sign(EVP_PKEY *key, const char *name, long from, long to)
{
	X509 *x = X509_new();
	X509_NAME *n = X509_get_subject_name(x);

	X509_set_version(x, X509_VERSION_3);
	X509_gmtime_adj(X509_getm_notBefore(x), from * 86400);
	X509_gmtime_adj(X509_getm_notAfter(x), to * 86400);
	X509_NAME_add_entry_by_NID(n, NID_commonName, MBSTRING_UTF8, (const unsigned char *)name,
				   -1, -1, 0);
	X509_set_issuer_name(x, n);
	X509_set_pubkey(x, key);
	assert_true(X509_sign(x, key, EVP_sha256()) > 0);
	return x;
}

static inline void pem_take(struct buf *to, BIO *b)
{
	char *p;
	long n = BIO_get_mem_data(b, &p);

	buf_append(to, p, (size_t)n);
	BIO_free(b);
}

static inline void pem_add_key(struct buf *to, EVP_PKEY *key)
{
	BIO *b = BIO_new(BIO_s_mem());

	assert_int_equal(PEM_write_bio_PrivateKey(b, key, NULL, NULL, 0, NULL, NULL), 1);
	pem_take(to, b);
}

static inline void pem_add_cert(struct buf *to, X509 *x)
{
	BIO *b = BIO_new(BIO_s_mem());

	assert_int_equal(PEM_write_bio_X509(b, x), 1);
	pem_take(to, b);
}

/* A key and its certificate. */
static inline void pem_add_pair(struct buf *to, const char *name, bool rsa)
{
	EVP_PKEY *key = pem_key(rsa);
	X509 *x = pem_sign(key, name, -1, 10);

	pem_add_key(to, key);
	pem_add_cert(to, x);
	X509_free(x);
	EVP_PKEY_free(key);
}

#endif
