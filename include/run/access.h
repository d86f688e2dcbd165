/* access: why this process may not do something with a path, and the command that mends it. */
#ifndef KP_RUN_ACCESS_H
#define KP_RUN_ACCESS_H

#include <stdbool.h>
#include <stddef.h>

#define ACCESS_TEXT 1024

/* mode: an or of R_OK W_OK X_OK, as effective user. True: allowed. False: `why` names the first
   component on the way that refuses, its mode, owner and group, our uid, and what to do (also
   when it is missing). */
bool access_check(const char *path, int mode, char *why, size_t size);

#endif
