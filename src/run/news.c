/* news: reads lines from the pipe of all workers; each is written whole, so they never mix. */
#include "run/news.h"

#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"

static void take_lines(struct news *n)
{
	struct str rest = str_make(n->rest, n->used);
	for (size_t end; (end = str_find(rest, '\n')) < rest.n;) {
		publisher_news(n->publisher, str_make(rest.p, end));
		rest = str_make(rest.p + end + 1, rest.n - end - 1);
	}
	if (rest.n == sizeof(n->rest)) /* no name is that long */
		rest.n = 0;
	memmove(n->rest, rest.p, rest.n);
	n->used = rest.n;
}

void news_check_lost(struct news *n)
{
	for (unsigned i = 0; i < BOARD_REGIONS; i++) {
		struct board_worker *w = board_worker(board_region(n->board, i));
		if (atomic_load(&w->pid) != 0 && atomic_load(&w->news_lost) != 0) {
			atomic_store(&w->news_lost, 0);
			publisher_all(n->publisher);
		}
	}
}

static void on_readable(struct ev_loop *loop, ev_io *w, int revents)
{
	struct news *n = container_of(w, struct news, io);
	ssize_t got;
	(void)loop;
	(void)revents;
	while ((got = read(w->fd, n->rest + n->used, sizeof(n->rest) - n->used)) > 0) {
		n->used += (size_t)got;
		take_lines(n);
	}
	news_check_lost(n);
}

void news_start(struct news *n, struct ev_loop *loop, int fd, struct board *board,
		struct publisher *publisher)
{
	n->board = board;
	n->publisher = publisher;
	n->used = 0;
	ev_io_init(&n->io, on_readable, fd, EV_READ);
	ev_io_start(loop, &n->io);
}

void news_stop(struct news *n, struct ev_loop *loop)
{
	ev_io_stop(loop, &n->io);
}
