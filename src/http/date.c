/* date: a cached text; not for threads. */
#include "http/date.h"

#include <stdio.h>
#include <time.h>

struct str http_date(int64_t unix_seconds)
{
	static const char days[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
	static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
					   "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
	static int64_t of = -1;
	static char text[64];
	static size_t length;

	if (unix_seconds != of) {
		struct tm tm;
		time_t t = (time_t)unix_seconds;
		gmtime_r(&t, &tm);
		length = (size_t)snprintf(text, sizeof(text), "%s, %02d %s %04d %02d:%02d:%02d GMT",
					  days[tm.tm_wday], tm.tm_mday, months[tm.tm_mon],
					  tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
		of = unix_seconds;
	}
	return str_make(text, length);
}
