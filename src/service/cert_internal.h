/* cert, seen from inside its files: cert.c (when), cert_read.c (from files to what is in force), cert_tell.c (what
 * is said of it). */
#ifndef KP_SERVICE_CERT_INTERNAL_H
#define KP_SERVICE_CERT_INTERNAL_H

#include <sys/stat.h>

#include "base/buf.h"
#include "service/cert.h"

/* Looks whether the files that no event tells of are others by now. */
void cert_look(struct cert *c);

/* cert_read.c: reads them now, and puts what is good in force. */
void cert_read(struct cert *c);
struct file_id cert_file_id(const struct stat *st);

/* cert_tell.c */
void cert_tell(struct cert *c);
bool cert_is_expired(const struct tls_facts *f);
/* "2026-01-02T03:04:05Z" */
void cert_time(int64_t unix_s, char out[32]);

#endif
