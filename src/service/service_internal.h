/* service_internal: the inside of a service, shared by the files of this room. */
#ifndef KP_SERVICE_SERVICE_INTERNAL_H
#define KP_SERVICE_SERVICE_INTERNAL_H

#include "service/gate.h"
#include "service/peer.h"
#include "service/route.h"
#include "service/service.h"

/* Which hosts and prefixes it asks for. Apart from the service, as other services' claims change
 * it. */
struct claims {
	struct claim claim; /* one stands for all of them */
	struct service_book *book;
	const struct service_settings *settings; /* what is claimed now; NULL: nothing */
	struct list touched;                     /* in book->touched */
	uint32_t lost;                           /* claims that somebody older has */
	bool told;                               /* the log has said that some are lost */
	char *text;                              /* the conflict, for a person */
};

struct service {
	struct peer_home home;
	const struct service_env *env;
	struct service_book *book;
	struct site *site; /* NULL once removed */
	struct gate gate;
	ev_timer timer; /* looks at the directory; the end of a back-off that somebody waits for */
	uint64_t due;   /* which back-offs end with it */
	uint64_t looked_at;                      /* peer_clock */
	const struct service_settings *settings; /* in force; NULL: none were ever good */
	uint64_t stamp;
	char *error; /* why newer settings are not in force; NULL: they are */
	struct claims *claims;
	struct list removed_node; /* in book->removed */
	uint32_t held;
	bool owns_settings; /* else they are the defaults, or the elder's */
	bool look_due;      /* the timer is to look at the directory */
	bool hurry;         /* the timer is to release at once */
	bool removed;
	char name[];
};

/* Reads them anew and claims what they say, or notes why not. */
void service_read_settings(struct service *s, const struct service *elder);
void service_free_settings(struct service *s);

struct claims *claims_new(struct service *s);
void claims_free(struct claims *c);
/* Claims what the settings say, after claims_drop. They must live until the next claims_drop. */
void claims_take(struct claims *c, const struct service_settings *settings, int64_t since_ns);
void claims_drop(struct claims *c);
/* The log is told which conflicts have begun and which have ended since the last time. */
void claims_settle(struct service_book *b);
const char *claims_conflict(struct claims *c); /* NULL: none */

/* Only the master logs what every process sees alike. */
static inline bool service_logs(const struct service_env *env)
{
	return env->loop != NULL && env->region == NULL;
}

#endif
