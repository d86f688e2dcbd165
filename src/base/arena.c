/* arena: bump allocation for one request. Under AddressSanitizer everything not handed out is
   poisoned, the padding behind each piece and all that was reset included. */
#include "base/arena.h"

#include "base/mem.h"

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(p, n) ((void)(p), (void)(n))
#define ASAN_UNPOISON_MEMORY_REGION(p, n) ((void)(p), (void)(n))
#endif

#define ALIGN 16
#define BLOCK_MIN (16 * 1024)

struct arena_block {
	struct arena_block *next;
	_Alignas(ALIGN) char data[];
};

static void start_over(struct arena *a)
{
	a->used = 0;
	a->size = ARENA_FIRST;
	a->cur = a->first;
	a->more = NULL;
	ASAN_POISON_MEMORY_REGION(a->first, ARENA_FIRST);
}

void arena_init(struct arena *a)
{
	start_over(a);
}

static char *add_block(struct arena *a, size_t size)
{
	struct arena_block *b = mem_alloc(sizeof(*b) + size);

	b->next = a->more;
	a->more = b;
	ASAN_POISON_MEMORY_REGION(b->data, size);
	return b->data;
}

void *arena_alloc(struct arena *a, size_t n)
{
	size_t room = (n + ALIGN - 1) & ~(size_t)(ALIGN - 1);
	char *p;

	if (room < n)
		room = SIZE_MAX / 2; /* overflow: let the allocation fail and abort */
	if (room <= a->size - a->used) {
		p = a->cur + a->used;
		a->used += room;
	} else if (room > BLOCK_MIN / 4) {
		/* A block of its own, so that what is left of the current one is not lost. */
		p = add_block(a, room);
	} else {
		p = add_block(a, BLOCK_MIN);
		a->cur = p;
		a->size = BLOCK_MIN;
		a->used = room;
	}
	ASAN_UNPOISON_MEMORY_REGION(p, n);
	return p;
}

struct str arena_copy(struct arena *a, struct str s)
{
	char *p = arena_alloc(a, s.n + 1);

	if (s.n != 0)
		memcpy(p, s.p, s.n);
	p[s.n] = '\0';
	return str_make(p, s.n);
}

void arena_reset(struct arena *a)
{
	while (a->more != NULL) {
		struct arena_block *b = a->more;

		a->more = b->next;
		mem_free(b);
	}
	start_over(a);
}
