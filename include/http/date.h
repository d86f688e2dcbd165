/* date: the Date field's text (RFC 9110 5.6.7), made once a second. */
#ifndef KP_HTTP_DATE_H
#define KP_HTTP_DATE_H

#include <stdint.h>

#include "base/str.h"

/* "Sun, 06 Nov 1994 08:49:37 GMT"; valid until the next call. */
struct str http_date(int64_t unix_seconds);

#endif
