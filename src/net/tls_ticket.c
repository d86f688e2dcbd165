/* tls_ticket: the keys of session tickets, in memory that master and workers share. A slot is written once and
 * then named the newest; the one that is written over has been of no use for a whole turn. */
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/mem.h"
#include "tls_internal.h"

#define KEYS 3
#define MAGIC UINT32_C(0x6b707401) /* the layout */
#define NAME_SIZE 16
#define SECRET_SIZE 32
#define IV_SIZE 16

struct ticket_key {
	int64_t made; /* Unix time, s; 0: never */
	uint8_t name[NAME_SIZE], cipher[SECRET_SIZE], mac[SECRET_SIZE];
};

struct shared {
	uint32_t magic;
	_Atomic uint32_t newest;
	struct ticket_key key[KEYS];
};

struct tls_tickets {
	struct shared *shared;
	int fd;
};

static struct tls_tickets *map(int fd)
{
	struct shared *s = mmap(NULL, sizeof(*s), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (s == MAP_FAILED)
		return NULL;
	/* Neither swapped out nor part of a core, where the system allows it. */
	(void)mlock(s, sizeof(*s));
	(void)madvise(s, sizeof(*s), MADV_DONTDUMP);
	struct tls_tickets *t = mem_new(struct tls_tickets);
	t->shared = s;
	t->fd = fd;
	return t;
}

struct tls_tickets *tls_tickets_new(void)
{
	int fd = memfd_create("kamal-proxy-tickets", MFD_CLOEXEC);
	if (fd < 0)
		return NULL;
	struct tls_tickets *t = ftruncate(fd, sizeof(struct shared)) == 0 ? map(fd) : NULL;
	if (t == NULL)
		close(fd);
	else
		t->shared->magic = MAGIC;
	return t;
}

struct tls_tickets *tls_tickets_attach(int fd)
{
	bool fits = lseek(fd, 0, SEEK_END) == (off_t)sizeof(struct shared);
	struct tls_tickets *t = fits ? map(fd) : NULL;
	if (t == NULL) {
		close(fd);
		return NULL;
	}
	if (t->shared->magic == MAGIC)
		return t;
	tls_tickets_free(t);
	return NULL;
}

int tls_tickets_fd(const struct tls_tickets *t)
{
	return t->fd;
}

void tls_tickets_turn(struct tls_tickets *t, int64_t now)
{
	struct shared *s = t->shared;
	uint32_t newest = atomic_load(&s->newest) % KEYS;
	int64_t age = now - s->key[newest].made;
	if (s->key[newest].made != 0 && age >= 0 && age < TLS_SESSION_SECONDS)
		return;
	uint32_t next = (newest + 1) % KEYS;
	struct ticket_key k = {.made = now};
	if (RAND_bytes(k.name, NAME_SIZE) != 1 || RAND_priv_bytes(k.cipher, SECRET_SIZE) != 1 ||
	    RAND_priv_bytes(k.mac, SECRET_SIZE) != 1)
		return;
	s->key[next] = k;
	atomic_store(&s->newest, next);
	OPENSSL_cleanse(&k, sizeof(k));
}

void tls_tickets_free(struct tls_tickets *t)
{
	if (t == NULL)
		return;
	munmap(t->shared, sizeof(*t->shared));
	close(t->fd);
	mem_free(t);
}

static bool set_mac(EVP_MAC_CTX *mac, struct ticket_key *k)
{
	const OSSL_PARAM params[] = {
		OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, k->mac, SECRET_SIZE),
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char[]){"SHA256"}, 0),
		OSSL_PARAM_construct_end(),
	};
	return EVP_MAC_CTX_set_params(mac, params) == 1;
}

static int seal(struct ticket_key *k, unsigned char *name, unsigned char *iv,
		EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac)
{
	if (k->made == 0 || RAND_bytes(iv, IV_SIZE) != 1)
		return 0; /* no ticket this time */
	memcpy(name, k->name, NAME_SIZE);
	bool ok = EVP_EncryptInit_ex2(cipher, EVP_aes_256_cbc(), k->cipher, iv, NULL) == 1 &&
		  set_mac(mac, k);
	return ok ? 1 : -1;
}

int tls_ticket_key(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
		   EVP_MAC_CTX *mac, int sealing)
{
	const struct tls *t = tls_of(ssl);
	struct shared *s = t->tickets->shared;
	uint32_t newest = atomic_load(&s->newest) % KEYS;
	if (sealing)
		return seal(&s->key[newest], name, iv, cipher, mac);
	for (uint32_t i = 0; i < KEYS; i++) {
		struct ticket_key *k = &s->key[i];
		if (k->made == 0 || memcmp(k->name, name, NAME_SIZE) != 0)
			continue;
		bool ok = EVP_DecryptInit_ex2(cipher, EVP_aes_256_cbc(), k->cipher, iv, NULL) ==
				  1 &&
			  set_mac(mac, k);
		return !ok ? -1 : i == newest ? 1 : 2; /* 2: and seal it anew */
	}
	return 0;
}
