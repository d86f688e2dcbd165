/* tls_cert: from PEM text to a context that handshakes can use, whole or not at all. */
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <time.h>

#include "base/mem.h"
#include "tls_internal.h"

#define ITEMS_MAX 64 /* keys or certificates in one text */
#define OWN_DAYS 30

/* What a PEM text holds, in its order. */
struct bundle {
	EVP_PKEY *key[ITEMS_MAX];
	X509 *cert[ITEMS_MAX];
	const EVP_PKEY *key_of[ITEMS_MAX]; /* of cert[i]; NULL: it is part of a chain */
	size_t nkeys, ncerts;
};

static bool fail(char *why, size_t size, const char *text, const char *more)
{
	snprintf(why, size, "%s%s", text, more);
	return false;
}

static void bundle_free(struct bundle *b)
{
	for (size_t i = 0; i < b->nkeys; i++)
		EVP_PKEY_free(b->key[i]);
	for (size_t i = 0; i < b->ncerts; i++)
		X509_free(b->cert[i]);
}

/* ---- reading ---- */

static bool add_block(struct bundle *b, const char *name, const char *header,
		      const unsigned char *data, long len, char *why, size_t size)
{
	struct str type = str_of(name);
	bool is_cert = str_eq(type, STR(PEM_STRING_X509)) || str_eq(type, STR(PEM_STRING_X509_OLD));
	if (!is_cert && !str_has_suffix(type, STR("PRIVATE KEY")))
		return true; /* parameters and the like */
	if (b->nkeys == ITEMS_MAX || b->ncerts == ITEMS_MAX)
		return fail(why, size, "too many keys or certificates in it", "");
	if (is_cert) {
		b->cert[b->ncerts] = d2i_X509(NULL, &data, len);
		if (b->cert[b->ncerts] == NULL)
			return fail(why, size, "a certificate in it is broken: ", tls_reason());
		b->ncerts++;
		return true;
	}
	if (strstr(header, "ENCRYPTED") != NULL || str_has_prefix(type, STR("ENCRYPTED")))
		return fail(why, size, "the private key has a passphrase; ",
			    "write it without one: openssl pkey -in OLD -out NEW");
	b->key[b->nkeys] = d2i_AutoPrivateKey(NULL, &data, len);
	if (b->key[b->nkeys] == NULL)
		return fail(why, size, "the private key in it is broken: ", tls_reason());
	b->nkeys++;
	return true;
}

static bool add_text(struct bundle *b, struct str text, char *why, size_t size)
{
	char *name, *header;
	unsigned char *data;
	long len;
	bool ok = true;
	if (text.n == 0)
		return true;
	BIO *bio = BIO_new_mem_buf(text.p, (int)text.n);
	if (bio == NULL)
		abort();
	ERR_clear_error();
	while (ok && PEM_read_bio(bio, &name, &header, &data, &len) == 1) {
		ok = add_block(b, name, header, data, len, why, size);
		OPENSSL_free(name);
		OPENSSL_free(header);
		OPENSSL_clear_free(data, (size_t)len);
	}
	unsigned long err = ERR_peek_last_error();
	if (ok && ERR_GET_REASON(err) != PEM_R_NO_START_LINE)
		ok = fail(why, size, "it is no PEM text, or not whole: ", tls_reason());
	ERR_clear_error();
	BIO_free(bio);
	return ok;
}

/* Which certificates are ours, and which only stand in a chain? */
static bool match_keys(struct bundle *b, char *why, size_t size)
{
	if (b->nkeys == 0)
		return fail(why, size, "there is no private key in it", "");
	if (b->ncerts == 0)
		return fail(why, size, "there is no certificate in it", "");
	for (size_t k = 0; k < b->nkeys; k++) {
		size_t i = 0;
		while (i < b->ncerts && X509_check_private_key(b->cert[i], b->key[k]) != 1)
			i++;
		ERR_clear_error();
		if (i == b->ncerts)
			return fail(why, size, "the private key does not belong to the certificate",
				    "");
		b->key_of[i] = b->key[k];
	}
	return true;
}

/* ---- what it says ---- */

static int64_t unix_time(const ASN1_TIME *t)
{
	struct tm tm;
	return ASN1_TIME_to_tm(t, &tm) == 1 ? (int64_t)timegm(&tm) : 0;
}

static void note_issuer(struct tls_facts *f, const X509 *x)
{
	X509_NAME *name = X509_get_issuer_name(x);
	char cn[64] = "", org[48] = "";
	X509_NAME_get_text_by_NID(name, NID_commonName, cn, sizeof(cn));
	X509_NAME_get_text_by_NID(name, NID_organizationName, org, sizeof(org));
	snprintf(f->issuer, sizeof(f->issuer), "%s%s%s", org, org[0] && cn[0] ? " " : "", cn);
	for (char *p = f->issuer; *p != '\0'; p++) {
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			*p = '?';
	}
}

static void note_facts(struct tls_facts *f, const X509 *x)
{
	int64_t from = unix_time(X509_get0_notBefore(x)), to = unix_time(X509_get0_notAfter(x));
	if (f->issuer[0] == '\0')
		note_issuer(f, x);
	f->not_before = from > f->not_before ? from : f->not_before;
	f->not_after = f->not_after == 0 || to < f->not_after ? to : f->not_after;
}

static void hash(struct str text, const uint8_t *more, size_t n, uint8_t out[TLS_ID])
{
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	if (md == NULL || EVP_DigestInit_ex(md, EVP_sha256(), NULL) != 1 ||
	    EVP_DigestUpdate(md, text.p, text.n) != 1 || EVP_DigestUpdate(md, more, n) != 1 ||
	    EVP_DigestFinal_ex(md, out, NULL) != 1)
		abort();
	EVP_MD_CTX_free(md);
}

