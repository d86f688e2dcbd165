/* settings: every option of the proxy and of a service, in one table each: name, type, default,
 * whether it is built, help. Flags, environment, ini files, `--help` and kamal-proxy.ini all come
 * from it. The sole user of iniparser, whose silent limits it turns into errors: a file is opened
 * O_NONBLOCK (never a FIFO or a device; a service's never by a link), must be regular and ≤ 64 kB, and is scanned for
 * doubled keys, over-long values and unquoted ';' or '#' before iniparser sees it. */
#ifndef KP_FILES_SETTINGS_H
#define KP_FILES_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/str.h"

/* A list value; items are NUL-terminated and owned by the list. */
struct strings {
	char **item;
	size_t count;
};

/* Types: BOOL bool · NUMBER uint64_t · DURATION uint64_t ms · SIZE uint64_t bytes · TEXT char*
   (never NULL, "" when unset) · LIST struct strings. X(TYPE, name, default text, built: 1 or 0,
   help) */
#define PROXY_OPTIONS(X)                                                                           \
	X(TEXT, services_dir, "/var/lib/kamal-proxy/services", 1,                                  \
	  "directory of the services, one directory each")                                         \
	X(TEXT, runtime_dir, "/run/kamal-proxy", 1, "lock and status files")                       \
	X(TEXT, state_dir, "/var/lib/kamal-proxy/state", 1, "what must survive a reboot")          \
	X(TEXT, user, "", 1, "account to run as (default kamal-proxy, else nobody)")               \
	X(LIST, bind, "", 1, "addresses to listen on (default all, v4 and v6)")                    \
	X(NUMBER, http_port, "80", 1, "port for http")                                             \
	X(NUMBER, https_port, "443", 1, "port for https (0: none)")                                \
	X(NUMBER, metrics_port, "0", 0, "port for metrics (0: none)")                              \
	X(TEXT, metrics_bind, "127.0.0.1", 0, "address for metrics")                               \
	X(TEXT, workers, "auto", 1, "worker processes (auto: one a core, at most 16)")             \
	X(TEXT, log_level, "info", 1, "debug, info, warn or error")                                \
	X(BOOL, debug, "false", 1, "the same as log_level = debug")                                \
	X(TEXT, access_log, "stdout", 1, "stdout, off or a file")                                  \
	X(TEXT, log_format, "json", 1, "json (text comes later)")                                  \
	X(TEXT, proxy_protocol, "off", 0, "off, on or the networks that speak it")                 \
	X(LIST, trusted_proxies, "", 1, "networks whose forwarded headers are believed")           \
	X(BOOL, h2c, "false", 1, "HTTP/2 without TLS, by prior knowledge")                         \
	X(TEXT, default_certificate, "", 1, "service whose certificate answers without SNI")       \
	X(DURATION, shutdown_timeout, "30s", 1, "how long requests in flight may take at the end") \
	X(NUMBER, max_connections_per_ip, "0", 0, "connections of one address (0: no limit)")      \
	X(TEXT, acme_email, "", 0, "account address at the certificate authority")                 \
	X(TEXT, acme_hook, "", 0, "program that gets certificates")                                \
	X(TEXT, acme_eab_kid, "", 0, "external account key id")                                    \
	X(TEXT, acme_eab_key, "", 0, "external account key")                                       \
	X(TEXT, acme_challenge_dir, "", 0, "files that answer challenges")                         \
	X(SIZE, max_request_head, "32k", 1, "larger: 431")                                         \
	X(SIZE, max_request_line, "8k", 1, "longer: 414")                                          \
	X(NUMBER, max_headers, "100", 1, "more: 431")                                              \
	X(NUMBER, max_streams, "100", 1, "concurrent HTTP/2 streams a connection")                 \
	X(DURATION, head_timeout, "10s", 1, "for a whole request head; then 408")                  \
	X(DURATION, body_timeout, "30s", 1, "between reads of a body or writes to a client")       \
	X(DURATION, idle_timeout, "75s", 1, "keep-alive without a request")                        \
	X(NUMBER, max_idle_upstream, "512", 1, "pooled connections an instance and worker")

