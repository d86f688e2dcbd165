/* What is wrong with a value that its type alone allows: ranges, addresses, names, paths. List
 * items are brought to their normal form in place (never longer than before). */
#include <arpa/inet.h>
#include <stdarg.h>

#include "base/log.h"
#include "net/cidr.h"
#include "settings_internal.h"

bool complain(struct complaint *why, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(why->text, sizeof(why->text), fmt, ap);
	va_end(ap);
	return false;
}

struct range {
	const char *name;
	uint64_t min, max;
	const char *why;
};
static const struct range ranges[] = {
	{"http_port", 1, 65535, "not a port; use 1 to 65535"},
	{"https_port", 0, 65535, "not a port; use 1 to 65535, or 0 for none"},
	{"metrics_port", 0, 65535, "not a port; use 1 to 65535, or 0 for none"},
	{"max_headers", 1, 256, "out of range; use 1 to 256"},
	{"max_streams", 1, 10000, "out of range; use 1 to 10000"},
	{"max_request_head", 1024, 65536, "out of range; use 1k to 64k"},
	{"max_request_line", 64, 65536, "out of range; use 64 to 64k"},
	{"max_idle_upstream", 0, 65536, "out of range; use 0 to 65536"},
	{"max_held", 0, 1000000, "out of range; use 0 to 1000000"},
	{"percent", 0, 100, "out of range; use 0 to 100"},
};

static bool check_range(const char *name, uint64_t v, struct complaint *why)
{
	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
		const struct range *r = &ranges[i];
		if (strcmp(r->name, name) == 0 && (v < r->min || v > r->max))
			return complain(why, "%s", r->why);
	}
	return true;
}

static bool check_directory(char *v, struct complaint *why)
{
	return strcmp(v, "") != 0 || complain(why, "empty; name a directory");
}

static bool check_user(char *v, struct complaint *why)
{
	if (strcmp(v, "root") == 0 || strcmp(v, "0") == 0)
		return complain(why, "refused; name an account without privileges");
	return true;
}

static bool check_workers(char *v, struct complaint *why)
{
	uint64_t n;
	if (strcmp(v, "auto") == 0 || (str_to_u64(str_of(v), &n) && n >= 1 && n <= 16))
		return true;
	return complain(why, "use auto or 1 to 16");
}

static bool check_log_level(char *v, struct complaint *why)
{
	enum log_level level;
	return log_level_parse(v, &level) || complain(why, "use debug, info, warn or error");
}

static bool check_access_log(char *v, struct complaint *why)
{
	if (strcmp(v, "stdout") == 0 || strcmp(v, "off") == 0 || v[0] == '/')
		return true;
	return complain(why, "use stdout, off or a file's path beginning with /");
}

static bool check_log_format(char *v, struct complaint *why)
{
	if (strcmp(v, "text") == 0)
		return complain(why, "the format text is not built yet; use json");
	return strcmp(v, "json") == 0 || complain(why, "use json");
}

static bool is_address(const char *v)
{
	unsigned char room[sizeof(struct in6_addr)];
	return inet_pton(strchr(v, ':') != NULL ? AF_INET6 : AF_INET, v, room) == 1;
}

#define BIND_UNIX_MAX 79 /* what a listener's name holds */

static bool check_bind(char *v, struct complaint *why)
{
	size_t n = strlen(v);
	if (strncmp(v, "unix:", 5) == 0)
		return (v[5] == '/' && n <= BIND_UNIX_MAX) ||
		       complain(why, "%.100s: not unix:/path (at most %d bytes)", v, BIND_UNIX_MAX);
	if (n > 2 && v[0] == '[' && v[n - 1] == ']') {
		memmove(v, v + 1, n - 2);
		v[n - 2] = '\0';
	}
	return is_address(v) ||
	       complain(why, "%.100s: not a numeric address; write one like 127.0.0.1 or ::1", v);
}

static bool check_network(char *v, struct complaint *why)
{
	struct cidr net;
	return cidr_parse(v, &net) ||
	       complain(why, "%.100s: not a network; write one like 10.0.0.0/8 or ::1", v);
}

static bool is_ldh(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
}

static bool is_label(struct str l)
{
	if (l.n == 0 || l.n > 63 || l.p[0] == '-' || l.p[l.n - 1] == '-')
		return false;
	for (size_t i = 0; i < l.n; i++) {
		if (!is_ldh(l.p[i]))
			return false;
	}
	return true;
}

bool host_check(char *host, struct complaint *why)
{
	size_t n = strlen(host);
	for (char *p = host; *p != '\0'; p++) {
		if (*p >= 'A' && *p <= 'Z')
			*p = (char)(*p | 0x20);
	}
	if (n > 1 && host[n - 1] == '.')
		host[--n] = '\0';
	if (strcmp(host, "*") == 0) /* any host */
		return true;
	if (strchr(host, ':') != NULL)
		return complain(why, "%.100s: a host is named without scheme and port", host);
	struct str rest = str_make(host, n), label;
	if (str_has_prefix(rest, STR("*.")))
		rest = str_make(host + 2, n - 2);
	bool good = n <= 253;
	while (good && str_split(&rest, '.', &label))
		good = is_label(label);
	return good ||
	       complain(why, "%.100s: not a host name; write example.com or *.example.com", host);
}

