/* random: a small stock of getrandom(2)'s bytes. */
#include "base/random.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

static uint8_t stock[4096];
static size_t left;

static void refill(void)
{
	size_t have = 0;
	while (have < sizeof(stock)) {
		ssize_t n = getrandom(stock + have, sizeof(stock) - have, 0);
		if (n < 0)
			continue; /* only EINTR is possible */
		have += (size_t)n;
	}
	left = sizeof(stock);
}

void random_hex(char *dst, size_t n)
{
	static const char digits[] = "0123456789abcdef";
	if (left < n)
		refill();
	left -= n;
	for (size_t i = 0; i < n; i++) {
		dst[2 * i] = digits[stock[left + i] >> 4];
		dst[2 * i + 1] = digits[stock[left + i] & 15];
	}
	memset(stock + left, 0, n);
}
