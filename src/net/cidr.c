/* cidr: every address is compared as 128 bits, IPv4 in its mapped form. */
#include "net/cidr.h"

#include <netinet/in.h>
#include <string.h>

#include "base/str.h"
#include "net/sock.h"

static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

/* The address as 16 bytes; 96 for IPv4, 0 for IPv6, −1 for neither. */
static int as_bytes(const struct sockaddr_storage *ss, uint8_t out[16])
{
	if (ss->ss_family == AF_INET) {
		const struct sockaddr_in *v4 = (const struct sockaddr_in *)ss;
		memcpy(out, mapped, sizeof(mapped));
		memcpy(out + 12, &v4->sin_addr, 4);
		return 96;
	}
	if (ss->ss_family == AF_INET6) {
		memcpy(out, &((const struct sockaddr_in6 *)ss)->sin6_addr, 16);
		return 0;
	}
	return -1;
}

static bool same_bits(const uint8_t *a, const uint8_t *b, unsigned bits)
{
	if (memcmp(a, b, bits / 8) != 0)
		return false;
	unsigned rest = bits % 8;
	return rest == 0 || ((a[bits / 8] ^ b[bits / 8]) >> (8 - rest)) == 0;
}

bool cidr_parse(const char *text, struct cidr *out)
{
	struct str rest = str_of(text);
	struct str ip;
	char address[SOCK_ADDR_TEXT];
	struct sock_addr parsed;
	uint64_t bits = 128;

	if (!str_split(&rest, '/', &ip) || !str_copy(address, sizeof(address), ip) ||
	    !sock_addr_parse(address, 0, &parsed))
		return false;
	unsigned offset = (unsigned)as_bytes(&parsed.ss, out->address);
	if (rest.p != NULL) {
		if (!str_to_u64(rest, &bits) || bits > 128 - offset)
			return false;
		bits += offset;
	}
	out->bits = (unsigned)bits;

	uint8_t masked[16] = {0};
	memcpy(masked, out->address, out->bits / 8);
	if (out->bits % 8 != 0)
		masked[out->bits / 8] = (uint8_t)(out->address[out->bits / 8] &
						  (0xff00 >> (out->bits % 8)));
	return memcmp(masked, out->address, sizeof(masked)) == 0;
}

bool cidr_contains(const struct cidr *net, const struct sockaddr_storage *ss)
{
	uint8_t address[16];
	return as_bytes(ss, address) >= 0 && same_bits(net->address, address, net->bits);
}
