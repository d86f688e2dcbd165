/* Reads status files. Keys may come in any order and unknown ones are skipped, so that the commands
 * of one version understand the proxy of another. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "files/status.h"
#include "status_internal.h"

#define STATUS_MAX (16u << 20) /* a service with a very long list of hosts */

static bool get_u64(struct str v, uint64_t *out)
{
	return str_to_u64(v, out);
}

/* "ino seconds.nanoseconds", or "-". */
static bool get_file(struct str v, struct file_id *out)
{
	*out = (struct file_id){0};
	if (str_eq(v, STR("-")))
		return true;
	size_t blank = str_find(v, ' ');
	if (blank == v.n || !str_to_u64(str_make(v.p, blank), &out->ino))
		return false;
	struct str when = str_make(v.p + blank + 1, v.n - blank - 1);
	bool before_1970 = when.n > 0 && when.p[0] == '-';
	if (before_1970)
		when = str_make(when.p + 1, when.n - 1);
	size_t dot = str_find(when, '.');
	uint64_t s, ns;
	if (when.n - dot != 10 || !str_to_u64(str_make(when.p, dot), &s) ||
	    !str_to_u64(str_make(when.p + dot + 1, 9), &ns) || s > INT64_MAX / 1000000000 - 1)
		return false;
	int64_t seconds = before_1970 ? -(int64_t)s : (int64_t)s;
	out->ctime_ns = seconds * 1000000000 + (int64_t)ns;
	return true;
}

/* "2026-01-02T03:04:05.678Z" */
static bool get_time(struct str v, int64_t *unix_ms)
{
	static const char form[] = "dddd-dd-ddTdd:dd:dd.dddZ";
	static const int at[] = {0, 5, 8, 11, 14, 17, 20}, digits[] = {4, 2, 2, 2, 2, 2, 3};
	uint64_t part[7];
	if (v.n != sizeof(form) - 1)
		return false;
	for (size_t i = 0; i < v.n; i++) {
		if (form[i] != 'd' && form[i] != v.p[i])
			return false;
	}
	for (size_t i = 0; i < 7; i++) {
		if (!str_to_u64(str_make(v.p + at[i], (size_t)digits[i]), &part[i]))
			return false;
	}
	struct tm tm = {
		.tm_year = (int)part[0] - 1900,
		.tm_mon = (int)part[1] - 1,
		.tm_mday = (int)part[2],
		.tm_hour = (int)part[3],
		.tm_min = (int)part[4],
		.tm_sec = (int)part[5],
	};
	*unix_ms = (int64_t)timegm(&tm) * 1000 + (int64_t)part[6];
	return true;
}

static bool get_text(struct str v, char **member)
{
	mem_free(*member);
	*member = str_dup(v);
	return true;
}

static bool get_state(struct str v, enum service_state *out)
{
	char name[16];
	return str_copy(name, sizeof(name), v) && service_state_parse(name, out);
}

/* The last word of *rest, cut off; a target's name may hold blanks, the words after it do not. */
static bool cut_word(struct str *rest, struct str *word)
{
	size_t i = rest->n;
	while (i > 0 && rest->p[i - 1] != ' ')
		i--;
	if (i == 0 || i == rest->n)
		return false;
	*word = str_make(rest->p + i, rest->n - i);
	*rest = str_make(rest->p, i - 1);
	return true;
}

static bool get_target(struct str line, struct status *s)
{
	struct str rest = str_make(line.p + 2, line.n - 2), in_flight, state, inode;
	char name[TREE_SOCKET_NAME_MAX + 1];
	uint64_t ino, n;
	enum target_state st;
	if (!cut_word(&rest, &in_flight) || !cut_word(&rest, &state) || !cut_word(&rest, &inode))
		return false;
	if (!str_to_u64(in_flight, &n) || !target_state_parse(state, &st) ||
	    !str_to_u64(inode, &ino) || !str_copy(name, sizeof(name), rest))
		return false;
	status_add_target(s, name, ino, st, n);
	return true;
}

static bool get_pair(struct str key, struct str v, struct status *s)
{
#define TAKE(name, call)                                                                           \
	if (str_eq(key, STR(name)))                                                                \
		return call;
	TAKE("service", str_copy(s->service, sizeof(s->service), v) && v.n != 0)
	TAKE("state", get_state(v, &s->state))
	TAKE("pause", get_file(v, &s->pause))
	TAKE("stop", get_file(v, &s->stop))
	TAKE("generation", get_u64(v, &s->generation))
	TAKE("hosts", get_text(v, &s->hosts))
	TAKE("path", get_text(v, &s->path))
	TAKE("tls", (s->tls = str_eq(v, STR("true")), true))
	TAKE("certificate", get_text(v, &s->certificate))
	TAKE("in_flight", get_u64(v, &s->in_flight))
	TAKE("draining", get_u64(v, &s->draining))
	TAKE("tunnels", get_u64(v, &s->tunnels))
	TAKE("held", get_u64(v, &s->held))
	TAKE("requests", get_u64(v, &s->requests))
	TAKE("errors", get_u64(v, &s->errors))
	TAKE("cut_off", get_u64(v, &s->cut_off))
	TAKE("since", get_time(v, &s->since_ms))
	TAKE("error", get_text(v, &s->error))
	TAKE("settings", str_hex_to_u64(v, &s->settings))
#undef TAKE
	return true;
}

/* Only a whole file counts: it begins with the service and its targets: line is there. */
bool status_parse(struct str text, struct status *s)
{
	bool in_targets = false;
	while (text.n > 0) {
		size_t end = str_find(text, '\n');
		if (end == text.n)
			return false;
		struct str line = str_make(text.p, end);
		text = str_make(text.p + end + 1, text.n - end - 1);
		if (str_has_prefix(line, STR("  "))) {
			if (in_targets && !get_target(line, s))
				return false;
			continue;
		}
		size_t colon = str_find(line, ':');
		if (colon == line.n)
			return false;
		struct str key = str_make(line.p, colon);
		in_targets |= str_eq(key, STR("targets"));
		if (!get_pair(key, str_trim(str_make(line.p + colon + 1, line.n - colon - 1)), s))
			return false;
	}
	return in_targets && s->service[0] != '\0';
}

static bool read_whole(int fd, struct buf *b)
{
	for (;;) {
		ssize_t n = read(fd, buf_reserve(b, 8192), 8192);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n == 0;
		buf_commit(b, (size_t)n);
		if (buf_used(b) > STATUS_MAX) {
			errno = EINVAL;
			return false;
		}
	}
}

bool status_read(const char *runtime_dir, const char *service, struct status *s)
{
	char path[PATH_MAX];
	status_init(s);
	status_path(runtime_dir, service, path, sizeof(path));
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return false;
	struct buf b = {0};
	bool ok = read_whole(fd, &b);
	int saved = errno;
	if (ok && !status_parse(buf_str(&b), s)) {
		ok = false;
		saved = EINVAL;
	}
	buf_free(&b);
	close(fd);
	errno = saved;
	return ok;
}
