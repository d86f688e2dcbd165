/* log: the program's own messages, one line each, to stderr ("2026-01-02T03:04:05.678Z info text").
   Requests are not logged here (see proxy/accesslog.h). */
#ifndef KP_BASE_LOG_H
#define KP_BASE_LOG_H

#include <stdbool.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

void log_set_level(enum log_level level);
/* "debug info warn error"; false when it is none of these. */
bool log_level_parse(const char *name, enum log_level *out);
/* What stands before each text, such as "worker 1.2: "; kept by pointer, NULL for none. */
void log_set_prefix(const char *prefix);

/* One write(2) a line, control bytes escaped; a message is cut at 2 kB. Never fails; a line that stderr
   cannot take just now is lost; errno is preserved. */
void log_at(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#define log_debug(...) log_at(LOG_DEBUG, __VA_ARGS__)
#define log_info(...) log_at(LOG_INFO, __VA_ARGS__)
#define log_warn(...) log_at(LOG_WARN, __VA_ARGS__)
#define log_error(...) log_at(LOG_ERROR, __VA_ARGS__)

#endif
