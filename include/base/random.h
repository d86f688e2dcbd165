/* random: unpredictable bytes from the kernel, fetched 4 kB at a time (a call for each id would cost more
   than the rest of a small request's own work). */
#ifndef KP_BASE_RANDOM_H
#define KP_BASE_RANDOM_H

#include <stddef.h>

/* 2·n lower-case hex digits of n random bytes (n ≤ 64); no NUL. Use it in one process only: after a fork
   parent and child would give the same. */
void random_hex(char *dst, size_t n);

#endif
