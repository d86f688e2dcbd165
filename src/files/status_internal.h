/* status, private: what its writer and its reader share. */
#ifndef KP_FILES_STATUS_INTERNAL_H
#define KP_FILES_STATUS_INTERNAL_H

#include "files/status.h"

bool target_state_parse(struct str name, enum target_state *out);
/* Parses the text of a whole status file into an initialised *s; false when it is none. */
bool status_parse(struct str text, struct status *s);

#endif
