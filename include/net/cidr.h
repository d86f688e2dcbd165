/* cidr: sets of networks ("10.0.0.0/8", "::1", "fd00::/8"). */
#ifndef KP_NET_CIDR_H
#define KP_NET_CIDR_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

struct cidr {
	uint8_t address[16]; /* IPv4 as ::ffff:a.b.c.d */
	unsigned bits;       /* 0–128 */
};

/* A network or a single address; bits beyond the prefix must be zero. False when it is none. */
bool cidr_parse(const char *text, struct cidr *out);
/* An IPv4-mapped IPv6 address counts as IPv4. */
bool cidr_contains(const struct cidr *net, const struct sockaddr_storage *ss);

#endif
