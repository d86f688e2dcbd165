/* errorpage: a service's own error pages, errors/<status>.html in its directory: read when one is
 * wanted, and kept, so that services whose pages nobody meets cost nothing. */
#ifndef KP_SERVICE_ERRORPAGE_H
#define KP_SERVICE_ERRORPAGE_H

#include "base/str.h"

#define ERRORPAGE_MAX (256 * 1024) /* bytes; a longer one counts as unreadable */

struct errorpages;

/* The page for 404, 413, 502, 503 or 504 as it was at most a second ago; of length 0 for others, and
   when there is none or it cannot be read (logged once, for `name`). Links are followed. *pages is
   NULL at first. Valid until the next call. dir NULL: the directory is gone. */
struct str errorpage_get(struct errorpages **pages, const char *name, const char *dir, int status);
void errorpages_free(struct errorpages *pages);

#endif
