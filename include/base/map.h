/* map: text → pointer, open addressing. Keys are copied; values are the caller's. */
#ifndef KP_BASE_MAP_H
#define KP_BASE_MAP_H

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"

struct map_slot {
	char *key; /* NUL-terminated copy; NULL when free */
	size_t len;
	uint64_t hash;
	void *value;
};

/* All zero is an empty map. */
struct map {
	struct map_slot *slots;
	size_t count, cap; /* cap: 0 or a power of two */
};

void *map_get(const struct map *m, struct str key); /* NULL when absent */
/* Sets or replaces; returns the value it replaced, or NULL. value must not be NULL. */
void *map_put(struct map *m, struct str key, void *value);
/* Returns the removed value, or NULL. No tombstones (backward shift). */
void *map_remove(struct map *m, struct str key);
void map_free(struct map *m); /* keys and table, not the values */

/* for (size_t i = 0; map_next(&m, &i, &value);) — no put or remove while iterating. */
bool map_next(const struct map *m, size_t *i, void **value);

#endif
