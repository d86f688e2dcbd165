/* args: what the commands share: how their arguments are taken apart, and how they say what is
 * wrong. Each command has flags of its own; every other flag is one of [proxy] and goes to
 * settings_load. */
#ifndef KP_RUN_ARGS_H
#define KP_RUN_ARGS_H

#include <stdbool.h>
#include <stddef.h>

#include "files/settings.h"

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

/* A flag of the command: "--json" (flag set) or "--timeout VALUE", "--timeout=VALUE" (value
   set). */
struct args_flag {
	const char *name; /* with its dashes */
	bool *flag;
	const char **value;
};

struct args {
	const char *verb;
	char **proxy; /* the flags for settings_load */
	int nproxy;
	char **other; /* flags of a service and their values (commands that take them) */
	int nother;
	char **word; /* what is no flag */
	int nwords;
};

/* argv[0] is the verb. With `services`, flags that are neither the command's nor [proxy]'s go
   to `other`. False: said on stderr already. The strings are argv's own. */
bool args_split(int argc, char **argv, const struct args_flag *flags, size_t nflags, bool services,
		struct args *out);
/* For a hook: only [proxy] flags before "--" are taken out; all the rest goes to `other`, in
   order. */
void args_split_hook(int argc, char **argv, struct args *out);
void args_free(struct args *a);

/* The [proxy] flags of a: NULL after the reason was said. */
struct settings *args_settings(const struct args *a);
/* Exactly one word, a legal service name: NULL after the reason was said. */
const char *args_service(const struct args *a);

/* One line, "kamal-proxy: …", to stderr; returns `code` for `return args_fail(…)`. */
int args_fail(int code, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The program itself: set once by main, used by what executes it again. */
void args_set_program(char **argv);
char **args_program(void);
/* Absolute path of the executable as it was at start, without the kernel's " (deleted)". */
const char *args_executable(void);

#endif