#define SERVICE_OPTIONS(X)                                                                         \
	X(LIST, hosts, "", 1, "host names; *.example.com is one or more labels")                   \
	X(LIST, path_prefix, "", 1, "only paths below these")                                      \
	X(BOOL, strip_path_prefix, "true", 1, "the app does not see the prefix")                   \
	X(TEXT, canonical_host, "", 0, "redirect every other host to this one")                    \
	X(BOOL, tls, "false", 1, "https for these hosts")                                          \
	X(BOOL, tls_redirect, "true", 1, "http is sent to https")                                  \
	X(TEXT, tls_certificate_path, "", 1, "certificate chain, PEM")                             \
	X(TEXT, tls_private_key_path, "", 1, "its key, PEM")                                       \
	X(TEXT, tls_client_ca, "", 1, "authorities of client certificates")                        \
	X(TEXT, hsts, "", 1, "Strict-Transport-Security value")                                    \
	X(TEXT, tls_on_demand_url, "", 0, "asked whether a name may have a certificate")           \
	X(TEXT, acme_directory, "", 0, "certificate authority")                                    \
	X(DURATION, socket_timeout, "5s", 1, "wait for a live socket; then 503")                   \
	X(DURATION, target_timeout, "30s", 1, "for the head of the app's answer; then 504")        \
	X(DURATION, drain_timeout, "30s", 1, "for requests on a replaced socket")                  \
	X(DURATION, deploy_timeout, "30s", 1, "for a new instance to become healthy")              \
	X(DURATION, max_pause, "30s", 1, "how long a request is held")                             \
	X(DURATION, lease_timeout, "10s", 1, "for a pause FIFO to be opened")                      \
	X(NUMBER, max_held, "10000", 1, "requests held at once; more: 503")                        \
	X(TEXT, health_check_path, "/up", 1, "path of health checks")                              \
	X(DURATION, health_check_interval, "1s", 0, "between health checks")                       \
	X(DURATION, health_check_timeout, "5s", 0, "for a health check's answer")                  \
	X(TEXT, health_check_host, "", 1, "Host of health checks")                                 \
	X(DURATION, writer_affinity_timeout, "1s", 0, "reads follow a write to the writers")       \
	X(BOOL, read_target_websockets, "false", 0, "WebSockets go to readers")                    \
	X(BOOL, buffer_requests, "false", 0, "whole requests before the app sees them")            \
	X(BOOL, buffer_responses, "false", 0, "whole answers before the client sees them")         \
	X(SIZE, buffer_memory, "1m", 0, "buffered in memory, then in a file")                      \
	X(SIZE, max_request_body, "0", 0, "larger: 413 (0: no limit)")                             \
	X(SIZE, max_response_body, "0", 0, "larger: 502 (0: no limit)")                            \
	X(BOOL, forward_headers, "true", 1, "keep the client's X-Forwarded-*")                     \
	X(TEXT, client_ip_header, "", 0, "field that names the client")                            \
	X(BOOL, scope_cookie_paths, "false", 0, "Set-Cookie paths get the prefix")                 \
	X(LIST, log_request_header, "", 1, "request fields to log")                                \
	X(LIST, log_response_header, "", 1, "answer fields to log")                                \
	X(LIST, exclude_metrics_path, "", 0, "paths that are not counted")

/* rollout.ini: who meets the canary. */
#define ROLLOUT_OPTIONS(X)                                                                         \
	X(NUMBER, percent, "0", 1, "of the cookie's values, 0 to 100")                             \
	X(LIST, list, "", 1, "values that are always in")

#define SETTINGS_C_BOOL bool
#define SETTINGS_C_NUMBER uint64_t
#define SETTINGS_C_DURATION uint64_t
#define SETTINGS_C_SIZE uint64_t
#define SETTINGS_C_TEXT char *
#define SETTINGS_C_LIST struct strings
#define SETTINGS_MEMBER(type, name, def, built, help) SETTINGS_C_##type name;

