/* `set`: writes a service.ini or rollout.ini anew with some keys changed. The new text must pass the
 * same reading as any other before it takes the old one's name. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "settings_internal.h"

/* The old and the new settings, to know whether the claim stays what it was. */
union meaning {
	struct service_settings service;
	struct rollout_settings rollout;
};

/* One text for each option of the table, NULL: not set. */
struct texts {
	char **value;
};

struct change {
	const char *dir, *name; /* of the file */
	const struct option_table *table;
	const char *sections[2];
	union meaning before, after;
	struct texts texts;
	struct buf text; /* the new file */
};

static void change_init(struct change *c, const char *dir, enum settings_file file)
{
	bool canary = file == SETTINGS_CANARY;
	*c = (struct change){.dir = dir};
	c->name = canary ? "rollout.ini" : "service.ini";
	c->table = canary ? &rollout_table : &service_table;
	c->sections[0] = c->table->section;
	c->texts.value = mem_zero(c->table->count * sizeof(char *));
	option_defaults(c->table, &c->before);
	option_defaults(c->table, &c->after);
}

static void change_fini(struct change *c)
{
	for (size_t i = 0; i < c->table->count; i++)
		mem_free(c->texts.value[i]);
	mem_free(c->texts.value);
	buf_free(&c->text);
	option_free(c->table, &c->before);
	option_free(c->table, &c->after);
}

static void texts_put(struct change *c, const struct option *o, struct str value, bool append)
{
	char **at = &c->texts.value[o - c->table->options];
	char *old = *at;
	if (append && old != NULL && old[0] != '\0') {
		struct buf b = {0};
		buf_printf(&b, "%s, %.*s", old, STR_ARG(value));
		*at = str_dup(buf_str(&b));
		buf_free(&b);
	} else {
		*at = str_dup(str_strip(value));
	}
	mem_free(old);
}

static void texts_change(struct change *c, const struct flags *flags)
{
	for (size_t i = 0; i < flags->count; i++) {
		const struct flag *f = &flags->flags[i];
		bool append = f->option->type == OPTION_LIST && flags_is_repeated(flags, i);
		texts_put(c, f->option, f->value, append);
	}
}

static void put_line(struct buf *b, const char *name, const char *value)
{
	struct str v = str_of(value);
	bool quoted = strpbrk(value, ";#") != NULL || value[0] == '"' || value[0] == '\'' ||
		      (v.n > 0 && value[v.n - 1] == '\\');
	const char *quote = !quoted ? "" : strchr(value, '"') == NULL ? "\"" : "'";
	buf_printf(b, "%s =%s%s%s%s\n", name, v.n == 0 ? "" : " ", quote, value, quote);
}

static void texts_format(struct change *c)
{
	buf_printf(&c->text, "[%s]\n", c->table->section);
	for (size_t i = 0; i < c->table->count; i++) {
		if (c->texts.value[i] != NULL)
			put_line(&c->text, c->table->options[i].name, c->texts.value[i]);
	}
}

static bool read_old(struct change *c, const char *path, struct settings_error *err)
{
	struct ini ini;
	bool absent;
	if (!ini_read(&ini, path, c->sections, true, &absent, err))
		return false;
	bool ok = ini_apply(&ini, c->table, &c->before, NULL, path, err);
	for (size_t i = 0; ok && i < ini.count; i++)
		texts_put(c, option_find(c->table, str_of(ini.pairs[i].key)),
			  str_of(ini.pairs[i].value), false);
	ini_free(&ini);
	return ok;
}

/* Applies the new text over `to`. */
static bool apply_new(struct change *c, const char *path, void *to, struct settings_error *err)
{
	struct ini ini;
	if (!ini_parse(&ini, buf_str(&c->text), path, c->sections, true, err))
		return false;
	uint64_t own = 0;
	bool ok = ini_apply(&ini, c->table, to, &own, path, err) &&
		  (c->table != &service_table || service_check(to, own, path, err));
	ini_free(&ini);
	return ok;
}

static bool make_new(struct change *c, const struct flags *flags, const char *path,
		     struct settings_error *err)
{
	if (!flags_apply(flags, c->table, &c->after, err)) /* its messages name the flag */
		return false;
	texts_change(c, flags);
	texts_format(c);
	option_free(c->table, &c->after);
	c->after = (union meaning){0};
	option_defaults(c->table, &c->after);
	return apply_new(c, path, &c->after, err);
}

