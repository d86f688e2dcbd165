/* The settings as a whole: kamal-proxy.ini, the environment and the flags laid over one another,
 * and a service's own files laid over the defaults. */
#include "files/settings.h"

#include <limits.h>
#include <sched.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/map.h"
#include "base/mem.h"
#include "settings_internal.h"

#define DEFAULT_FILE "/etc/kamal-proxy/kamal-proxy.ini"
#define HOSTS_MAX ((size_t)4 << 20)

bool settings_is_service_name(struct str name)
{
	if (name.n == 0 || name.n > 63 || name.p[0] == '.')
		return false;
	for (size_t i = 0; i < name.n; i++) {
		char c = name.p[i];
		if ((c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '.' && c != '_' &&
		    c != '-')
			return false;
	}
	return true;
}

static unsigned count_workers(const char *workers)
{
	uint64_t n;
	cpu_set_t set;
	if (!str_to_u64(str_of(workers), &n)) {
		long cores = sysconf(_SC_NPROCESSORS_ONLN);
		if (sched_getaffinity(0, sizeof(set), &set) == 0)
			cores = CPU_COUNT(&set);
		n = cores > 0 ? (uint64_t)cores : 1;
	}
	return n > 16 ? 16 : (unsigned)n;
}

static bool load_file(struct settings *s, const char *path, bool required,
		      struct settings_error *err)
{
	static const char *const sections[] = {"proxy", "service", NULL};
	struct ini ini;
	bool absent;
	/* Unlike a service's files, which others may drop, this one may be a link: a mounted configuration is. */
	char *real = realpath(path, NULL);
	bool readable = ini_read(&ini, real != NULL ? real : path, sections, false, &absent, err);
	free(real);
	if (!readable)
		return false;
	if (absent)
		return !required ||
		       settings_fail(err, "%s: no such file; name another or create it", path);
	s->file = str_dup(str_of(path));
	bool ok = ini_apply(&ini, &proxy_table, &s->proxy, NULL, path, err) &&
		  ini_apply(&ini, &service_table, &s->service, &s->service.set, path, err);
	ini_free(&ini);
	return ok;
}

static bool check_together(const struct proxy_settings *p, struct settings_error *err)
{
	if (p->max_request_line > p->max_request_head)
		return settings_fail(err,
				     "max_request_line (%lu) is more than max_request_head (%lu); "
				     "lower the one or raise the other",
				     (unsigned long)p->max_request_line,
				     (unsigned long)p->max_request_head);
	return true;
}

static bool load_layers(struct settings *s, const struct flags *flags, const char *file,
			struct settings_error *err)
{
	const char *named = file != NULL ? file : getenv("KAMAL_PROXY_CONFIG");
	bool required = named != NULL && named[0] != '\0';
	if (!load_file(s, required ? named : DEFAULT_FILE, required, err) ||
	    !environment_apply(&proxy_table, &s->proxy, err) ||
	    !flags_apply(flags, &proxy_table, &s->proxy, err))
		return false;
	s->proxy.worker_count = count_workers(s->proxy.workers);
	return check_together(&s->proxy, err);
}

struct settings *settings_load(int argc, char **argv, int *rest, struct settings_error *err)
{
	struct flags flags;
	const char *file = NULL;
	if (!flags_parse(&flags, &proxy_table, argc, argv, rest, &file, err))
		return NULL;
	struct settings *s = mem_new(struct settings);
	option_defaults(&proxy_table, &s->proxy);
	option_defaults(&service_table, &s->service);
	bool ok = load_layers(s, &flags, file, err);
	flags_free(&flags);
	if (ok)
		return s;
	settings_free(s);
	return NULL;
}

void settings_free(struct settings *s)
{
	if (s == NULL)
		return;
	option_free(&proxy_table, &s->proxy);
	option_free(&service_table, &s->service);
	mem_free(s->file);
	mem_free(s);
}

static bool add_host(struct strings *hosts, struct str line, const char *path, unsigned number,
		     struct settings_error *err)
{
	struct complaint why;
	line = str_strip(str_make(line.p, str_find(line, '#')));
	if (line.n == 0)
		return true;
	strings_add(hosts, line);
	/* A copy that is shorter holds a NUL. */
	char *host = hosts->item[hosts->count - 1];
	if (strlen(host) != line.n)
		return settings_fail(err, "%s: line %u: a NUL byte; remove it", path, number);
	return host_check(host, &why) ||
	       settings_fail(err, "%s: line %u: %s", path, number, why.text);
}

static bool load_hosts(struct strings *hosts, const char *path, struct settings_error *err)
{
	struct buf b = {0};
	bool absent, ok = file_read(path, HOSTS_MAX, &b, &absent, err);
	struct str rest = buf_str(&b);
	for (unsigned number = 1; ok && rest.n > 0; number++) {
		size_t end = str_find(rest, '\n');
		ok = add_host(hosts, str_make(rest.p, end), path, number, err);
		size_t used = end == rest.n ? end : end + 1;
		rest = str_make(rest.p + used, rest.n - used);
	}
	buf_free(&b);
	return ok;
}

/* The same name in service.ini and in hosts is one name; the first place counts. */
static void drop_doubled(struct strings *l)
{
	struct map seen = {0};
	size_t kept = 0;
	for (size_t i = 0; i < l->count; i++) {
		char *item = l->item[i];
		if (map_get(&seen, str_of(item)) != NULL) {
			mem_free(item);
			continue;
		}
		map_put(&seen, str_of(item), item);
		l->item[kept++] = item;
	}
	map_free(&seen);
	l->count = kept;
}

bool service_add_hosts(struct service_settings *s, const char *dir, struct settings_error *err)
{
	char path[PATH_MAX];
	snprintf(path, sizeof(path), "%s/hosts", dir);
	if (!load_hosts(&s->hosts, path, err))
		return false;
	drop_doubled(&s->hosts);
	drop_doubled(&s->path_prefix);
	return true;
}

static bool load_service_files(struct service_settings *s, const char *dir,
			       struct settings_error *err)
{
	static const char *const sections[] = {"service", NULL};
	char path[PATH_MAX];
	struct ini ini;
	bool absent;
	uint64_t own = 0;
	snprintf(path, sizeof(path), "%s/service.ini", dir);
	if (!ini_read(&ini, path, sections, true, &absent, err))
		return false;
	bool ok = ini_apply(&ini, &service_table, s, &own, path, err) &&
		  service_check(s, own, path, err);
	s->set |= own;
	ini_free(&ini);
	return ok && service_add_hosts(s, dir, err);
}

struct service_settings *settings_load_service(const char *dir,
					       const struct service_settings *defaults,
					       struct settings_error *err)
{
	struct service_settings *s = mem_new(struct service_settings);
	*s = *defaults;
	option_copy(&service_table, s, defaults);
	if (load_service_files(s, dir, err))
		return s;
	settings_free_service(s);
	return NULL;
}

void settings_free_service(struct service_settings *s)
{
	if (s == NULL)
		return;
	option_free(&service_table, s);
	mem_free(s);
}

static bool load_rollout(struct rollout_settings *r, const char *path, struct settings_error *err)
{
	static const char *const sections[] = {"rollout", NULL};
	struct ini ini;
	bool absent;
	if (!ini_read(&ini, path, sections, true, &absent, err))
		return false;
	if (absent)
		return settings_fail(err, "%s: no such file; the canary gets nothing", path);
	bool ok = ini_apply(&ini, &rollout_table, r, NULL, path, err);
	ini_free(&ini);
	return ok;
}

struct rollout_settings *settings_load_rollout(const char *dir, struct settings_error *err)
{
	struct rollout_settings *r = mem_new(struct rollout_settings);
	char path[PATH_MAX];
	option_defaults(&rollout_table, r);
	snprintf(path, sizeof(path), "%s/rollout.ini", dir);
	if (load_rollout(r, path, err))
		return r;
	settings_free_rollout(r);
	return NULL;
}

void settings_free_rollout(struct rollout_settings *r)
{
	if (r == NULL)
		return;
	option_free(&rollout_table, r);
	mem_free(r);
}
