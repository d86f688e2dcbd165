/* The option tables as text: for --help and as the kamal-proxy.ini that documents every default. */
#include <inttypes.h>

#include "settings_internal.h"

static const char *const type_words[] = {
	[OPTION_BOOL] = "",      [OPTION_NUMBER] = " NUMBER", [OPTION_DURATION] = " TIME",
	[OPTION_SIZE] = " SIZE", [OPTION_TEXT] = " TEXT",     [OPTION_LIST] = " LIST",
};

#define FLAG_COLUMN 36

static void print_flags(FILE *to, const struct option_table *t)
{
	for (size_t i = 0; i < t->count; i++) {
		const struct option *o = &t->options[i];
		char flag[64];
		snprintf(flag, sizeof(flag), "--%s%s", o->name, type_words[o->type]);
		for (char *p = flag; *p != '\0'; p++) {
			if (*p == '_')
				*p = '-';
		}
		fprintf(to, "  %-*s %s", FLAG_COLUMN, flag, o->help);
		if (o->def[0] != '\0')
			fprintf(to, " [%s]", o->def);
		fprintf(to, "%s\n", o->built ? "" : " (not built yet)");
	}
}

void settings_print_flags(FILE *to, bool service)
{
	print_flags(to, service ? &service_table : &proxy_table);
	if (!service)
		return;
	fputs("\n--host NAME is --hosts, and may be given several times.\n", to);
	fputs("\nWith --rollout, those of the canary (rollout.ini):\n", to);
	print_flags(to, &rollout_table);
}

static void print_list(FILE *to, const struct strings *l)
{
	for (size_t i = 0; i < l->count; i++)
		fprintf(to, "%s%s", i == 0 ? " " : ", ", l->item[i]);
}

static void print_value(FILE *to, const struct option *o, const void *member)
{
	switch (o->type) {
	case OPTION_BOOL: fputs(*(const bool *)member ? " true" : " false", to); break;
	case OPTION_NUMBER:
	case OPTION_SIZE: fprintf(to, " %" PRIu64, *(const uint64_t *)member); break;
	case OPTION_DURATION: fprintf(to, " %" PRIu64 "ms", *(const uint64_t *)member); break;
	case OPTION_TEXT: {
		const char *text = *(char *const *)member;
		fprintf(to, "%s%s", text[0] != '\0' ? " " : "", text);
		break;
	}
	case OPTION_LIST: print_list(to, member); break;
	}
}

void option_print_values(FILE *to, const struct option_table *t, void *settings)
{
	for (size_t i = 0; i < t->count; i++) {
		fprintf(to, "%s =", t->options[i].name);
		print_value(to, &t->options[i], option_member(&t->options[i], settings));
		fputc('\n', to);
	}
}

static void print_table(FILE *to, const struct option_table *t)
{
	for (size_t i = 0; i < t->count; i++) {
		const struct option *o = &t->options[i];
		fprintf(to, "\n# %s%s\n#%s =%s%s\n", o->help, o->built ? "" : " (not built yet)",
			o->name, o->def[0] == '\0' ? "" : " ", o->def);
	}
}

void settings_print_ini(FILE *to)
{
	fputs("# kamal-proxy.ini: every option, at its default. Take the # away to set one.\n"
	      "# A flag (--http-port) beats an environment variable (KAMAL_PROXY_HTTP_PORT), "
	      "which\n"
	      "# beats this file. Times: 500ms 30s 5m 1h; sizes: 64k 1m 1g; lists: a, b. Values "
	      "with\n"
	      "# ; or # stand in quotes, comments on lines of their own.\n"
	      "\n[proxy]\n",
	      to);
	print_table(to, &proxy_table);
	fputs("\n# Defaults of every service; its own service.ini beats them.\n[service]\n", to);
	print_table(to, &service_table);
}
