/* log: one line a message to stderr, in one write. */
#include "base/log.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "base/str.h"
#include "base/text.h"

#define MESSAGE_MAX 2048

static enum log_level lowest = LOG_INFO;
static const char *line_prefix = "";

static const char *const names[] = {"debug", "info", "warn", "error"};

void log_set_level(enum log_level level)
{
	lowest = level;
}

bool log_level_parse(const char *name, enum log_level *out)
{
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(name, names[i]) == 0) {
			*out = (enum log_level)i;
			return true;
		}
	}
	return false;
}

void log_set_prefix(const char *prefix)
{
	line_prefix = prefix == NULL ? "" : prefix;
}

/* Bytes above 0x7F pass: file names are UTF-8 more often than not. */
static void add_escaped(struct text *t, struct str s)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		char four[] = {'\\', 'x', digits[c >> 4], digits[c & 15]};

		if (c < 0x20 || c == 0x7F)
			text_add(t, str_make(four, sizeof(four)));
		else
			text_char(t, s.p[i]);
	}
}

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* A reader that has stopped reading must not stop the proxy: what it does not take now is lost. */
static void put_line(const struct text *t)
{
	struct pollfd fd = {.fd = STDERR_FILENO, .events = POLLOUT};

	if (poll(&fd, 1, 0) == 0)
		return;
	if (write(STDERR_FILENO, t->p, t->n) < 0) {
		/* There is nowhere else to say so. */
	}
}

void log_at(enum log_level level, const char *fmt, ...)
{
	char message[MESSAGE_MAX], line[MESSAGE_MAX * 4 + 256];
	struct text t = text_in(line, sizeof(line) - 1); /* the line's end always fits */
	int saved = errno;
	va_list args;

	if (level < lowest)
		return;
	va_start(args, fmt);
	errno = saved; /* for %m */
	if (vsnprintf(message, sizeof(message), fmt, args) < 0)
		message[0] = '\0';
	va_end(args);
	text_time(&t, now_ms());
	text_char(&t, ' ');
	text_add(&t, str_of(names[level]));
	text_add(&t, str_make("  ", 6 - strlen(names[level])));
	add_escaped(&t, str_of(line_prefix));
	add_escaped(&t, str_of(message));
	t.p[t.n++] = '\n';
	put_line(&t);
	errno = saved;
}
