/* mem: allocation that aborts when memory is out (there is no sensible answer to give then). */
#ifndef KP_BASE_MEM_H
#define KP_BASE_MEM_H

#include <stddef.h>

void *mem_alloc(size_t n);         /* uninitialised */
void *mem_zero(size_t n);          /* zeroed */
void *mem_grow(void *p, size_t n); /* realloc */
void mem_free(void *p);

#define mem_new(type) ((type *)mem_zero(sizeof(type)))

/* The structure that embeds `member` at `ptr`. */
#define container_of(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

#endif
