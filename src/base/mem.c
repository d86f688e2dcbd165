/* mem: allocation that ends the program when memory is out. */
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>

static void *checked(void *p)
{
	if (p != NULL)
		return p;
	fputs("kamal-proxy: out of memory\n", stderr);
	abort();
}

void *mem_alloc(size_t n)
{
	return checked(malloc(n == 0 ? 1 : n));
}

void *mem_zero(size_t n)
{
	return checked(calloc(1, n == 0 ? 1 : n));
}

void *mem_grow(void *p, size_t n)
{
	return checked(realloc(p, n == 0 ? 1 : n));
}

void mem_free(void *p)
{
	free(p);
}