static bool check_prefix(char *v, struct complaint *why)
{
	struct str rest = str_of(v), part;
	if (v[0] != '/')
		return complain(why, "%.100s: a path begins with /", v);
	for (size_t i = 0; i < rest.n; i++) {
		if (v[i] <= ' ' || v[i] > '~' || v[i] == '?' || v[i] == '#')
			return complain(why, "%.100s: write it percent-encoded, without a query",
					v);
	}
	while (rest.n > 1 && v[rest.n - 1] == '/')
		v[--rest.n] = '\0';
	if (rest.n == 1)
		return true;
	for (rest = str_make(v + 1, rest.n - 1); str_split(&rest, '/', &part);) {
		if (part.n == 0 || str_eq(part, STR(".")) || str_eq(part, STR("..")))
			return complain(why, "%.100s: remove the empty, . and .. segments", v);
	}
	return true;
}

static bool has_blank(const char *v)
{
	for (; *v != '\0'; v++) {
		if ((unsigned char)*v <= ' ' || *v == 0x7f)
			return true;
	}
	return false;
}

static bool check_health_path(char *v, struct complaint *why)
{
	if (v[0] != '/')
		return complain(why, "not a path; write one that begins with /");
	return !has_blank(v) || complain(why, "a blank in a path; write it percent-encoded");
}

static bool check_health_host(char *v, struct complaint *why)
{
	if (has_blank(v) || strchr(v, '/') != NULL)
		return complain(why, "not a Host; write example.com or example.com:8080");
	return true;
}

static bool check_field(char *v, struct complaint *why)
{
	static const char legal[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789!#$%&'*+-.^_`|~";
	return v[strspn(v, legal)] == '\0' || complain(why, "%.100s: not a header's name", v);
}

static bool check_absolute(char *v, struct complaint *why)
{
	struct str path = str_of(v);
	return path.n == 0 || str_has_prefix(path, STR("/")) ||
	       complain(why, "write the whole path, from / on");
}

static bool check_hsts(char *v, struct complaint *why)
{
	return v[0] == '\0' || strstr(v, "max-age=") != NULL ||
	       complain(why, "not a value of Strict-Transport-Security; write one like "
			     "max-age=31536000");
}

/* Of a text, or of each item of a list. */
static const struct {
	const char *name;
	bool (*check)(char *value, struct complaint *why);
} text_checks[] = {
	{"services_dir", check_directory},
	{"runtime_dir", check_directory},
	{"state_dir", check_directory},
	{"user", check_user},
	{"workers", check_workers},
	{"log_level", check_log_level},
	{"access_log", check_access_log},
	{"log_format", check_log_format},
	{"bind", check_bind},
	{"trusted_proxies", check_network},
	{"tls_certificate_path", check_absolute},
	{"tls_private_key_path", check_absolute},
	{"tls_client_ca", check_absolute},
	{"hsts", check_hsts},
	{"hosts", host_check},
	{"path_prefix", check_prefix},
	{"health_check_path", check_health_path},
	{"health_check_host", check_health_host},
	{"log_request_header", check_field},
	{"log_response_header", check_field},
};

static bool check_text(const char *name, char *v, struct complaint *why)
{
	for (size_t i = 0; i < sizeof(text_checks) / sizeof(text_checks[0]); i++) {
		if (strcmp(text_checks[i].name, name) == 0)
			return text_checks[i].check(v, why);
	}
	return true;
}

bool option_check(const struct option *o, void *member, struct complaint *why)
{
	switch (o->type) {
	case OPTION_BOOL:
	case OPTION_DURATION: return true;
	case OPTION_NUMBER:
	case OPTION_SIZE: return check_range(o->name, *(uint64_t *)member, why);
	case OPTION_TEXT: return check_text(o->name, *(char **)member, why);
	case OPTION_LIST: {
		struct strings *l = member;
		for (size_t i = 0; i < l->count; i++) {
			if (!check_text(o->name, l->item[i], why))
				return false;
		}
		return true;
	}
	}
	return true;
}

bool service_check(struct service_settings *s, uint64_t own, const char *path,
		   struct settings_error *err)
{
	bool has_root = s->path_prefix.count == 0;
	for (size_t i = 0; i < s->path_prefix.count; i++)
		has_root = has_root || strcmp(s->path_prefix.item[i], "/") == 0;
	if (!has_root && s->tls && (own >> SERVICE_tls & 1) != 0)
		return settings_fail(err,
				     "%s: [service] tls = true: the service with the host's root "
				     "decides, not one with path_prefix = %.100s; remove it here",
				     path, s->path_prefix.item[0]);
	s->tls = s->tls && has_root;
	if ((s->tls_certificate_path[0] == '\0') != (s->tls_private_key_path[0] == '\0'))
		return settings_fail(err,
				     "%s: [service] tls_certificate_path and tls_private_key_path "
				     "go together; set both or none",
				     path);
	return true;
}
