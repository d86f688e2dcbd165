/* Input placed so that its last byte is the last before an unmapped page: reading on is a crash. */
#ifndef KP_TESTS_GUARD_H
#define KP_TESTS_GUARD_H

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define GUARD_ROOM (64 * 1024)

/* The copy is writable and valid until the next call. */
static inline char *guard_copy(const void *p, size_t n)
{
	static char *wall;

	if (wall == NULL) {
		size_t page = (size_t)sysconf(_SC_PAGESIZE);
		char *m = mmap(NULL, GUARD_ROOM + page, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (m == MAP_FAILED || mprotect(m + GUARD_ROOM, page, PROT_NONE) != 0)
			abort();
		wall = m + GUARD_ROOM;
	}
	if (n > GUARD_ROOM)
		abort();
	if (n != 0)
		memcpy(wall - n, p, n);
	return wall - n;
}

#endif
