/* What was published against what is true now: has it to be written, and at once? */
#include <string.h>

#include "gather_internal.h"
#include "run/gather.h"

static bool same_targets(const struct status *a, const struct status *b)
{
	if (a->ntargets != b->ntargets)
		return false;
	for (size_t i = 0; i < a->ntargets; i++) {
		const struct status_target *x = &a->targets[i], *y = &b->targets[i];
		if (x->inode != y->inode || x->state != y->state || strcmp(x->name, y->name) != 0)
			return false;
	}
	return true;
}

/* Then the end of what is in flight is what a migration waits for. */
static bool is_held_back(const struct status *s)
{
	return s->pause.ino != 0 || s->stop.ino != 0;
}

bool gather_is_urgent(const struct status *last, const struct status *now)
{
	return last->state != now->state || last->generation != now->generation ||
	       last->settings != now->settings || strcmp(last->hosts, now->hosts) != 0 ||
	       strcmp(last->path, now->path) != 0 || strcmp(last->error, now->error) != 0 ||
	       last->tls != now->tls || strcmp(last->certificate, now->certificate) != 0 ||
	       !gather_same_file(last->pause, now->pause) ||
	       !gather_same_file(last->stop, now->stop) ||
	       (last->draining != 0 && now->draining == 0) ||
	       (is_held_back(last) && last->in_flight != 0 && now->in_flight == 0) ||
	       (last->tunnels != 0 && now->tunnels == 0) || !same_targets(last, now);
}

bool gather_differs(const struct status *last, const struct status *now)
{
	if (last->in_flight != now->in_flight || last->draining != now->draining ||
	    last->tunnels != now->tunnels || last->held != now->held ||
	    last->requests != now->requests || last->errors != now->errors ||
	    last->cut_off != now->cut_off)
		return true;
	for (size_t i = 0; i < now->ntargets && i < last->ntargets; i++) {
		if (last->targets[i].in_flight != now->targets[i].in_flight)
			return true;
	}
	return gather_is_urgent(last, now);
}

size_t gather_count_targets(const struct status *s)
{
	size_t n = 0;
	for (size_t i = 0; i < s->ntargets; i++)
		n += s->targets[i].state != TARGET_DRAINING;
	return n;
}
