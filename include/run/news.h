/* news: what workers tell the master at once: the names of services to publish anew, one a line in a
 * pipe. A worker that finds the pipe full says so in the scoreboard; then all are looked at. */
#ifndef KP_RUN_NEWS_H
#define KP_RUN_NEWS_H

#include <ev.h>
#include <stddef.h>

#include "files/scoreboard.h"
#include "run/publish.h"

#define NEWS_ROOM 4096

/* Embedded in the master; owns nothing. */
struct news {
	ev_io io;
	struct board *board;
	struct publisher *publisher;
	char rest[NEWS_ROOM]; /* a line that is not whole yet */
	size_t used;
};

/* fd: the pipe's read end, O_NONBLOCK. */
void news_start(struct news *n, struct ev_loop *loop, int fd, struct board *board,
		struct publisher *publisher);
void news_stop(struct news *n, struct ev_loop *loop);
/* Now and then: a worker may have lost news just before it fell silent. */
void news_check_lost(struct news *n);

#endif
