/* rollout: the rule by which cookie values are in the canary's group: the one that users of other
 * proxies brought their groups from, so it cannot be changed. */
#include "service/rollout.h"

static bool is_listed(const struct strings *list, struct str value)
{
	for (size_t i = 0; i < list->count; i++) {
		if (str_eq(str_of(list->item[i]), value))
			return true;
	}
	return false;
}

bool rollout_includes(const struct rollout_settings *r, struct str value)
{
	if (value.n == 0)
		return false;
	return is_listed(&r->list, value) ||
	       str_fnv1a32(value) <= (uint64_t)UINT32_MAX * r->percent / 100;
}
