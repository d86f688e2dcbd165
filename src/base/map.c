/* map: text to pointer by open addressing with linear probing, at most three quarters full.
   Removing shifts the followers back, so lookups never wade through tombstones. */
#include "base/map.h"

#include "base/mem.h"

#define MAP_MIN 8

/* The slot that holds the key, or the free one where it belongs. cap must not be 0. */
static size_t find_slot(const struct map *m, struct str key, uint64_t hash)
{
	size_t mask = m->cap - 1;
	size_t i = (size_t)hash & mask;

	for (;; i = (i + 1) & mask) {
		const struct map_slot *s = &m->slots[i];

		if (s->key == NULL)
			return i;
		if (s->hash == hash && str_eq(str_make(s->key, s->len), key))
			return i;
	}
}

void *map_get(const struct map *m, struct str key)
{
	if (m->count == 0)
		return NULL;
	return m->slots[find_slot(m, key, str_hash(key))].value;
}

static void grow(struct map *m)
{
	struct map bigger = {.count = m->count, .cap = m->cap == 0 ? MAP_MIN : m->cap * 2};

	bigger.slots = mem_zero(bigger.cap * sizeof(*bigger.slots));
	for (size_t i = 0; i < m->cap; i++) {
		const struct map_slot *s = &m->slots[i];

		if (s->key != NULL)
			bigger.slots[find_slot(&bigger, str_make(s->key, s->len), s->hash)] = *s;
	}
	mem_free(m->slots);
	*m = bigger;
}

void *map_put(struct map *m, struct str key, void *value)
{
	uint64_t hash = str_hash(key);
	struct map_slot *s;
	void *old;

	if (m->cap == 0 || m->count >= m->cap / 4 * 3)
		grow(m);
	s = &m->slots[find_slot(m, key, hash)];
	old = s->value;
	if (s->key == NULL) {
		s->key = str_dup(key);
		s->len = key.n;
		s->hash = hash;
		m->count++;
	}
	s->value = value;
	return old;
}

void *map_remove(struct map *m, struct str key)
{
	size_t mask = m->cap - 1;
	size_t hole;
	void *old;

	if (m->count == 0)
		return NULL;
	hole = find_slot(m, key, str_hash(key));
	if (m->slots[hole].key == NULL)
		return NULL;
	old = m->slots[hole].value;
	mem_free(m->slots[hole].key);
	m->count--;
	for (size_t i = (hole + 1) & mask; m->slots[i].key != NULL; i = (i + 1) & mask) {
		size_t home = (size_t)m->slots[i].hash & mask;

		/* It may fill the hole only if that does not put it before its home slot. */
		if (((i - home) & mask) >= ((i - hole) & mask)) {
			m->slots[hole] = m->slots[i];
			hole = i;
		}
	}
	m->slots[hole] = (struct map_slot){0};
	return old;
}

void map_free(struct map *m)
{
	for (size_t i = 0; i < m->cap; i++)
		mem_free(m->slots[i].key);
	mem_free(m->slots);
	*m = (struct map){0};
}

bool map_next(const struct map *m, size_t *i, void **value)
{
	while (*i < m->cap) {
		const struct map_slot *s = &m->slots[(*i)++];

		if (s->key != NULL) {
			*value = s->value;
			return true;
		}
	}
	return false;
}
