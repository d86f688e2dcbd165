/* page: the answers that the proxy gives itself. */
#ifndef KP_PROXY_PAGE_H
#define KP_PROXY_PAGE_H

#include <stddef.h>

#include "base/text.h"

/* Writes the HTML page for a status; `message` (escaped here) explains it to a person. `own`: the
   service's page, in which {{ message }} is replaced; empty: the built-in one. */
void page_write(struct text *out, int status, struct str message, struct str own);
/* Room that is enough for page_write. */
size_t page_room(struct str message, struct str own);
/* The built-in explanation of a status. */
struct str page_message(int status);
/* That of a service which was stopped. */
struct str page_maintenance(void);
/* Of a request that a pause has held for as long as it may. */
struct str page_held(void);

#endif
