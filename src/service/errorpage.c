/* errorpage: a small cache of files, each looked at again by stat at most once a second, and read
 * only when it has changed. */
#include "service/errorpage.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"

#define LOOK_MS 1000

static const int statuses[] = {404, 413, 502, 503, 504};
#define STATUSES (sizeof(statuses) / sizeof(statuses[0]))

struct page {
	uint64_t looked_at; /* ms, monotonic; 0: never */
	int err;            /* of the last look */
	struct stat st;     /* where that was 0 */
	char *text;         /* NULL: none, or not readable */
	size_t n;
};

struct errorpages {
	struct page page[STATUSES];
};

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static bool is_same(const struct stat *a, const struct stat *b)
{
	return a->st_ino == b->st_ino && a->st_dev == b->st_dev && a->st_size == b->st_size &&
	       a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

/* All of a file that must not grow beyond n meanwhile; what it does not have any more is cut. */
static bool read_whole(int fd, struct page *p, size_t n)
{
	ssize_t got = 1;

	p->text = mem_alloc(n + 1);
	for (p->n = 0; p->n < n && got != 0; p->n += (size_t)got) {
		got = read(fd, p->text + p->n, n - p->n);
		if (got < 0) {
			mem_free(p->text);
			p->text = NULL;
			return false;
		}
	}
	return true;
}

/* NULL, or why it cannot be used. */
static const char *read_page(const char *path, struct page *p)
{
	struct stat st;
	const char *why = NULL;
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	bool known = fd >= 0 && fstat(fd, &st) == 0;

	if (fd < 0)
		return strerror(errno);
	if (known && !S_ISREG(st.st_mode))
		why = "it is no regular file";
	else if (known && st.st_size > ERRORPAGE_MAX)
		why = "it is longer than 256 kB";
	else if (!known || !read_whole(fd, p, (size_t)st.st_size))
		why = strerror(errno);
	close(fd);
	return why;
}

static void look(struct page *p, const char *name, const char *dir, int status)
{
	char path[PATH_MAX];
	struct stat st;
	const char *why;
	int n = snprintf(path, sizeof(path), "%s/errors/%d.html", dir, status);
	int err = n < 0 || n >= PATH_MAX ? ENAMETOOLONG : stat(path, &st) < 0 ? errno : 0;

	if (err == p->err && (err != 0 || is_same(&st, &p->st)))
		return;
	p->err = err;
	mem_free(p->text);
	p->text = NULL;
	p->n = 0;
	if (err == 0)
		p->st = st;
	if (err == ENOENT || err == ENOTDIR)
		return;
	why = err != 0 ? strerror(err) : read_page(path, p);
	if (why != NULL)
		log_warn("%s: errors/%d.html cannot be used: %s (the built-in page is)", name,
			 status, why);
}

struct str errorpage_get(struct errorpages **pages, const char *name, const char *dir, int status)
{
	uint64_t now = now_ms();
	struct page *p;
	size_t i = 0;

	while (i < STATUSES && statuses[i] != status)
		i++;
	if (i == STATUSES || dir == NULL)
		return STR("");
	if (*pages == NULL)
		*pages = mem_new(struct errorpages);
	p = &(*pages)->page[i];
	if (p->looked_at == 0 || now - p->looked_at >= LOOK_MS) {
		p->looked_at = now;
		look(p, name, dir, status);
	}
	return str_make(p->text, p->n);
}

void errorpages_free(struct errorpages *pages)
{
	if (pages == NULL)
		return;
	for (size_t i = 0; i < STATUSES; i++)
		mem_free(pages->page[i].text);
	mem_free(pages);
}
