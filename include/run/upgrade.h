/* upgrade: SIGHUP. First the binary on disk checks the configuration, as a child; if it is
 * content, the master executes that binary in its own place and hands its estate on. Reload and
 * upgrade are one. */
#ifndef KP_RUN_UPGRADE_H
#define KP_RUN_UPGRADE_H

#include <ev.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "files/settings.h"
#include "run/estate.h"

/* For the check: what cannot be changed without a restart, as it is in force. */
#define UPGRADE_IN_FORCE_ENV "KAMAL_PROXY_IN_FORCE"

struct upgrade {
	struct ev_loop *loop;
	const struct settings *settings;
	const struct estate *estate;
	void (*checked)(void *user); /* the check was passed: execute */
	void *user;
	pid_t check; /* 0: none runs */
	ev_timer limit;
};

void upgrade_init(struct upgrade *u, struct ev_loop *loop, const struct settings *settings,
		  const struct estate *estate, void (*checked)(void *user), void *user);
/* Starts the check. Not while one runs. */
void upgrade_check(struct upgrade *u);
/* A child has ended; true when it was the check. */
bool upgrade_child(struct upgrade *u, pid_t pid, int status);
/* Executes the successor; returns only when that failed (said in the log, everything as before). */
void upgrade_execute(const struct estate *e);
/* For a successor that cannot start, because something has gone bad between the check and now:
   waits and executes once more, so that the workers get a master when it is mended. NULL: the
   handover has not been read yet. Returns only when nothing could be executed. */
void upgrade_again(const struct estate *e);
void upgrade_fini(struct upgrade *u);

/* In `check`: would these settings need a restart, given what is in force? False and why. */
bool upgrade_is_possible(const struct settings *s, const char *in_force, char *why, size_t size);
/* "slots=2;runtime_dir=/run/kamal-proxy;listen=0.0.0.0:80,tls:0.0.0.0:443"; malloc'ed. */
char *upgrade_in_force(const struct settings *s, const struct estate *e);

#endif