struct proxy_settings {
	PROXY_OPTIONS(SETTINGS_MEMBER)
	unsigned worker_count; /* what `workers` means here: 1 to 16 */
};

/* NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding): members in the table's order */
struct service_settings {
	SERVICE_OPTIONS(SETTINGS_MEMBER)
	uint64_t set; /* bit i: option i of the table was set (not a default) */
};

/* Was the option set, or is it at its default? settings_is_set(s, SERVICE_forward_headers) */
#define SETTINGS_INDEX(type, name, def, built, help) SERVICE_##name,
enum service_option { SERVICE_OPTIONS(SETTINGS_INDEX) };
static inline bool settings_is_set(const struct service_settings *s, enum service_option o)
{
	return (s->set >> o & 1) != 0;
}

struct rollout_settings {
	ROLLOUT_OPTIONS(SETTINGS_MEMBER)
};

/* Errors: one line that names file, section, key and value and what to do. */
#define SETTINGS_ERROR_MAX 512
struct settings_error {
	char text[SETTINGS_ERROR_MAX];
};

/* kamal-proxy.ini, environment and flags together. `defaults` gets [service]. */
struct settings {
	char *file; /* the file that was read, or NULL */
	struct proxy_settings proxy;
	struct service_settings service;
};

/* Reads in rising order: defaults, file, environment, flags. The file is `-c`'s, else
   $KAMAL_PROXY_CONFIG, else /etc/kamal-proxy/kamal-proxy.ini if it exists. Understands
   --option-name VALUE, --option-name=VALUE and a boolean alone; -c FILE; argv[0] is the first
   argument. An empty variable counts as none. Of a flag given twice the last one counts, but lists
   go on. Stops at the first argument that is no flag and puts its index in *rest (argc when all
   were flags). NULL and the error when anything is wrong. */
struct settings *settings_load(int argc, char **argv, int *rest, struct settings_error *err);
void settings_free(struct settings *s);

/* A service's own settings: `defaults`, overlaid by dir/service.ini (absent: all defaults) and by
   dir/hosts (one name a line, # comments; appended to hosts). NULL and the error when anything is
   wrong. */
struct service_settings *settings_load_service(const char *dir,
					       const struct service_settings *defaults,
					       struct settings_error *err);
void settings_free_service(struct service_settings *s);

/* dir/rollout.ini, which must exist. NULL and the error when anything is wrong. */
struct rollout_settings *settings_load_rollout(const char *dir, struct settings_error *err);
void settings_free_rollout(struct rollout_settings *r);

/* Which file `set` is about. */
enum settings_file { SETTINGS_SERVICE, SETTINGS_CANARY }; /* service.ini, rollout.ini */

/* `set`: writes dir's file anew with the flags in argv (--option VALUE, --host is hosts) changed and
   all other keys kept, in table order, by a temporary file and rename. Validates first; carries
   service.ini's mtime over unless hosts or path_prefix changed (it dates the claim). 0, or −1 and the
   error, which begins with the flag ("--") when that is what is wrong. */
int settings_set(const char *dir, enum settings_file file, int argc, char **argv,
		 struct settings_error *err);
/* `set --dry-run`: the same without writing. Every option as it would be in force goes to `to`, one
   a line in table order: "name = value" ("name =" when empty), lists joined by ", ", durations
   "30000ms", sizes in bytes, booleans true or false. Over `defaults` ([service] of kamal-proxy.ini),
   with the names in dir/hosts; dir may be missing. */
int settings_preview(FILE *to, const char *dir, enum settings_file file,
		     const struct service_settings *defaults, int argc, char **argv,
		     struct settings_error *err);

/* For --help and docs: one line an option; kind "proxy" or "service". */
void settings_print_flags(FILE *to, bool service);
/* The whole kamal-proxy.ini, every option commented out at its default. */
void settings_print_ini(FILE *to);

/* Is the name a legal service name: 1–63 of a-z 0-9 . _ -, not starting with a dot? */
bool settings_is_service_name(struct str name);

#endif
