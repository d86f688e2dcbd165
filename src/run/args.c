/* Takes a command's arguments apart: its own flags, the proxy's, a service's, and plain words.
 * Which flags are the proxy's is asked of the option table, so that a new option needs nothing
 * here. */
#include "run/args.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"

static char **program_argv;
static char program_path[PATH_MAX];

int args_fail(int code, const char *fmt, ...)
{
	char line[2048];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	fprintf(stderr, "kamal-proxy: %s\n", line);
	return code;
}

void args_set_program(char **argv)
{
	static const char gone[] = " (deleted)";
	program_argv = argv;
	ssize_t n = readlink("/proc/self/exe", program_path, sizeof(program_path) - 1);
	if (n < 0) {
		snprintf(program_path, sizeof(program_path), "%s", argv[0]);
		return;
	}
	program_path[n] = '\0';
	size_t tail = sizeof(gone) - 1;
	if ((size_t)n > tail && strcmp(program_path + (size_t)n - tail, gone) == 0)
		program_path[(size_t)n - tail] = '\0';
}

char **args_program(void)
{
	return program_argv;
}

const char *args_executable(void)
{
	return program_path;
}

/* Is "--http-port" (or "--http-port=80") the option http_port? */
static bool names_option(const char *arg, const char *option)
{
	for (arg += 2; *arg != '\0' && *arg != '='; arg++, option++) {
		if (*option != (*arg == '-' ? '_' : *arg))
			return false;
	}
	return *option == '\0';
}

enum proxy_flag { NO_PROXY_FLAG, WITH_VALUE, WITH_WORD, ALONE };

#define TAKES_BOOL WITH_WORD
#define TAKES_NUMBER WITH_VALUE
#define TAKES_DURATION WITH_VALUE
#define TAKES_SIZE WITH_VALUE
#define TAKES_TEXT WITH_VALUE
#define TAKES_LIST WITH_VALUE

static enum proxy_flag proxy_flag(const char *arg)
{
	if (strcmp(arg, "-c") == 0)
		return WITH_VALUE;
	if (strncmp(arg, "--", 2) != 0)
		return NO_PROXY_FLAG;
#define X(type, name, def, built, help)                                                            \
	if (names_option(arg, #name))                                                              \
		return strchr(arg, '=') != NULL ? ALONE : TAKES_##type;
	PROXY_OPTIONS(X)
#undef X
	return NO_PROXY_FLAG;
}

/* 1: it is the command's; 0: it is not; −1: its value is missing (said). */
static int take_own(char **argv, int argc, int *i, const struct args_flag *flags, size_t nflags)
{
	const char *arg = argv[*i];
	for (size_t k = 0; k < nflags; k++) {
		size_t n = strlen(flags[k].name);
		if (strncmp(arg, flags[k].name, n) != 0 || (arg[n] != '\0' && arg[n] != '='))
			continue;
		if (flags[k].flag != NULL) {
			if (arg[n] == '=')
				continue;
			*flags[k].flag = true;
		} else if (arg[n] == '=') {
			*flags[k].value = arg + n + 1;
		} else if (*i + 1 < argc) {
			*flags[k].value = argv[++*i];
		} else {
			args_fail(EXIT_USAGE, "%s: %s needs a value", argv[0], arg);
			return -1;
		}
		return 1;
	}
	return 0;
}

static bool is_bool_word(const char *arg)
{
	return strcmp(arg, "true") == 0 || strcmp(arg, "false") == 0 || strcmp(arg, "on") == 0 ||
	       strcmp(arg, "off") == 0 || strcmp(arg, "yes") == 0 || strcmp(arg, "no") == 0 ||
	       strcmp(arg, "1") == 0 || strcmp(arg, "0") == 0;
}

/* A service's flag takes what follows as its value unless that is a flag as well. */
static void take_other(char **argv, int argc, int *i, struct args *out)
{
	out->other[out->nother++] = argv[*i];
	if (strchr(argv[*i], '=') == NULL && *i + 1 < argc && argv[*i + 1][0] != '-')
		out->other[out->nother++] = argv[++*i];
}

static void take_proxy(char **argv, int argc, int *i, enum proxy_flag kind, struct args *out)
{
	out->proxy[out->nproxy++] = argv[*i];
	if (*i + 1 < argc &&
	    (kind == WITH_VALUE || (kind == WITH_WORD && is_bool_word(argv[*i + 1]))))
		out->proxy[out->nproxy++] = argv[++*i];
}

static void args_init(int argc, char **argv, struct args *out)
{
	size_t room = ((size_t)argc + 1) * sizeof(char *);
	*out = (struct args){.verb = argv[0]};
	out->proxy = mem_zero(room);
	out->other = mem_zero(room);
	out->word = mem_zero(room);
}

/* settings_load knows best what to say of a flag that nobody has. */
static void refuse(char **flag)
{
	struct settings_error err;
	int rest;
	struct settings *s = settings_load(1, flag, &rest, &err);
	args_fail(EXIT_USAGE, "%s", s == NULL ? err.text : *flag);
	settings_free(s);
}

bool args_split(int argc, char **argv, const struct args_flag *flags, size_t nflags, bool services,
		struct args *out)
{
	args_init(argc, argv, out);
	for (int i = 1; i < argc; i++) {
		int own = take_own(argv, argc, &i, flags, nflags);
		if (own > 0)
			continue;
		enum proxy_flag kind = proxy_flag(argv[i]);
		bool word = argv[i][0] != '-' || argv[i][1] == '\0';
		bool unknown = !word && kind == NO_PROXY_FLAG;
		if (own == 0 && unknown && !services)
			refuse(&argv[i]);
		if (own < 0 || (unknown && !services)) {
			args_free(out);
			return false;
		}
		if (word)
			out->word[out->nwords++] = argv[i];
		else if (unknown)
			take_other(argv, argc, &i, out);
		else
			take_proxy(argv, argc, &i, kind, out);
	}
	return true;
}

void args_split_hook(int argc, char **argv, struct args *out)
{
	int i = 1;
	args_init(argc, argv, out);
	for (; i < argc && strcmp(argv[i], "--") != 0; i++) {
		enum proxy_flag kind = proxy_flag(argv[i]);
		if (kind == NO_PROXY_FLAG)
			out->other[out->nother++] = argv[i];
		else
			take_proxy(argv, argc, &i, kind, out);
	}
	for (; i < argc; i++)
		out->other[out->nother++] = argv[i];
}

void args_free(struct args *a)
{
	mem_free(a->proxy);
	mem_free(a->other);
	mem_free(a->word);
	*a = (struct args){0};
}

struct settings *args_settings(const struct args *a)
{
	struct settings_error err;
	int rest = 0;
	struct settings *s = settings_load(a->nproxy, a->proxy, &rest, &err);
	if (s == NULL)
		args_fail(EXIT_USAGE, "%s", err.text);
	return s;
}

const char *args_service(const struct args *a)
{
	if (a->nwords != 1) {
		args_fail(EXIT_USAGE, "%s: name one service, as in: kamal-proxy %s blog", a->verb,
			  a->verb);
		return NULL;
	}
	if (!settings_is_service_name(str_of(a->word[0]))) {
		args_fail(EXIT_USAGE,
			  "%s: '%s' is no service name: 1 to 63 of a-z 0-9 . _ -, not "
			  "starting with a dot",
			  a->verb, a->word[0]);
		return NULL;
	}
	return a->word[0];
}
