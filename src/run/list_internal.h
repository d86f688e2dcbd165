/* list: what its files share. */
#ifndef KP_RUN_LIST_INTERNAL_H
#define KP_RUN_LIST_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>

#include "files/status.h"

/* One object, as in the status file; state null when `down`. */
void list_print_json(const struct status *s, bool down);

#endif
