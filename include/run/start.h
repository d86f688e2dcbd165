/* start: everything between the settings and the first worker: directories, lock, ports, log,
 * the step down from root; or, after an upgrade, the predecessor's estate instead. */
#ifndef KP_RUN_START_H
#define KP_RUN_START_H

#include <stdbool.h>

#include "files/settings.h"
#include "run/estate.h"

/* Fills e. False: said on stderr in one line, with what to do; the process should end with code
   2. */
bool start_fresh(struct settings *s, struct estate *e);
/* handover: the memfd's number, from the environment. */
bool start_restored(struct settings *s, const char *handover, struct estate *e);

/* log_level and debug. */
void start_set_log_level(const struct proxy_settings *p);

/* The access log as the settings want it: −1 when it is off. −2 and errno when it cannot be
   opened. */
int start_open_log(const struct proxy_settings *p);
#define START_LOG_FAILED (-2)

/* The directories as this process (no longer root) finds them; false after the reason was said. */
bool start_check_access(const struct settings *s);

#endif
