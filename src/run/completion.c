/* Takes the words typed so far apart and says what may come next. */
#include "run/completion.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "completion_internal.h"
#include "run/args.h"
#include "run/help.h"

static void offer(const char *word, const char *prefix)
{
	if (strncmp(word, prefix, strlen(prefix)) == 0)
		printf("%s\n", word);
}

static void offer_files(void)
{
	printf(":files\n");
}

static void offer_verbs(const char *prefix)
{
	for (size_t i = 0; i < help_nverbs; i++) {
		if (help_verbs[i].kind != HELP_LATER)
			offer(help_verbs[i].name, prefix);
	}
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool is_service(const char *services_dir, const char *name)
{
	char path[PATH_MAX];
	struct stat st;
	snprintf(path, sizeof(path), "%s/%s", services_dir, name);
	return settings_is_service_name(str_of(name)) && stat(path, &st) == 0 &&
	       S_ISDIR(st.st_mode);
}

static void offer_names(const char *services_dir, const char *prefix)
{
	char **name = NULL;
	size_t count = 0;
	DIR *d = opendir(services_dir);
	if (d == NULL)
		return;
	for (struct dirent *e; (e = readdir(d)) != NULL;) {
		if (!is_service(services_dir, e->d_name))
			continue;
		name = mem_grow(name, (count + 1) * sizeof(name[0]));
		name[count++] = str_dup(str_of(e->d_name));
	}
	closedir(d);
	if (count > 1)
		qsort(name, count, sizeof(name[0]), by_text);
	for (size_t i = 0; i < count; i++) {
		offer(name[i], prefix);
		mem_free(name[i]);
	}
	mem_free(name);
}

/* Of the proxy that the words typed so far speak of. */
static void offer_services(int argc, char **argv, const char *prefix)
{
	struct args args;
	args_split_hook(argc, argv, &args);
	struct settings *s = args_settings(&args);
	if (s != NULL)
		offer_names(s->proxy.services_dir, prefix);
	settings_free(s);
	args_free(&args);
}

static bool takes_service(const char *verb)
{
	static const char *const verbs[] = {"status", "wait",   "set",  "deploy", "rollback",
					    "pause",  "resume", "stop", "remove", "prune"};
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		if (strcmp(verbs[i], verb) == 0)
			return true;
	}
	return false;
}

/* argv[0] is the verb, argv[argc - 1] what is being typed; it is plain word number `place`. */
static void offer_word(int argc, char **argv, int place)
{
	const char *verb = argv[0], *prefix = argv[argc - 1];
	bool rollout = strcmp(verb, "rollout") == 0;
	if (strcmp(verb, "help") == 0 && place == 0) {
		offer_verbs(prefix);
	} else if (strcmp(verb, "completion") == 0 && place == 0) {
		offer("bash", prefix);
		offer("zsh", prefix);
	} else if (rollout && place == 0) {
		offer("deploy", prefix);
		offer("set", prefix);
		offer("stop", prefix);
	} else if (rollout ? place == 1 : takes_service(verb) && place == 0) {
		offer_services(argc - 1, argv, prefix);
	}
}

static void offer_next(int argc, char **argv)
{
	const char *verb = argv[0], *typed = argv[argc - 1];
	enum completion_value due = VALUE_NONE;
	int place = 0;
	for (int i = 1; i < argc - 1; i++) {
		if (due == VALUE_ANY || due == VALUE_FILE) {
			due = VALUE_NONE;
			continue;
		}
		if (strcmp(argv[i], "--") == 0) { /* a command follows */
			offer_files();
			return;
		}
		due = completion_flag_value(verb, argv[i]);
		place += due == VALUE_NO_FLAG && argv[i][0] != '-';
	}
	if (due == VALUE_FILE)
		offer_files();
	else if (due != VALUE_ANY && typed[0] == '-')
		completion_flags(verb, typed);
	else if (due != VALUE_ANY)
		offer_word(argc, argv, place);
}

static int offer_words(int argc, char **argv)
{
	int n = 0;
	/* bash makes three words of --flag=value. */
	for (int i = 0; i < argc; i++) {
		if (strcmp(argv[i], "=") != 0)
			argv[n++] = argv[i];
		else if (i == argc - 1)
			argv[n++] = (char[]){""};
	}
	if (n == 1)
		offer_verbs(argv[0]);
	else if (n > 1)
		offer_next(n, argv);
	return EXIT_DONE;
}

int completion_main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";
	if (strcmp(what, "words") == 0 && argc > 2 && strcmp(argv[2], "--") == 0)
		return offer_words(argc - 3, argv + 3);
	if (argc != 2 || (strcmp(what, "bash") != 0 && strcmp(what, "zsh") != 0))
		return args_fail(EXIT_USAGE, "completion: bash or zsh, as in: eval \"$(kamal-proxy "
					     "completion bash)\"");
	fputs(strcmp(what, "bash") == 0 ? completion_bash : completion_zsh, stdout);
	return EXIT_DONE;
}
