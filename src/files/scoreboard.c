/* The shared memory: one sparse memfd, a header with the layout's stamp, the master's part, then a
 * region for each worker. A region costs memory only for the services its worker really tells
 * about. */
#include "files/scoreboard.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

#define BOARD_MAGIC UINT64_C(0x6b702d626f617264) /* "kp-board" */
#define BOARD_VERSION 1u
#define BOARD_PAGE 4096
#define BOARD_HOLDS (1u << 20) /* many more than services: names hardly ever share a counter */
#define READ_TRIES 1000

static_assert((BOARD_SERVICES & (BOARD_SERVICES - 1)) == 0, "probing masks with it");
static_assert((BOARD_HOLDS & (BOARD_HOLDS - 1)) == 0, "hashing masks with it");

struct board_region {
	_Alignas(BOARD_PAGE) struct board_worker worker;
	struct board_service services[BOARD_SERVICES];
};

struct shared {
	_Alignas(BOARD_PAGE) uint64_t magic;
	uint64_t layout;
	struct board_master master;
	_Alignas(BOARD_PAGE) _Atomic uint32_t holds[BOARD_HOLDS];
	struct board_region regions[BOARD_REGIONS];
};

struct board {
	int fd;
	struct shared *shared;
};

/* Differs whenever another build lays the memory out in another way. */
static uint64_t layout_stamp(void)
{
	const uint64_t facts[] = {
		BOARD_VERSION,
		sizeof(struct shared),
		sizeof(struct board_master),
		sizeof(struct board_worker),
		sizeof(struct board_service),
		offsetof(struct board_service, peers),
		offsetof(struct board_service, pause_ino),
		offsetof(struct board_service, in_flight),
		offsetof(struct board_service, requests),
		offsetof(struct board_service, bytes_out),
		offsetof(struct shared, regions),
	};
	return str_hash(str_make((const char *)facts, sizeof(facts)));
}

static struct board *board_map(int fd)
{
	void *p = mmap(NULL, sizeof(struct shared), PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_NORESERVE, fd, 0);
	if (p == MAP_FAILED)
		return NULL;
	struct board *b = mem_new(struct board);
	b->fd = fd;
	b->shared = p;
	return b;
}

struct board *board_new(void)
{
	int fd = memfd_create("kamal-proxy-scoreboard", MFD_CLOEXEC);
	if (fd < 0)
		return NULL;
	struct board *b = NULL;
	if (ftruncate(fd, (off_t)sizeof(struct shared)) == 0)
		b = board_map(fd);
	if (b == NULL) {
		int saved = errno;
		close(fd);
		errno = saved;
		return NULL;
	}
	if (getrandom(&b->shared->master.crew, sizeof(b->shared->master.crew), 0) < 0)
		b->shared->master.crew = (uint32_t)getpid();
	b->shared->layout = layout_stamp();
	b->shared->magic = BOARD_MAGIC;
	return b;
}

struct board *board_attach(int fd)
{
	struct stat st;
	if (fstat(fd, &st) < 0)
		return NULL;
	if (!S_ISREG(st.st_mode) || st.st_size != (off_t)sizeof(struct shared)) {
		errno = EINVAL;
		return NULL;
	}
	if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
		return NULL;
	struct board *b = board_map(fd);
	if (b == NULL)
		return NULL;
	if (b->shared->magic != BOARD_MAGIC || b->shared->layout != layout_stamp()) {
		munmap(b->shared, sizeof(struct shared));
		mem_free(b);
		errno = EINVAL;
		return NULL;
	}
	return b;
}

int board_fd(const struct board *b)
{
	return b->fd;
}

void board_free(struct board *b)
{
	if (b == NULL)
		return;
	munmap(b->shared, sizeof(struct shared));
	close(b->fd);
	mem_free(b);
}

struct board_region *board_region(struct board *b, unsigned index)
{
	return &b->shared->regions[index];
}

struct board_worker *board_worker(struct board_region *r)
{
	return &r->worker;
}

struct board_master *board_master(struct board *b)
{
	return &b->shared->master;
}

static uint32_t entry_used(const struct board_service *s)
{
	return atomic_load_explicit(&s->used, memory_order_acquire);
}

static void entry_give_holds(struct board *b, const struct board_service *s)
{
	if (entry_used(s) == 0)
		return;
	uint32_t held = atomic_load_explicit(&s->held, memory_order_relaxed);
	for (; held > 0; held--)
		board_hold_give(b, str_make(s->name, strnlen(s->name, BOARD_NAME)));
}

/* What a dead worker still held would count against max_held for ever. Only pages that were written
   are looked at: reading a hole would make it memory. */
static void region_give_holds(struct board *b, struct board_region *r)
{
	const char *base = (const char *)b->shared;
	off_t first = (off_t)((const char *)r->services - base);
	off_t end = (off_t)((const char *)(r + 1) - base);
	size_t next = 0;
	for (off_t at = first; at < end;) {
		off_t data = lseek(b->fd, at, SEEK_DATA);
		if (data >= end || (data < 0 && errno == ENXIO))
			return;
		if (data < 0) /* a kernel that does not know its holes */
			data = at;
		off_t hole = lseek(b->fd, data, SEEK_HOLE);
		at = hole > data && hole < end ? hole : end;
		size_t i = data > first ? (size_t)(data - first) / sizeof(r->services[0]) : 0;
		size_t stop = ((size_t)(at - first) - 1) / sizeof(r->services[0]);
		for (i = i > next ? i : next; i <= stop && i < BOARD_SERVICES; i++)
			entry_give_holds(b, &r->services[i]);
		next = i;
	}
}

