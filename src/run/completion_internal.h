/* completion: what its files share. */
#ifndef KP_RUN_COMPLETION_INTERNAL_H
#define KP_RUN_COMPLETION_INTERNAL_H

#include <stdbool.h>

/* The shell's side. */
extern const char completion_bash[], completion_zsh[];

/* What a flag wants behind it. */
enum completion_value {
	VALUE_NO_FLAG, /* it is none of that verb */
	VALUE_NONE,
	VALUE_ANY,
	VALUE_FILE,
};

/* Prints those of a verb's flags that begin with `prefix`. */
void completion_flags(const char *verb, const char *prefix);
enum completion_value completion_flag_value(const char *verb, const char *flag);

#endif
