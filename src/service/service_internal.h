/* service_internal: the inside of a service, shared by the files of this room. */
#ifndef KP_SERVICE_SERVICE_INTERNAL_H
#define KP_SERVICE_SERVICE_INTERNAL_H

#include "service/errorpage.h"
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
	ev_timer limit; /* the time of the first that waits may be over */
	ev_timer cut;   /* what is in flight while the door is closed has had its time */
	uint64_t looked_at;                      /* peer_clock */
	const struct service_settings *settings; /* in force; NULL: none were ever good */
	uint64_t stamp;
	struct cert cert;
	struct list secure_node; /* in book->secure */
	char *error;             /* why newer settings are not in force; NULL: they are */
	struct claims *claims;
	const struct rollout_settings *rollout; /* in force; NULL: nobody meets the canary */
	struct errorpages *pages;
	struct list removed_node; /* in book->removed */
	uint64_t hold_ms;         /* how long a pause holds a request; 0: for ever */
	uint64_t closed_at;       /* ms of service_clock: since when the door is not open */
	uint32_t held;
	uint32_t released; /* requests that a pause's end let go, until they are answered */
	enum service_door door;
	bool owns_settings; /* else they are the defaults, or the elder's */
	bool owns_rollout;  /* else it is the elder's */
	bool told;          /* the scoreboard says of `pause` and `stop` what the site does */
	bool look_due;      /* the timer is to look at the directory */
	bool hurry;         /* the timer is to release at once */
	bool removed;
	char name[];
};

/* ---- service.c: what is told ---- */

void service_publish(struct service *s);
void service_news(const struct service *s);

/* ---- service_wait.c: who waits ---- */

void service_wait_init(struct service *s);
void service_wait_fini(struct service *s);
/* ms of a clock that nobody sets. */
uint64_t service_clock(void);
/* Sets the timer for what is due: look_due, hurry, the next back-off. */
void service_arm(struct service *s);
/* Sets the timer for the first whose time will be over. */
void service_arm_limit(struct service *s);
/* What was released and still waits is answered: its time is over. */
void service_end_released(struct service *s);
/* Lets go who may go now, or answers them; what is too much for one turn of the loop goes in the
   next ones. */
void service_release(struct service *s);

/* ---- service_doors.c: pause and stop ---- */

void service_doors_init(struct service *s);
void service_doors_fini(struct service *s);
/* Takes in what the site (and the settings) say of pause and stop. */
void service_settle_door(struct service *s);
/* Does the door stand as the files say, and nobody is on his way past it any more? */
bool service_pause_holds(const struct service *s);
bool service_stop_holds(const struct service *s);
/* Tells the master once that has become so. */
void service_tell_door(struct service *s);

/* ---- service_settings.c, service_claims.c ---- */

/* Reads them anew and claims what they say, or notes why not. */
void service_read_settings(struct service *s, const struct service *elder);
void service_free_settings(struct service *s);
/* After the settings, or tls.pem, have changed. */
void service_update_certificate(struct service *s, const struct service *elder);
void service_free_rollout(struct service *s);

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
