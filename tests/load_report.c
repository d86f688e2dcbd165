/*
 * What came of each request: counts, the spread of the answer times, the
 * failures' reasons, and which answers came from a version too old.
 */
#include "load.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SHOWN 10
#define MARKS 4096

struct answer {
	uint64_t begun;
	uint32_t us, version;
};

struct mark {
	uint64_t from;
	unsigned version;
};

static struct answer *answers;
static size_t count, cap;
static unsigned failed, per_kind[KIND_COUNT];
static unsigned cut; /* GETs among them whose answer had begun: no proxy can mend those */
static char shown[SHOWN][256];
static struct mark marks[MARKS];
static size_t mark_count;

static unsigned statuses[1000];

void report_ok(const struct client *c, uint64_t ended)
{
	uint64_t from = c->due != 0 ? c->due : c->begun;

	if (count == cap) {
		cap = cap == 0 ? 65536 : cap * 2;
		answers = realloc(answers, cap * sizeof(*answers));
		if (answers == NULL)
			abort();
	}
	answers[count].begun = c->begun;
	answers[count].us = ended > from ? (uint32_t)((ended - from) / 1000) : 0;
	answers[count++].version = c->version;
	statuses[c->status]++;
}

void report_failed(const struct client *c, const char *fmt, ...)
{
	static const char *const kinds[KIND_COUNT] = {"GET", "POST", "GET close", "POST close"};
	char why[128];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	if (failed < SHOWN)
		snprintf(shown[failed], sizeof(shown[failed]),
			 "failed: %s on client %u, request %u of it, begun %llu, after %llu us: %s",
			 kinds[c->kind], c->index, c->serial, (unsigned long long)c->begun,
			 (unsigned long long)((now_ns() - c->begun) / 1000), why);
	failed++;
	if (c->phase == PHASE_BODY && (c->kind == KIND_GET || c->kind == KIND_ONESHOT))
		cut++;
	per_kind[c->kind]++;
}

static void marks_read(void)
{
	unsigned long long from;
	char version[32];
	FILE *f;

	if (load.marks == NULL)
		return;
	f = fopen(load.marks, "r");
	if (f == NULL)
		return;
	while (mark_count < MARKS && fscanf(f, "%llu %31s", &from, version) == 2) {
		marks[mark_count].from = from;
		marks[mark_count++].version = (unsigned)atoi(version + (version[0] == 'v'));
	}
	fclose(f);
}

/* Marks are appended in the order of time. */
static unsigned stale_count(void)
{
	unsigned stale = 0, line = 0;

	for (size_t i = 0; i < count; i++) {
		size_t low = 0, high = mark_count;

		while (low < high) {
			size_t mid = (low + high) / 2;

			if (marks[mid].from <= answers[i].begun)
				low = mid + 1;
			else
				high = mid;
		}
		if (low == 0 || answers[i].version >= marks[low - 1].version)
			continue;
		stale++;
		if (line++ < SHOWN)
			printf("stale: begun %llu answered by v%u, mark %llu says v%u\n",
			       (unsigned long long)answers[i].begun, answers[i].version,
			       (unsigned long long)marks[low - 1].from, marks[low - 1].version);
	}
	return stale;
}

static int by_time(const void *a, const void *b)
{
	const struct answer *x = a, *y = b;

	return x->us < y->us ? -1 : x->us > y->us;
}

static unsigned percentile(unsigned part)
{
	return count == 0 ? 0 : answers[(count - 1) * part / 100].us;
}

/* How many answers took how long, in steps of 1, 2, 5, 10, … ms, each with a bar. */
static void histogram_print(void)
{
	static const char bar[] = "##################################################";
	static const unsigned steps[] = {1, 2, 5};
	unsigned limit, power = 1;
	size_t from = 0, to;

	for (unsigned i = 0; from < count; i++, from = to) {
		if (i > 0 && i % 3 == 0)
			power *= 10;
		limit = steps[i % 3] * power;
		for (to = from; to < count && answers[to].us <= limit * 1000; to++)
			;
		printf("<= %6u ms %8zu %.*s\n", limit, to - from,
		       (int)(((to - from) * 50 + count - 1) / count), bar);
	}
}

static void detail_print(void)
{
	for (int i = 0; i < 1000; i++)
		if (statuses[i] > 0)
			printf("status %d: %u\n", i, statuses[i]);
	histogram_print();
}

int report_print(void)
{
	unsigned stale;

	marks_read();
	stale = stale_count();
	if (count > 0)
		qsort(answers, count, sizeof(*answers), by_time);
	for (unsigned i = 0; i < failed && i < SHOWN; i++)
		puts(shown[i]);
	if (load.detail)
		detail_print();
	printf(load.json ? "{\"requests\":%zu,\"ok\":%zu,\"failed\":%u,\"failed_get\":%u,"
			   "\"failed_post\":%u,\"cut_get\":%u,\"stale\":%u,\"p50_us\":%u,\"p99_"
			   "us\":%u,"
			   "\"max_us\":%u}\n"
			 : "requests=%zu ok=%zu failed=%u failed_get=%u failed_post=%u cut_get=%u "
			   "stale=%u "
			   "p50_us=%u p99_us=%u max_us=%u\n",
	       count + failed, count, failed, per_kind[KIND_GET] + per_kind[KIND_ONESHOT],
	       per_kind[KIND_POST] + per_kind[KIND_POST_ONESHOT], cut, stale, percentile(50),
	       percentile(99), percentile(100));
	return failed > 0 || stale > 0;
}
