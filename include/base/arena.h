/* arena: one request's memory, given back in one step. The first block is embedded, so that a usual
   request allocates nothing; more blocks are malloc'ed and freed on reset. Poisoned under ASan. */
#ifndef KP_BASE_ARENA_H
#define KP_BASE_ARENA_H

#include <stddef.h>

#include "base/str.h"

#define ARENA_FIRST 4096

struct arena_block;
struct arena {
	size_t used; /* of the current block */
	size_t size; /* of the current block */
	char *cur;
	struct arena_block *more; /* malloc'ed blocks, newest first */
	_Alignas(16) char first[ARENA_FIRST];
};

void arena_init(struct arena *a);
/* 16-byte aligned, uninitialised; never NULL. */
void *arena_alloc(struct arena *a, size_t n);
/* A copy in the arena, with a NUL behind it (not counted). */
struct str arena_copy(struct arena *a, struct str s);
/* Frees what was malloc'ed; everything handed out is invalid. Usable again. */
void arena_reset(struct arena *a);

#endif
