/* The words of --help. Flags of the proxy and of services come from the option tables. */
#include "run/help.h"

#include <string.h>

#include "files/settings.h"

#define WHERE                                                                                      \
	"  -c FILE              kamal-proxy.ini\n"                                                 \
	"  --services-dir DIR   the services\n"                                                    \
	"  --runtime-dir DIR    lock and status files\n"

const struct help_verb help_verbs[] = {
	{"run", HELP_BUILT_IN, "[OPTIONS]", "run the proxy in the foreground",
	 "SIGTERM drains and ends, SIGHUP reloads and upgrades in one, SIGUSR1 reopens log files.\n"
	 "\n"
	 "  kamal-proxy run --http-port 8080 --https-port 8443 --services-dir /srv/sites\n"},
	{"list", HELP_BUILT_IN, "[--json]", "all services in a table (also: ls)",
	 WHERE "\n  kamal-proxy list --json\n"},
	{"status", HELP_BUILT_IN, "SERVICE [--json]", "one service in full",
	 WHERE "\n  kamal-proxy status blog\n"},
	{"check", HELP_BUILT_IN, "", "read all settings and services, report every problem",
	 WHERE "\n  kamal-proxy check && systemctl reload kamal-proxy\n"},
	{"wait", HELP_BUILT_IN,
	 "SERVICE [--ready|--running|--drained|--paused|--seen] [--tunnels] [--timeout 30s]",
	 "block until the files as they are now are in force",
	 "  --ready              a socket listens, paused or not (the default)\n"
	 "  --running            and the state is running\n"
	 "  --drained            nothing is in flight on replaced sockets\n"
	 "  --paused             requests are held and nothing is in flight: migrate now\n"
	 "  --seen               every worker has seen the files, no more than that\n"
	 "  --tunnels            nor are there upgraded connections\n"
	 "  --timeout 30s        then exit 1 and say what was missing\n" WHERE
	 "\n  mv app.sock.new app.sock && kamal-proxy wait blog --drained && kill \"$old\"\n"
	 "  touch pause && kamal-proxy wait blog --paused && ./migrate; rm pause\n"},
	{"set", HELP_BUILT_IN, "SERVICE [--rollout] [--dry-run] [OPTIONS]",
	 "change a service's options, keep the others",
	 "  --rollout            the canary's: --percent N and --list A,B\n"
	 "  --dry-run            write nothing, print what would be in force\n" WHERE
	 "\n  kamal-proxy set blog --host www.example.com --target-timeout 1m\n"},
	{"deploy", HELP_HOOK, "SERVICE --target SOCKET [OPTIONS]",
	 "warm up a new version, hand over, wait for the drain", NULL},
	{"rollback", HELP_HOOK, "SERVICE", "hand back to the socket before", NULL},
	{"pause", HELP_HOOK, "SERVICE [--max-pause 30s] [-- COMMAND...]",
	 "hold requests, or hold them while a command runs", NULL},
	{"resume", HELP_HOOK, "SERVICE", "end a pause or a stop", NULL},
	{"stop", HELP_HOOK, "SERVICE [--message TEXT]", "answer with the maintenance page", NULL},
	{"rollout", HELP_HOOK, "deploy|set|stop SERVICE [OPTIONS]",
	 "try a version on some of the users", NULL},
	{"remove", HELP_HOOK, "SERVICE", "remove a service", NULL},
	{"prune", HELP_HOOK, "SERVICE", "remove sockets nobody listens on", NULL},
	{"completion", HELP_BUILT_IN, "bash|zsh", "print a script that completes commands",
	 "\n  eval \"$(kamal-proxy completion bash)\"\n"},
	{"version", HELP_BUILT_IN, "", "print the version", ""},
	{"help", HELP_BUILT_IN, "[COMMAND]", "this, or one command in full", ""},
	{"certs", HELP_LATER, "", "certificates", ""},
	{"doctor", HELP_LATER, "SERVICE", "why a request would not get through", ""},
	{"top", HELP_LATER, "", "a live table", ""},
};
const size_t help_nverbs = sizeof(help_verbs) / sizeof(help_verbs[0]);

const struct help_verb *help_find(const char *name)
{
	if (strcmp(name, "ls") == 0)
		name = "list";
	for (size_t i = 0; i < help_nverbs; i++) {
		if (strcmp(help_verbs[i].name, name) == 0)
			return &help_verbs[i];
	}
	return NULL;
}

/* Letters to add, drop or change to make one word of the other. */
static size_t distance(const char *a, const char *b)
{
	size_t row[32], n = strlen(b);
	if (n >= sizeof(row) / sizeof(row[0]))
		return n;
	for (size_t k = 0; k <= n; k++)
		row[k] = k;
	for (size_t i = 1; *a != '\0'; a++, i++) {
		size_t corner = row[0];
		row[0] = i;
		for (size_t k = 1; k <= n; k++) {
			size_t change = corner + (*a != b[k - 1]);
			size_t drop = row[k] + 1, add = row[k - 1] + 1;
			corner = row[k];
			row[k] = change < drop ? change : drop;
			row[k] = row[k] < add ? row[k] : add;
		}
	}
	return row[n];
}

const char *help_nearest(const char *name)
{
	const char *best = NULL;
	size_t least = 6;
	for (size_t i = 0; i < help_nverbs; i++) {
		/* Halves: of two as near as each other, the one that begins alike. */
		size_t d = 2 * distance(name, help_verbs[i].name) +
			   (help_verbs[i].name[0] != name[0]);
		if (help_verbs[i].kind == HELP_LATER || d >= least)
			continue;
		least = d;
		best = help_verbs[i].name;
	}
	return best;
}

void help_print_all(FILE *to)
{
	fprintf(to,
		"kamal-proxy hands a site's traffic from one socket to the next without losing a "
		"request.\n"
		"There is nothing to register: a service is a directory, a deploy is a rename.\n\n"
		"usage: kamal-proxy COMMAND [ARGUMENTS]\n\n");
	for (size_t i = 0; i < help_nverbs; i++) {
		if (help_verbs[i].kind != HELP_LATER)
			fprintf(to, "  %-10s %s\n", help_verbs[i].name, help_verbs[i].summary);
	}
	fprintf(to,
		"\n"
		"  kamal-proxy run --http-port 8080 --https-port 8443 --services-dir /srv/sites\n"
		"  cd /srv/sites/blog && mv app.sock.new app.sock && kamal-proxy wait blog "
		"--drained\n\n"
		"Each command: kamal-proxy COMMAND --help. Exit codes: 0 done, 1 it did not "
		"happen, 2 wrong "
		"usage.\n");
}

void help_print_verb(FILE *to, const struct help_verb *v)
{
	fprintf(to, "usage: kamal-proxy %s%s%s\n%s\n", v->name, v->usage[0] == '\0' ? "" : " ",
		v->usage, v->summary);
	if (v->text != NULL && v->text[0] != '\0')
		fprintf(to, "\n%s", v->text);
	if (strcmp(v->name, "run") == 0 || strcmp(v->name, "set") == 0) {
		fprintf(to, "\nOptions:\n");
		settings_print_flags(to, strcmp(v->name, "set") == 0);
	}
}
