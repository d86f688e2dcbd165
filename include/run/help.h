/* help: what each verb does, and the table of verbs that the program and its hooks know. */
#ifndef KP_RUN_HELP_H
#define KP_RUN_HELP_H

#include <stddef.h>
#include <stdio.h>

enum help_kind {
	HELP_BUILT_IN,
	HELP_HOOK,  /* a script in hooks/ */
	HELP_LATER, /* a name that is taken, not built yet */
};

struct help_verb {
	const char *name;
	enum help_kind kind;
	const char *usage; /* what follows the name */
	const char *summary;
	const char *
		text; /* flags and an example, lines; NULL for hooks (they have their own --help) */
};

extern const struct help_verb help_verbs[];
extern const size_t help_nverbs;

const struct help_verb *help_find(const char *name);
/* The most similar name; NULL when none is near. */
const char *help_nearest(const char *name);

void help_print_all(FILE *to);
void help_print_verb(FILE *to, const struct help_verb *v);

#endif
