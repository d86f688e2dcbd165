/* cert: the certificate of one service in one process: tls.pem in its directory, or the files that its settings
 * name. Read when a handshake needs it, or before that in the background, a few at a time: ten thousand of them
 * would cost seconds and 250 MB at once. What cannot be used never replaces what can: broken, not belonging
 * together, unreadable, readable by others, expired. Files outside of the directory are looked at every 2 s.
 *
 * A service that has none yet answers with one of our own making, which no client trusts. */
#ifndef KP_SERVICE_CERT_H
#define KP_SERVICE_CERT_H

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "files/settings.h"
#include "files/tree.h"
#include "net/tls.h"

#define CERT_KEPT_MAX                                                                              \
	1000 /* read in the background and kept; beyond that a handshake has to ask for it */
#define CERT_TEXT_MAX 1024

struct cert;

/* What all certs of a registry share. */
struct cert_book {
	struct tls *tls;      /* NULL: nobody shakes hands here, and nothing is read */
	struct ev_loop *loop; /* NULL: a command: each is read at once */
	bool surveys;         /* the master: reads all, to know what is wrong with them */
	/* What cert_describe says has changed; surveys only. */
	void (*changed)(struct cert *c);
	struct list waiting; /* to be read in the background */
	struct list polled;  /* to be looked at now and then */
	struct tls_cert *nobody;
	size_t npolled, kept;
	ev_timer work, tick;
};

void cert_book_init(struct cert_book *b, struct tls *tls, struct ev_loop *loop, bool surveys);
void cert_book_fini(struct cert_book *b);
/* For a host that has no TLS, where nobody has any. NULL when none can be made. */
struct tls_cert *cert_book_nobody(struct cert_book *b);

enum cert_file { CERT_CHAIN, CERT_KEY, CERT_CLIENT_CA, CERT_FILES };

/* Embedded in its service. */
struct cert {
	struct cert_book *book;
	const char *service;
	struct list waiting, polled;
	char *path[CERT_FILES];          /* NULL: there is no such file */
	struct file_id want[CERT_FILES]; /* as the files are; ino 0: absent */
	struct file_id seen[CERT_FILES]; /* as they were when last read */
	struct tls_cert *in_force, *own;
	struct tls_facts facts; /* of what is good; not_after 0: nothing is */
	char *client_ca;        /* NULL: none; for what we make ourselves */
	char *error;            /* why newer files are not in force; NULL: they are */
	bool is_on, outside;    /* tls; files that no event tells of */
	bool open_to_all;       /* client_ca is as the settings want it: known, or none */
	bool expired;           /* as last said */
	bool told;              /* the log has said something of it */
	bool looked;            /* the files were read, whatever came of it */
};

void cert_init(struct cert *c, struct cert_book *b, const char *service);
void cert_fini(struct cert *c);
/* The settings, or tls.pem, may have changed. elder: the same service's in the master that this process was
   forked from, whose files need not be read again; NULL: none. */
void cert_update(struct cert *c, const struct site *site, const struct service_settings *s,
		 const struct cert *elder);

/* For a handshake, read now if need be; one of our own making when there is no other. NULL: refuse (no TLS, or its
   client_ca cannot be read). */
struct tls_cert *cert_get(struct cert *c);
/* Is there anything to read it from, good or bad? Reads nothing. */
bool cert_is_there(const struct cert *c);
/* Is a real one in force? */
bool cert_is_real(struct cert *c);

/* For the status: "-", "pending", "valid until …", and what is wrong. */
void cert_describe(const struct cert *c, char *out, size_t size);

#endif
