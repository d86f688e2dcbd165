/* `set`: writes a service.ini anew with some keys changed. The new text must pass the same reading
 * as any other before it takes the old one's name. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "settings_internal.h"

static const char *const sections[] = {"service", NULL};

/* One text for each option of the table, NULL: not set. */
struct texts {
	char **value;
};

static void texts_free(struct texts *t)
{
	for (size_t i = 0; i < service_table.count; i++)
		mem_free(t->value[i]);
	mem_free(t->value);
}

static void texts_put(struct texts *t, const struct option *o, struct str value, bool append)
{
	char **at = &t->value[o - service_table.options];
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

static void texts_change(struct texts *t, const struct flags *flags)
{
	for (size_t i = 0; i < flags->count; i++) {
		const struct flag *f = &flags->flags[i];
		bool append = f->option->type == OPTION_LIST && flags_is_repeated(flags, i);
		texts_put(t, f->option, f->value, append);
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

static void texts_format(const struct texts *t, struct buf *b)
{
	buf_printf(b, "[service]\n");
	for (size_t i = 0; i < service_table.count; i++) {
		if (t->value[i] != NULL)
			put_line(b, service_table.options[i].name, t->value[i]);
	}
}

/* The old and the new settings, to know whether the claim stays what it was. */
struct change {
	struct service_settings before, after;
	struct texts texts;
	struct buf text; /* the new file */
	const char *dir;
};

static bool read_old(struct change *c, const char *path, struct settings_error *err)
{
	struct ini ini;
	bool absent;
	if (!ini_read(&ini, path, sections, true, &absent, err))
		return false;
	bool ok = ini_apply(&ini, &service_table, &c->before, NULL, path, err);
	for (size_t i = 0; ok && i < ini.count; i++)
		texts_put(&c->texts, option_find(&service_table, str_of(ini.pairs[i].key)),
			  str_of(ini.pairs[i].value), false);
	ini_free(&ini);
	return ok;
}

static bool make_new(struct change *c, const struct flags *flags, const char *path,
		     struct settings_error *err)
{
	struct ini ini;
	if (!flags_apply(flags, &service_table, &c->after, err)) /* its messages name the flag */
		return false;
	texts_change(&c->texts, flags);
	texts_format(&c->texts, &c->text);
	if (!ini_parse(&ini, buf_str(&c->text), path, sections, true, err))
		return false;
	option_free(&service_table, &c->after);
	c->after = (struct service_settings){0};
	option_defaults(&service_table, &c->after);
	bool ok = ini_apply(&ini, &service_table, &c->after, NULL, path, err);
	ini_free(&ini);
	return ok;
}

/* When the service began to claim its hosts and prefixes: what the new file's mtime must go on
   saying. */
static struct timespec claim_time(const struct change *c, const struct stat *old)
{
	struct timespec now = {.tv_nsec = UTIME_NOW};
	struct statx sx;
	if (!strings_equal(&c->before.hosts, &c->after.hosts) ||
	    !strings_equal(&c->before.path_prefix, &c->after.path_prefix))
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
	snprintf(tmp, sizeof(tmp), "%s/.service.ini.%d.%09ld", c->dir, getpid(), now.tv_nsec);
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

static bool set_flags(const char *dir, const struct flags *flags, struct settings_error *err)
{
	char path[PATH_MAX];
	struct change c = {.dir = dir};
	c.texts.value = mem_zero(service_table.count * sizeof(char *));
	option_defaults(&service_table, &c.before);
	option_defaults(&service_table, &c.after);
	snprintf(path, sizeof(path), "%s/service.ini", dir);
	bool ok = read_old(&c, path, err) && make_new(&c, flags, path, err) &&
		  write_new(&c, path, err);
	texts_free(&c.texts);
	buf_free(&c.text);
	option_free(&service_table, &c.before);
	option_free(&service_table, &c.after);
	return ok;
}

int settings_set_service(const char *dir, int argc, char **argv, struct settings_error *err)
{
	struct flags flags;
	int rest;
	if (!flags_parse(&flags, &service_table, argc, argv, &rest, NULL, err))
		return -1;
	bool ok = rest == argc ||
		  settings_fail(err, "%.100s: not a flag; write --option VALUE", argv[rest]);
	if (ok)
		ok = set_flags(dir, &flags, err);
	flags_free(&flags);
	return ok ? 0 : -1;
}
