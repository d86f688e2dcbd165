/* worker: one process, one event loop, everything below composed. Forked by the master, which tells it by
 * signals and learns from it by the scoreboard and the pipe of news.
 *
 * SIGTERM  shut down: accept what is queued, stop listening, finish what is in flight (shutdown_timeout)
 * SIGHUP   retire: the same, but a successor accepts already, so idle keep-alive clients are not hung up on:
 *          each is told to go with its next answer
 * SIGUSR1  reopen the access log
 * SIGUSR2  board_master()->owner changed: accept for the slots that are yours now
 *
 * Exit code 0 after a drain; anything else is a crash. */
#ifndef KP_RUN_WORKER_H
#define KP_RUN_WORKER_H

#include <stdbool.h>
#include <stddef.h>

#include "files/scoreboard.h"
#include "files/settings.h"
#include "net/tls.h"
#include "service/registry.h"

/* A listening socket; there is one for each address and slot, and every worker inherits all. */
struct listen_socket {
	int fd;
	unsigned slot;
	bool tls;         /* of https_port */
	char address[80]; /* "0.0.0.0:80", to recognise it after an upgrade and in messages */
};

struct worker_args {
	const struct settings *settings;
	struct board *board;
	unsigned region; /* index of its own region, already marked with pid, slot and generation */
	unsigned slot, generation;
	const struct listen_socket *listeners;
	size_t nlisteners;
	int news_fd;                  /* write end, O_NONBLOCK: one service name a line */
	int life_fd;                  /* read end: EOF means the master is dead */
	int log_fd;                   /* access log, opened by the master; −1: off */
	struct tls_tickets *tickets;  /* the master's keys for sessions */
	const struct registry *elder; /* the master's, inherited by fork */
};

/* Runs until told to end; returns the exit code. Called in the child right after fork, signals blocked;
   the worker sets its own handlers. Closes nothing of the master's (the master's fork code does). */
int worker_run(const struct worker_args *args);

#endif