/* ---- the context ---- */

/* The certificates behind it, up to the next of ours. */
static bool use_pair(struct tls_cert *c, const struct bundle *b, size_t i, char *why, size_t size)
{
	STACK_OF(X509) *chain = sk_X509_new_null();
	unsigned char id[TLS_ID];
	for (size_t k = i + 1; k < b->ncerts && b->key_of[k] == NULL; k++)
		sk_X509_push(chain, b->cert[k]);
	EVP_PKEY *key = (EVP_PKEY *)b->key_of[i];
	bool ok = SSL_CTX_use_cert_and_key(c->ctx, b->cert[i], key, chain, 1) == 1;
	sk_X509_free(chain);
	if (!ok)
		return fail(why, size, "it cannot be used: ", tls_reason());
	if (X509_digest(b->cert[i], EVP_sha256(), id, NULL) != 1)
		abort();
	hash(str_make((const char *)c->leaf_id, TLS_ID), id, TLS_ID, c->leaf_id);
	note_facts(&c->facts, b->cert[i]);
	return true;
}

static bool use_client_ca(struct tls_cert *c, struct str text, char *why, size_t size)
{
	struct bundle b = {0};
	char reason[160];
	bool ok = add_text(&b, text, reason, sizeof(reason));
	if (ok && b.ncerts == 0)
		ok = fail(reason, sizeof(reason), "there is no certificate in it", "");
	if (!ok)
		fail(why, size, "tls_client_ca: ", reason);
	for (size_t i = 0; ok && i < b.ncerts; i++) {
		X509_STORE_add_cert(SSL_CTX_get_cert_store(c->ctx), b.cert[i]);
		SSL_CTX_add_client_CA(c->ctx, b.cert[i]);
	}
	bundle_free(&b);
	c->asks_client = true;
	return ok;
}

static struct tls_cert *cert_of(struct tls *t, const struct tls_source *s, const struct bundle *b,
				char *why, size_t size)
{
	struct tls_cert *c = mem_new(struct tls_cert);
	bool ok = true;
	c->refs = 1;
	c->ctx = tls_context(t);
	str_copy(c->service, sizeof(c->service), str_of(s->service));
	hash(s->client_ca, NULL, 0, c->ca_id);
	hash(str_of(s->service), c->ca_id, TLS_ID, c->session_id);
	for (size_t i = 0; ok && i < b->ncerts; i++) {
		if (b->key_of[i] != NULL)
			ok = use_pair(c, b, i, why, size);
	}
	if (ok && s->client_ca.n != 0)
		ok = use_client_ca(c, s->client_ca, why, size);
	if (ok)
		return c;
	tls_cert_drop(c);
	return NULL;
}

struct tls_cert *tls_cert_load(struct tls *t, const struct tls_source *s, char *why, size_t size)
{
	struct bundle b = {0};
	struct tls_cert *c = NULL;
	if (add_text(&b, s->pem, why, size) && add_text(&b, s->key, why, size) &&
	    match_keys(&b, why, size))
		c = cert_of(t, s, &b, why, size);
	bundle_free(&b);
	return c;
}

/* ---- one of our own ---- */

static X509 *sign_own(EVP_PKEY *key)
{
	static const unsigned char name[] = "kamal-proxy: no certificate yet";
	X509 *x = X509_new();
	if (x == NULL)
		return NULL;
	X509_NAME *n = X509_get_subject_name(x);
	bool ok = X509_set_version(x, X509_VERSION_3) == 1 &&
		  ASN1_INTEGER_set_int64(X509_get_serialNumber(x), (int64_t)time(NULL)) == 1 &&
		  X509_gmtime_adj(X509_getm_notBefore(x), -3600) != NULL &&
		  X509_gmtime_adj(X509_getm_notAfter(x), OWN_DAYS * 86400L) != NULL &&
		  X509_NAME_add_entry_by_NID(n, NID_commonName, MBSTRING_UTF8, name, -1, -1, 0) ==
			  1 &&
		  X509_set_issuer_name(x, n) == 1 && X509_set_pubkey(x, key) == 1 &&
		  X509_sign(x, key, EVP_sha256()) > 0;
	if (ok)
		return x;
	X509_free(x);
	return NULL;
}

struct tls_cert *tls_cert_make(struct tls *t, const struct tls_source *s, char *why, size_t size)
{
	if (t->own_key == NULL)
		t->own_key = EVP_EC_gen("P-256");
	if (t->own_cert == NULL && t->own_key != NULL)
		t->own_cert = sign_own(t->own_key);
	if (t->own_cert == NULL) {
		fail(why, size, "no certificate can be made: ", tls_reason());
		return NULL;
	}
	const struct bundle b = {.cert = {t->own_cert}, .key_of = {t->own_key}, .ncerts = 1};
	return cert_of(t, s, &b, why, size);
}

/* ---- life ---- */

struct tls_cert *tls_cert_hold(struct tls_cert *c)
{
	c->refs++;
	return c;
}

void tls_cert_drop(struct tls_cert *c)
{
	if (c == NULL || --c->refs != 0)
		return;
	SSL_CTX_free(c->ctx);
	mem_free(c);
}

const struct tls_facts *tls_cert_facts(const struct tls_cert *c)
{
	return &c->facts;
}

bool tls_cert_serves(const struct tls_cert *had, const struct tls_cert *has)
{
	if (memcmp(had->ca_id, has->ca_id, TLS_ID) != 0)
		return false;
	return strcmp(had->service, has->service) == 0 ||
	       memcmp(had->leaf_id, has->leaf_id, TLS_ID) == 0;
}
