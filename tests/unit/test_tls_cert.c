/* What a PEM text may hold, what is wrong with it, and whom a certificate may answer for. */
#include "unit.h"

#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "net/tls.h"
#include "tls_pem.h"

static struct tls *tls;

static int up(void **state)
{
	(void)state;
	tls = tls_new(NULL, false);
	return 0;
}

static int down(void **state)
{
	(void)state;
	tls_free(tls);
	return 0;
}

static struct tls_cert *load(struct str pem, struct str key, const char *service)
{
	const struct tls_source s = {.service = service, .pem = pem, .key = key};
	char why[256] = "";
	struct tls_cert *c = tls_cert_load(tls, &s, why, sizeof(why));
	if (c == NULL)
		print_message("%s\n", why);
	assert_non_null(c);
	return c;
}

static void refuse(struct str pem, const char *message)
{
	const struct tls_source s = {.service = "blog", .pem = pem};
	char why[256] = "";
	assert_null(tls_cert_load(tls, &s, why, sizeof(why)));
	if (strstr(why, message) == NULL)
		fail_msg("got \"%s\", want \"%s\"", why, message);
}

static void key_and_certificate_in_one_text_or_two(void **state)
{
	struct buf key = {0}, cert = {0}, both = {0};
	EVP_PKEY *k = pem_key(false);
	X509 *x = pem_sign(k, "a.org", -1, 10);
	(void)state;
	pem_add_key(&key, k);
	pem_add_cert(&cert, x);
	buf_add(&both, buf_str(&cert));
	buf_append(&both, "some words between\n", 19);
	buf_add(&both, buf_str(&key));
	struct tls_cert *one = load(buf_str(&both), STR(""), "blog");
	struct tls_cert *two = load(buf_str(&cert), buf_str(&key), "shop");
	const struct tls_facts *f = tls_cert_facts(one);
	assert_string_equal(f->issuer, "a.org");
	assert_in_range(f->not_after, time(NULL) + 9 * 86400, time(NULL) + 11 * 86400);
	assert_true(f->not_before < time(NULL));
	assert_true(tls_cert_serves(one, two)); /* another service, but the same certificate */
	tls_cert_drop(one);
	tls_cert_drop(two);
	X509_free(x);
	EVP_PKEY_free(k);
	buf_free(&key);
	buf_free(&cert);
	buf_free(&both);
}

static void what_is_wrong_is_said(void **state)
{
	struct buf text = {0};
	EVP_PKEY *k = pem_key(false), *other = pem_key(false);
	X509 *x = pem_sign(k, "a.org", -1, 10);
	(void)state;
	refuse(STR(""), "no private key");
	refuse(STR("hello"), "no private key");
	pem_add_key(&text, other);
	refuse(buf_str(&text), "no certificate");
	pem_add_cert(&text, x);
	refuse(buf_str(&text), "does not belong");
	pem_add_key(&text, k);
	refuse(buf_str(&text), "does not belong"); /* one key too many is one too many */
	buf_clear(&text);
	pem_add_cert(&text, x);
	pem_add_key(&text, k);
	for (size_t n = 28; n < buf_used(&text) - 1; n += 7) {
		const struct tls_source s = {.service = "blog",
					     .pem = str_make(text.data + text.head, n)};
		char why[256] = "";
		struct tls_cert *c = tls_cert_load(tls, &s, why, sizeof(why));
		assert_null(c);
		assert_true(why[0] != '\0');
	}
	refuse(STR("-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE "
		   "KEY-----\n"),
	       "passphrase");
	refuse(STR("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), "broken");
	X509_free(x);
	EVP_PKEY_free(k);
	EVP_PKEY_free(other);
	buf_free(&text);
}

static void two_kinds_for_one_name(void **state)
{
	struct buf text = {0};
	(void)state;
	pem_add_pair(&text, "a.org", false);
	pem_add_pair(&text, "a.org", true);
	tls_cert_drop(load(buf_str(&text), STR(""), "blog"));
	buf_free(&text);
}

static void whom_it_may_answer_for(void **state)
{
	struct buf one = {0}, two = {0};
	char why[256];
	(void)state;
	pem_add_pair(&one, "a.org", false);
	pem_add_pair(&two, "a.org", false);
	struct tls_cert *old = load(buf_str(&one), STR(""), "blog"),
			*renewed = load(buf_str(&two), STR(""), "blog"),
			*shop = load(buf_str(&two), STR(""), "shop");
	struct tls_source s = {.service = "blog", .pem = buf_str(&one), .client_ca = buf_str(&two)};
	struct tls_cert *guarded = tls_cert_load(tls, &s, why, sizeof(why));
	assert_non_null(guarded);
	assert_true(tls_cert_serves(old, renewed)); /* a service's own, renewed */
	assert_true(tls_cert_serves(renewed, shop));
	assert_false(tls_cert_serves(old, shop));
	assert_false(tls_cert_serves(old, guarded));
	s.client_ca = STR("nonsense");
	assert_null(tls_cert_load(tls, &s, why, sizeof(why)));
	assert_non_null(strstr(why, "tls_client_ca"));
	const struct tls_source own = {.service = "x"};
	struct tls_cert *made = tls_cert_make(tls, &own, why, sizeof(why));
	assert_non_null(made);
	tls_cert_drop(tls_cert_hold(made));
	tls_cert_drop(made);
	tls_cert_drop(old);
	tls_cert_drop(renewed);
	tls_cert_drop(shop);
	tls_cert_drop(guarded);
	buf_free(&one);
	buf_free(&two);
}

static void keys_of_tickets_outlive_their_process(void **state)
{
	(void)state;
	struct tls_tickets *t = tls_tickets_new();
	assert_non_null(t);
	tls_tickets_turn(t, 1000000);
	tls_tickets_turn(t, 1000001);
	tls_tickets_turn(t, 1100000);
	int fd = dup(tls_tickets_fd(t));
	tls_tickets_free(t);
	t = tls_tickets_attach(fd);
	assert_non_null(t);
	tls_tickets_free(t);
	assert_null(tls_tickets_attach(memfd_create("other", 0)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(key_and_certificate_in_one_text_or_two),
		cmocka_unit_test(what_is_wrong_is_said),
		cmocka_unit_test(two_kinds_for_one_name),
		cmocka_unit_test(whom_it_may_answer_for),
		cmocka_unit_test(keys_of_tickets_outlive_their_process),
	};
	return cmocka_run_group_tests(tests, up, down);
}
