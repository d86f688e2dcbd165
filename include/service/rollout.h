/* rollout: who meets the canary. Pure. */
#ifndef KP_SERVICE_ROLLOUT_H
#define KP_SERVICE_ROLLOUT_H

#include <stdbool.h>

#include "base/str.h"
#include "files/settings.h"

/* Is a bearer of this value in? If it is listed, or its FNV-1a 32 hash lies in the first `percent`
   of all hashes, so that a larger percentage keeps who was in. The empty value never is. */
bool rollout_includes(const struct rollout_settings *r, struct str value);

#endif
