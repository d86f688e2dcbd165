/* Status files: one short text a service, replaced by rename so that a reader sees a whole one. No
 * fsync: the file tells of a running proxy and means nothing after a reboot. */
#include "files/status.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/text.h"
#include "status_internal.h"

static const char *const state_names[] = {
	[SERVICE_RUNNING] = "running",   [SERVICE_PAUSED] = "paused",
	[SERVICE_STOPPED] = "stopped",   [SERVICE_NO_SOCKET] = "no-socket",
	[SERVICE_CONFLICT] = "conflict", [SERVICE_INVALID] = "invalid",
};
static const char *const target_names[] = {
	[TARGET_READY] = "ready",   [TARGET_PENDING] = "pending",   [TARGET_REFUSED] = "refused",
	[TARGET_DENIED] = "denied", [TARGET_DRAINING] = "draining",
};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static bool name_index(const char *const *names, size_t count, struct str name, size_t *out)
{
	for (size_t i = 0; i < count; i++) {
		if (str_eq(str_of(names[i]), name)) {
			*out = i;
			return true;
		}
	}
	return false;
}

const char *service_state_name(enum service_state s)
{
	return (size_t)s < COUNT(state_names) ? state_names[s] : "invalid";
}

bool service_state_parse(const char *name, enum service_state *out)
{
	size_t i;
	if (!name_index(state_names, COUNT(state_names), str_of(name), &i))
		return false;
	*out = (enum service_state)i;
	return true;
}

const char *target_state_name(enum target_state s)
{
	return (size_t)s < COUNT(target_names) ? target_names[s] : "pending";
}

bool target_state_parse(struct str name, enum target_state *out)
{
	size_t i;
	if (!name_index(target_names, COUNT(target_names), name, &i))
		return false;
	*out = (enum target_state)i;
	return true;
}

void status_init(struct status *s)
{
	*s = (struct status){.state = SERVICE_NO_SOCKET};
	s->hosts = str_dup(STR("*"));
	s->path = str_dup(STR("/"));
	s->certificate = str_dup(STR("-"));
	s->error = str_dup(STR("-"));
}

void status_fini(struct status *s)
{
	mem_free(s->hosts);
	mem_free(s->path);
	mem_free(s->certificate);
	mem_free(s->error);
	mem_free(s->targets);
	*s = (struct status){0};
}

void status_add_target(struct status *s, const char *name, uint64_t inode, enum target_state state,
		       uint64_t in_flight)
{
	/* Grown by doubling at every power of two: the count alone tells when. */
	if ((s->ntargets & (s->ntargets - 1)) == 0) {
		size_t cap = s->ntargets == 0 ? 1 : s->ntargets * 2;
		s->targets = mem_grow(s->targets, cap * sizeof(s->targets[0]));
	}
	struct status_target *t = &s->targets[s->ntargets++];
	*t = (struct status_target){.inode = inode, .state = state, .in_flight = in_flight};
	snprintf(t->name, sizeof(t->name), "%s", name);
}

void status_set_text(char **member, const char *text)
{
	char *copy = str_dup(str_of(text)); /* first: text may be the old value */
	mem_free(*member);
	*member = copy;
}

void status_path(const char *runtime_dir, const char *service, char *dst, size_t size)
{
	snprintf(dst, size, "%s/status/%s", runtime_dir, service);
}

/* A line stays a line, whatever a name or an error holds. */
static void put_text(struct buf *b, const char *key, const char *value)
{
	buf_printf(b, "%s: ", key);
	for (const char *p = value; *p != '\0'; p++) {
		bool plain = (unsigned char)*p >= ' ' && *p != 0x7f;
		buf_append(b, plain ? p : "?", 1);
	}
	buf_append(b, "\n", 1);
}

static void put_number(struct buf *b, const char *key, uint64_t value)
{
	buf_printf(b, "%s: %" PRIu64 "\n", key, value);
}

/* As stat -c '%i %.9Z' prints it, so that a script can compare. */
static void put_file(struct buf *b, const char *key, struct file_id id)
{
	if (id.ino == 0) {
		buf_printf(b, "%s: -\n", key);
		return;
	}
	int64_t s = id.ctime_ns / 1000000000, ns = id.ctime_ns % 1000000000;
	if (ns < 0) {
		s--;
		ns += 1000000000;
	}
	buf_printf(b, "%s: %" PRIu64 " %" PRId64 ".%09" PRId64 "\n", key, id.ino, s, ns);
}

static void put_since(struct buf *b, int64_t unix_ms)
{
	char room[64];
	struct text t = text_in(room, sizeof(room));
	text_time(&t, unix_ms);
	buf_printf(b, "since: %.*s\n", STR_ARG(text_str(&t)));
}

static void status_format(struct buf *b, const struct status *s)
{
	put_text(b, "service", s->service);
	put_text(b, "state", service_state_name(s->state));
	put_file(b, "pause", s->pause);
	put_file(b, "stop", s->stop);
	put_number(b, "generation", s->generation);
	put_text(b, "hosts", s->hosts);
	put_text(b, "path", s->path);
	put_text(b, "tls", s->tls ? "true" : "false");
	put_text(b, "certificate", s->certificate);
	put_number(b, "in_flight", s->in_flight);
	put_number(b, "draining", s->draining);
	put_number(b, "tunnels", s->tunnels);
	put_number(b, "held", s->held);
	put_number(b, "requests", s->requests);
	put_number(b, "errors", s->errors);
	put_number(b, "cut_off", s->cut_off);
	put_since(b, s->since_ms);
	put_text(b, "error", s->error);
	buf_printf(b, "settings: %016" PRIx64 "\n", s->settings);
	buf_printf(b, "targets:\n");
	for (size_t i = 0; i < s->ntargets; i++) {
		const struct status_target *t = &s->targets[i];
		buf_printf(b, "  %s %" PRIu64 " %s %" PRIu64 "\n", t->name, t->inode,
			   target_state_name(t->state), t->in_flight);
	}
}

static int write_whole(int fd, struct str text)
{
	while (text.n > 0) {
		ssize_t n = write(fd, text.p, text.n);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		text = str_make(text.p + n, text.n - (size_t)n);
	}
	return 0;
}

static int open_temporary(const char *runtime_dir, const char *path)
{
	int flags = O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW;
	int fd = open(path, flags, 0644);
	if (fd >= 0 || errno != ENOENT)
		return fd;
	char dir[PATH_MAX];
	snprintf(dir, sizeof(dir), "%s/status", runtime_dir);
	if (mkdir(dir, 0755) < 0 && errno != EEXIST)
		return -1;
	return open(path, flags, 0644);
}

int status_write(const char *runtime_dir, const struct status *s)
{
	char tmp[PATH_MAX], path[PATH_MAX];
	status_path(runtime_dir, s->service, path, sizeof(path));
	int n = snprintf(tmp, sizeof(tmp), "%s/status/.%s.%d", runtime_dir, s->service, getpid());
	if (n < 0 || (size_t)n >= sizeof(tmp)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	int fd = open_temporary(runtime_dir, tmp);
	if (fd < 0)
		return -1;
	struct buf b = {0};
	status_format(&b, s);
	int rc = write_whole(fd, buf_str(&b));
	buf_free(&b);
	if (rc == 0)
		rc = rename(tmp, path);
	int saved = errno;
	if (rc < 0)
		unlink(tmp);
	close(fd);
	errno = saved;
	return rc;
}

int status_remove(const char *runtime_dir, const char *service)
{
	char path[PATH_MAX];
	status_path(runtime_dir, service, path, sizeof(path));
	return unlink(path);
}
