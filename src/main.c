/* Picks a verb: one of ours, or a script in hooks/ of that name. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "run/args.h"
#include "run/check.h"
#include "run/completion.h"
#include "run/help.h"
#include "run/list.h"
#include "run/lock.h"
#include "run/master.h"
#include "run/set.h"
#include "run/wait.h"

#ifndef KP_VERSION
#define KP_VERSION "0.1.0"
#endif
#ifndef KP_HOOKS_DIR
#define KP_HOOKS_DIR "/usr/local/lib/kamal-proxy/hooks"
#endif

static int version_main(int argc, char **argv)
{
	if (argc > 1)
		return args_fail(EXIT_USAGE, "version: what is '%s'?", argv[1]);
	printf("kamal-proxy %s (C, file-swap)\n", KP_VERSION);
	return EXIT_DONE;
}

static int help_main(int argc, char **argv);

static const struct {
	const char *name;
	int (*main)(int argc, char **argv);
} built_in[] = {
	{"run", master_main},  {"list", list_main},
	{"ls", list_main},     {"status", status_main},
	{"check", check_main}, {"wait", wait_main},
	{"set", set_main},     {"version", version_main},
	{"help", help_main},   {"completion", completion_main},
};

/* A verb becomes a file's name, so nothing but a plain word will do. */
static bool is_word(const char *verb)
{
	return verb[0] != '\0' &&
	       strspn(verb, "abcdefghijklmnopqrstuvwxyz0123456789-") == strlen(verb) &&
	       verb[0] != '-';
}

/* Beside the binary's directory in a checkout, else where they were installed. */
static bool find_hook(const char *verb, char *path, size_t size)
{
	const char *exe = args_executable();
	const char *slash = strrchr(exe, '/');
	static const char *const beside[] = {"../hooks", "../../hooks", "../lib/kamal-proxy/hooks"};
	if (!is_word(verb))
		return false;
	for (size_t i = 0; slash != NULL && i < sizeof(beside) / sizeof(beside[0]); i++) {
		int n = snprintf(path, size, "%.*s/%s/%s", (int)(slash - exe), exe, beside[i],
				 verb);
		if (n > 0 && (size_t)n < size && access(path, X_OK) == 0)
			return true;
	}
	int n = snprintf(path, size, KP_HOOKS_DIR "/%s", verb);
	return n > 0 && (size_t)n < size && access(path, X_OK) == 0;
}

/* What the settings say of places, so that a script need not read them; it calls us back with
   the same. */
static void hook_environment(const struct settings *s)
{
	setenv("KAMAL_PROXY", args_executable(), 1);
	setenv("KAMAL_PROXY_SERVICES_DIR", s->proxy.services_dir, 1);
	setenv("KAMAL_PROXY_RUNTIME_DIR", s->proxy.runtime_dir, 1);
	setenv("KAMAL_PROXY_STATE_DIR", s->proxy.state_dir, 1);
	setenv("KAMAL_PROXY_RUNNING", lock_is_held(s->proxy.runtime_dir) ? "yes" : "no", 1);
	if (s->file != NULL)
		setenv("KAMAL_PROXY_CONFIG", s->file, 1);
}

static int run_hook(const char *path, int argc, char **argv)
{
	struct args args;
	int code = EXIT_USAGE;
	args_split_hook(argc, argv, &args);
	struct settings *s = args_settings(&args);
	if (s != NULL) {
		hook_environment(s);
		char **hook = mem_zero(((size_t)args.nother + 2) * sizeof(char *));
		hook[0] = (char *)path;
		memcpy(hook + 1, args.other, (size_t)args.nother * sizeof(char *));
		execv(path, hook);
		code = args_fail(EXIT_FAILED, "cannot execute %s: %s", path, strerror(errno));
		mem_free(hook);
	}
	settings_free(s);
	args_free(&args);
	return code;
}

static int no_such_verb(const char *verb)
{
	const struct help_verb *v = help_find(verb);
	const char *near = help_nearest(verb);
	if (v != NULL && v->kind == HELP_HOOK)
		return args_fail(EXIT_FAILED, "the script of '%s' is missing; install it in %s",
				 verb, KP_HOOKS_DIR);
	if (v != NULL && v->kind == HELP_LATER)
		return args_fail(EXIT_USAGE, "there is no verb '%s' yet", verb);
	if (near != NULL)
		return args_fail(EXIT_USAGE, "there is no verb '%s'; did you mean '%s'?", verb,
				 near);
	return args_fail(EXIT_USAGE, "there is no verb '%s'; see: kamal-proxy help", verb);
}

static int help_main(int argc, char **argv)
{
	char hook[PATH_MAX];
	if (argc < 2) {
		help_print_all(stdout);
		return EXIT_DONE;
	}
	const struct help_verb *v = help_find(argv[1]);
	if ((v == NULL || v->kind == HELP_HOOK) && find_hook(argv[1], hook, sizeof(hook)))
		return run_hook(hook, 2, (char *[]){argv[1], (char[]){"--help"}, NULL});
	if (v == NULL || v->kind == HELP_LATER)
		return no_such_verb(argv[1]);
	help_print_verb(stdout, v);
	return EXIT_DONE;
}

static bool asks_help(int argc, char **argv)
{
	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
			return true;
	}
	return false;
}

/* What is opened next would else become stdout, and the logs would go into it. */
static void open_standard_files(void)
{
	int fd;
	while ((fd = open("/dev/null", O_RDWR)) >= 0 && fd <= 2)
		;
	if (fd > 2)
		close(fd);
}

int main(int argc, char **argv)
{
	char hook[PATH_MAX];
	open_standard_files();
	args_set_program(argv);
	if (argc < 2) {
		help_print_all(stderr);
		return EXIT_USAGE;
	}
	const char *verb = argv[1];
	if (strcmp(verb, "--help") == 0 || strcmp(verb, "-h") == 0)
		return help_main(argc - 1, argv + 1);
	if (strcmp(verb, "--version") == 0)
		return version_main(1, argv);
	for (size_t i = 0; i < sizeof(built_in) / sizeof(built_in[0]); i++) {
		if (strcmp(built_in[i].name, verb) != 0)
			continue;
		if (asks_help(argc - 1, argv + 1))
			return help_main(2, (char *[]){argv[0], argv[1], NULL});
		int code = built_in[i].main(argc - 1, argv + 1);
		return fflush(stdout) == 0 ? code
					   : args_fail(EXIT_FAILED, "stdout: %s", strerror(errno));
	}
	if (find_hook(verb, hook, sizeof(hook)))
		return run_hook(hook, argc - 1, argv + 1);
	return no_such_verb(verb);
}