/* When the service began to claim its hosts and prefixes: what the new file's mtime must go on
   saying. */
static struct timespec claim_time(const struct change *c, const struct stat *old)
{
	struct timespec now = {.tv_nsec = UTIME_NOW};
	const struct service_settings *before = &c->before.service, *after = &c->after.service;
	struct statx sx;
	if (c->table != &service_table || !strings_equal(&before->hosts, &after->hosts) ||
	    !strings_equal(&before->path_prefix, &after->path_prefix))
		return now;
	if (old->st_ino != 0)
		return old->st_mtim;
	if (statx(AT_FDCWD, c->dir, 0, STATX_BTIME, &sx) < 0 || (sx.stx_mask & STATX_BTIME) == 0)
		return now;
	return (struct timespec){.tv_sec = sx.stx_btime.tv_sec, .tv_nsec = sx.stx_btime.tv_nsec};
}

static bool write_all(int fd, struct str text)
{
	while (text.n > 0) {
		ssize_t n = write(fd, text.p, text.n);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return false;
		text = str_make(text.p + n, text.n - (size_t)n);
	}
	return true;
}

static bool write_new(const struct change *c, const char *path, struct settings_error *err)
{
	char tmp[PATH_MAX];
	struct stat old = {0};
	if (lstat(path, &old) < 0)
		old = (struct stat){.st_mode = 0644};
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	snprintf(tmp, sizeof(tmp), "%s/.%s.%d.%09ld", c->dir, c->name, getpid(), now.tv_nsec);
	int fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return settings_fail(err, "%s: cannot write there: %s", c->dir, strerror(errno));
	if (old.st_ino != 0 && fchown(fd, old.st_uid, old.st_gid) < 0)
		errno = 0; /* another's file becomes ours: the mode still says who may read it */
	struct timespec claim = claim_time(c, &old);
	const struct timespec times[2] = {{.tv_nsec = UTIME_NOW}, claim};
	bool ok = write_all(fd, buf_str(&c->text)) && fchmod(fd, old.st_mode & 07777) == 0 &&
		  futimens(fd, times) == 0 && fsync(fd) == 0 && rename(tmp, path) == 0;
	if (!ok) {
		settings_fail(err, "%s: cannot be written: %s", path, strerror(errno));
		unlink(tmp);
	}
	close(fd);
	return ok;
}

static bool show_new(FILE *to, struct change *c, const char *path,
		     const struct service_settings *defaults, struct settings_error *err)
{
	if (c->table == &rollout_table) {
		option_print_values(to, c->table, &c->after);
		return true;
	}
	struct service_settings s = *defaults;
	option_copy(&service_table, &s, defaults);
	bool ok = apply_new(c, path, &s, err) && service_add_hosts(&s, c->dir, err);
	if (ok)
		option_print_values(to, &service_table, &s);
	option_free(&service_table, &s);
	return ok;
}

static bool take_flags(struct change *c, struct flags *flags, int argc, char **argv,
		       struct settings_error *err)
{
	int rest;
	if (!flags_parse(flags, c->table, argc, argv, &rest, NULL, err))
		return false;
	if (rest == argc)
		return true;
	flags_free(flags);
	return settings_fail(err, "%.100s: not a flag; write --option VALUE", argv[rest]);
}

/* Reads the old file and makes the new one, in memory. */
static bool prepare(struct change *c, int argc, char **argv, char *path, struct settings_error *err)
{
	struct flags flags;
	if (!take_flags(c, &flags, argc, argv, err))
		return false;
	snprintf(path, PATH_MAX, "%s/%s", c->dir, c->name);
	bool ok = read_old(c, path, err) && make_new(c, &flags, path, err);
	flags_free(&flags);
	return ok;
}

int settings_set(const char *dir, enum settings_file file, int argc, char **argv,
		 struct settings_error *err)
{
	char path[PATH_MAX];
	struct change c;
	change_init(&c, dir, file);
	bool ok = prepare(&c, argc, argv, path, err) && write_new(&c, path, err);
	change_fini(&c);
	return ok ? 0 : -1;
}

int settings_preview(FILE *to, const char *dir, enum settings_file file,
		     const struct service_settings *defaults, int argc, char **argv,
		     struct settings_error *err)
{
	char path[PATH_MAX];
	struct change c;
	change_init(&c, dir, file);
	bool ok = prepare(&c, argc, argv, path, err) && show_new(to, &c, path, defaults, err);
	change_fini(&c);
	return ok ? 0 : -1;
}
