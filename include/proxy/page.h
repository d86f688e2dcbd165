/* page: the answers that the proxy gives itself. */
#ifndef KP_PROXY_PAGE_H
#define KP_PROXY_PAGE_H

#include "base/text.h"

/* Writes the HTML page for a status; `message` (escaped here) explains it to a person. */
void page_write(struct text *out, int status, struct str message);
/* The built-in explanation of a status. */
struct str page_message(int status);

#endif
