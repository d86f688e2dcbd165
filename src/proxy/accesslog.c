/* accesslog: lines gather in a buffer and leave once a loop turn, or when it is full. */
#include "proxy/accesslog.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "base/text.h"

#define LOG_BUFFER (64 * 1024)
#define LOG_LINE_MAX PIPE_BUF /* such a write to a pipe is atomic */
#define LOG_FIELD_SHORT 256   /* what is left of each text field when a line is too long */

struct accesslog {
	struct ev_loop *loop;
	ev_prepare turn;
	int fd;
	char *path;
	bool shared; /* a pipe, socket or terminal: whole lines in pieces of at most PIPE_BUF */
	bool is_socket;
	uint64_t dropped;
	size_t used;
	char memory[LOG_BUFFER];
};

static void look_at_fd(struct accesslog *l)
{
	struct stat st;
	l->shared = l->fd >= 0 && (fstat(l->fd, &st) < 0 || !S_ISREG(st.st_mode));
	l->is_socket = l->shared && S_ISSOCK(st.st_mode);
}

/* Never blocks: descriptors that could not be opened anew for us are asked first. */
static ssize_t write_piece(struct accesslog *l, const char *p, size_t n)
{
	if (l->is_socket)
		return send(l->fd, p, n, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (l->shared) {
		struct pollfd pfd = {.fd = l->fd, .events = POLLOUT};
		if (poll(&pfd, 1, 0) != 1 || (pfd.revents & POLLOUT) == 0) {
			errno = EAGAIN;
			return -1;
		}
	}
	return write(l->fd, p, n);
}

/* The longest run of whole lines at p that is at most `most` bytes (one line, if it alone is longer). */
static size_t whole_lines(const char *p, size_t n, size_t most)
{
	if (n <= most)
		return n;
	const char *end = memrchr(p, '\n', most);
	if (end == NULL)
		end = memchr(p, '\n', n);
	return end == NULL ? n : (size_t)(end - p) + 1;
}

static uint64_t count_lines(const char *p, size_t n)
{
	uint64_t lines = 0;
	for (size_t i = 0; i < n; i++)
		lines += p[i] == '\n';
	return lines;
}

static void flush_lines(struct accesslog *l)
{
	size_t done = 0;
	while (done < l->used) {
		size_t left = l->used - done;
		size_t piece = l->shared ? whole_lines(l->memory + done, left, PIPE_BUF) : left;
		ssize_t n = write_piece(l, l->memory + done, piece);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			l->dropped += count_lines(l->memory + done, left);
			break;
		}
		done += (size_t)n;
	}
	l->used = 0;
}

static void on_turn(struct ev_loop *loop, ev_prepare *w, int revents)
{
	(void)loop;
	(void)revents;
	flush_lines(container_of(w, struct accesslog, turn));
}

struct accesslog *accesslog_new(struct ev_loop *loop, int fd, const char *path)
{
	struct accesslog *l = mem_alloc(sizeof(*l));
	l->loop = loop;
	l->fd = fd;
	l->path = path != NULL ? str_dup(str_of(path)) : NULL;
	l->dropped = 0;
	l->used = 0;
	look_at_fd(l);
	ev_prepare_init(&l->turn, on_turn);
	if (fd >= 0) {
		ev_prepare_start(loop, &l->turn);
		ev_unref(loop);
	}
	return l;
}

void accesslog_free(struct accesslog *l)
{
	if (l->fd >= 0) {
		flush_lines(l);
		ev_ref(l->loop);
		ev_prepare_stop(l->loop, &l->turn);
		close(l->fd);
	}
	mem_free(l->path);
	mem_free(l);
}

bool accesslog_is_on(const struct accesslog *l)
{
	return l->fd >= 0;
}

uint64_t accesslog_dropped(const struct accesslog *l)
{
	return l->dropped;
}

int accesslog_reopen(struct accesslog *l)
{
	if (l->path == NULL || l->fd < 0)
		return 0;
	int fd = open(l->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK,
		      0640);
	if (fd < 0)
		return -1;
	flush_lines(l);
	close(l->fd);
	l->fd = fd;
	look_at_fd(l);
	return 0;
}

/* ---- the line ---- */

static void name_of(struct text *t, const char *name)
{
	text_lit(t, ",\"");
	text_add(t, str_of(name));
	text_lit(t, "\":");
}

static void text_field(struct text *t, const char *name, struct str value, size_t most)
{
	name_of(t, name);
	text_json(t, value.n > most ? str_make(value.p, most) : value);
}

static void number_field(struct text *t, const char *name, uint64_t value)
{
	name_of(t, name);
	text_u64(t, value);
}

static void quoted_number(struct text *t, const char *name, uint64_t value)
{
	name_of(t, name);
	text_char(t, '"');
	text_u64(t, value);
	text_char(t, '"');
}

static void length_field(struct text *t, const char *name, int64_t value)
{
	name_of(t, name);
	if (value < 0)
		text_lit(t, "-1");
	else
		text_u64(t, (uint64_t)value);
}

static void format_line(struct text *t, const struct logged_request *r, size_t most)
{
	text_lit(t, "{\"time\":\"");
	text_time(t, r->time_ms);
	text_lit(t, "\",\"level\":\"INFO\",\"msg\":\"Request\"");
	text_field(t, "host", r->host, most);
	number_field(t, "port", r->port);
	text_field(t, "path", r->path, most);
	text_field(t, "request_id", r->request_id, most);
	number_field(t, "status", (uint64_t)r->status);
	text_field(t, "service", r->service, most);
	text_field(t, "target", r->target, most);
	number_field(t, "duration", r->duration_ns);
	text_field(t, "method", r->method, most);
	length_field(t, "req_content_length", r->request_length);
	text_field(t, "req_content_type", r->content_type, most);
	number_field(t, "resp_content_length", r->answer_length);
	text_field(t, "resp_content_type", r->answer_type, most);
	text_field(t, "client_addr", r->client_addr, most);
	quoted_number(t, "client_port", r->client_port);
	text_field(t, "remote_addr", r->remote_addr, most);
	text_field(t, "user_agent", r->user_agent, most);
	text_field(t, "proto", r->proto, most);
	text_field(t, "scheme", r->scheme, most);
	text_field(t, "query", r->query, most);
	for (const struct logged_field *f = r->fields; f != NULL; f = f->next) {
		text_add(t, f->answer ? STR(",\"resp_") : STR(",\"req_"));
		text_add(t, f->name);
		text_lit(t, "\":");
		text_json(t, f->value.n > most ? str_make(f->value.p, most) : f->value);
	}
	text_lit(t, "}\n");
}

void accesslog_write(struct accesslog *l, const struct logged_request *r)
{
	/* The whole line, then one with short fields, then one without texts of the client's. */
	static const size_t tries[] = {LOG_LINE_MAX, LOG_FIELD_SHORT, LOG_FIELD_SHORT / 8, 0};
	if (LOG_BUFFER - l->used < LOG_LINE_MAX)
		flush_lines(l);
	for (size_t i = 0; i < sizeof(tries) / sizeof(tries[0]); i++) {
		struct text t = text_in(l->memory + l->used, LOG_LINE_MAX);
		format_line(&t, r, tries[i]);
		if (!t.full) {
			l->used += t.n;
			return;
		}
	}
	l->dropped++;
}
