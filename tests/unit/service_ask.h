/* Requests that wait at a service, for tests: sent to an app as soon as they may go. */
#ifndef KP_TESTS_SERVICE_ASK_H
#define KP_TESTS_SERVICE_ASK_H

#include "service_stage.h"

/* A request that waits. */
struct ask {
	struct waiter waiter;
	struct service *service;
	struct tie tie;
	int tried, expired;
	enum wait_end why; /* it expired */
	bool sent, refused;
};

static inline bool ask_retry(struct waiter *w)
{
	struct ask *a = container_of(w, struct ask, waiter);

	a->tried++;
	if (service_is_removed(a->service)) {
		a->refused = true;
		service_unwait(a->service, w);
		service_drop(a->service);
		return true;
	}
	if (!tie_send(&a->tie, a->service))
		return false;
	a->sent = true;
	stage.order[stage.sent++ % TIES_MAX] = a;
	return true;
}

static inline void ask_expired(struct waiter *w, enum wait_end why)
{
	struct ask *a = container_of(w, struct ask, waiter);

	a->expired++;
	a->why = why;
}

static const struct waiter_ops ask_ops = {.retry = ask_retry, .expired = ask_expired};

static inline bool ask_wait(struct ask *a, struct service *s)
{
	*a = (struct ask){.service = s};
	waiter_init(&a->waiter, &ask_ops);
	return service_wait(s, &a->waiter);
}

/* Answered by the app. */
static inline void ask_end(struct ask *a)
{
	service_unwait(a->service, &a->waiter);
	tie_end(&a->tie);
}

#endif