void board_region_clear(struct board *b, unsigned index)
{
	struct board_region *r = board_region(b, index);
	off_t start = (off_t)((char *)r - (char *)b->shared);
	region_give_holds(b, r);
	if (fallocate(b->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, start, (off_t)sizeof(*r)) <
	    0)
		memset(r, 0, sizeof(*r)); /* no holes in this kernel: the memory stays */
}

static bool entry_is(const struct board_service *s, struct str name)
{
	return strncmp(s->name, name.p, name.n) == 0 && s->name[name.n] == '\0';
}

/* A dropped entry that nobody in this worker can still be counting in. */
static bool entry_is_idle(const struct board_service *s)
{
	return atomic_load_explicit(&s->in_flight, memory_order_relaxed) == 0 &&
	       atomic_load_explicit(&s->draining, memory_order_relaxed) == 0 &&
	       atomic_load_explicit(&s->tunnels, memory_order_relaxed) == 0 &&
	       atomic_load_explicit(&s->held, memory_order_relaxed) == 0;
}

/* The name's entry (dropped or not), else the best place for it, else NULL. */
static struct board_service *region_place(struct board_region *r, struct str name)
{
	struct board_service *free_entry = NULL;
	size_t at = (size_t)(str_hash(name) & (BOARD_SERVICES - 1));
	for (size_t i = 0; i < BOARD_SERVICES; i++, at = (at + 1) & (BOARD_SERVICES - 1)) {
		struct board_service *s = &r->services[at];
		uint32_t used = entry_used(s);
		if (used == 0)
			return free_entry != NULL ? free_entry : s;
		if (entry_is(s, name))
			return s;
		if (used == 2 && free_entry == NULL && entry_is_idle(s))
			free_entry = s;
	}
	return free_entry;
}

struct board_service *board_service_claim(struct board_region *r, struct str name)
{
	if (name.n == 0 || name.n >= BOARD_NAME)
		return NULL;
	struct board_service *s = region_place(r, name);
	if (s == NULL || entry_used(s) == 1)
		return s;
	board_write_begin(s);
	if (!entry_is(s, name)) {
		str_copy(s->name, BOARD_NAME, name);
#define X(total) atomic_store_explicit(&s->total, 0, memory_order_relaxed);
		BOARD_TOTALS(X)
#undef X
	}
	s->npeers = s->nreplaced = 0;
	s->pause_ino = s->stop_ino = 0;
	s->pause_ctime = s->stop_ctime = 0;
	s->ini_stamp = 0;
	board_write_end(s);
	atomic_store_explicit(&s->used, 1, memory_order_release);
	return s;
}

struct board_service *board_service_find(struct board_region *r, struct str name)
{
	if (name.n == 0 || name.n >= BOARD_NAME)
		return NULL;
	size_t at = (size_t)(str_hash(name) & (BOARD_SERVICES - 1));
	for (size_t i = 0; i < BOARD_SERVICES; i++, at = (at + 1) & (BOARD_SERVICES - 1)) {
		struct board_service *s = &r->services[at];
		uint32_t used = entry_used(s);
		if (used == 0)
			return NULL;
		if (used == 1 && entry_is(s, name))
			return s;
	}
	return NULL;
}

void board_service_release(struct board_service *s)
{
	atomic_store_explicit(&s->used, 2, memory_order_release);
}

void board_write_begin(struct board_service *s)
{
	board_raise(s->seq, 1);
	atomic_thread_fence(memory_order_release);
}

void board_write_end(struct board_service *s)
{
	uint32_t seq = atomic_load_explicit(&s->seq, memory_order_relaxed);
	atomic_store_explicit(&s->seq, seq + 1, memory_order_release);
}

bool board_service_read(const struct board_service *s, struct board_service *copy)
{
	for (int i = 0; i < READ_TRIES; i++) {
		uint32_t before = atomic_load_explicit(&s->seq, memory_order_acquire);
		if ((before & 1) != 0)
			continue;
		memcpy(copy, s, sizeof(*copy));
		atomic_thread_fence(memory_order_acquire);
		if (atomic_load_explicit(&s->seq, memory_order_relaxed) == before)
			return true;
	}
	return false;
}

static _Atomic uint32_t *hold_counter(struct board *b, struct str service)
{
	return &b->shared->holds[str_hash(service) & (BOARD_HOLDS - 1)];
}

bool board_hold_take(struct board *b, struct str service, uint64_t limit)
{
	_Atomic uint32_t *held = hold_counter(b, service);
	uint32_t now = atomic_load_explicit(held, memory_order_relaxed);
	do {
		if (now >= limit || now == UINT32_MAX)
			return false;
	} while (!atomic_compare_exchange_weak_explicit(held, &now, now + 1, memory_order_relaxed,
							memory_order_relaxed));
	return true;
}

void board_hold_give(struct board *b, struct str service)
{
	_Atomic uint32_t *held = hold_counter(b, service);
	uint32_t now = atomic_load_explicit(held, memory_order_relaxed);
	while (now > 0 && !atomic_compare_exchange_weak_explicit(
				  held, &now, now - 1, memory_order_relaxed, memory_order_relaxed))
		;
}
