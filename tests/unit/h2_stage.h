/* An HTTP/2 client for the proxy's stage, frame by frame and as rude as a test wants it. What it hears is one line
 * a frame: "HEADERS 1 fin :status=200 date=…;", "DATA 1 5 hello", "RST 3 8", "GOAWAY 5 0", "WINDOW 0 10". */
#ifndef KP_TESTS_H2_STAGE_H
#define KP_TESTS_H2_STAGE_H

#include "proxy_stage.h"

#include <nghttp2/nghttp2.h>

#include "front/h2front.h"

#define PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
#define LINE(method, path) ":method|" method, ":scheme|http", ":authority|a", ":path|" path
#define F(...) ((const char *const[]){__VA_ARGS__, NULL})
#define FIN NGHTTP2_FLAG_END_STREAM
#define HEARD_MAX (1 << 18)

struct h2_client {
	int fd;
	nghttp2_hd_inflater *inflater;
	uint8_t in[HEARD_MAX];
	size_t used;
	bool over; /* the proxy has closed */
};

static inline void send_frame(struct h2_client *c, uint8_t type, uint8_t flags, uint32_t id,
			      const void *payload, size_t n)
{
	uint8_t frame[9 + 20000] = {
		(uint8_t)(n >> 16),  (uint8_t)(n >> 8),   (uint8_t)n,         type,       flags,
		(uint8_t)(id >> 24), (uint8_t)(id >> 16), (uint8_t)(id >> 8), (uint8_t)id};

	if (n != 0)
		memcpy(frame + 9, payload, n);
	(void)send(c->fd, frame, 9 + n, MSG_NOSIGNAL);
}

static inline void send_number(struct h2_client *c, uint8_t type, uint32_t id, uint32_t number)
{
	uint8_t p[4] = {(uint8_t)(number >> 24), (uint8_t)(number >> 16), (uint8_t)(number >> 8),
			(uint8_t)number};

	send_frame(c, type, 0, id, p, 4);
}

/* Literals without indexing: "name|value" each. */
static inline size_t encode(uint8_t *to, const char *const *fields)
{
	size_t n = 0;

	for (; *fields != NULL; fields++) {
		size_t name = strcspn(*fields, "|"), value = strlen(*fields) - name - 1;

		to[n++] = 0;
		to[n++] = (uint8_t)name;
		memcpy(to + n, *fields, name);
		n += name;
		to[n++] = (uint8_t)value;
		memcpy(to + n, *fields + name + 1, value);
		n += value;
	}
	return n;
}

static inline void send_head(struct h2_client *c, uint32_t id, uint8_t flags,
			     const char *const *fields)
{
	uint8_t block[16384];

	send_frame(c, NGHTTP2_HEADERS, flags | NGHTTP2_FLAG_END_HEADERS, id, block,
		   encode(block, fields));
}

static inline void send_data(struct h2_client *c, uint32_t id, uint8_t flags, const char *text)
{
	send_frame(c, NGHTTP2_DATA, flags, id, text, strlen(text));
}

/* A client that has introduced itself; its streams' windows are so large. */
static inline struct h2_client *h2_client_with(uint32_t window)
{
	struct h2_client *c = mem_new(struct h2_client);
	uint8_t setting[6] = {0,
			      NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE,
			      (uint8_t)(window >> 24),
			      (uint8_t)(window >> 16),
			      (uint8_t)(window >> 8),
			      (uint8_t)window};

	stage.settings->proxy.h2c = true;
	c->fd = client();
	assert_int_equal(nghttp2_hd_inflate_new(&c->inflater), 0);
	say(c->fd, PREFACE);
	send_frame(c, NGHTTP2_SETTINGS, 0, 0, setting, 6);
	return c;
}

static inline struct h2_client *h2_client(void)
{
	return h2_client_with(65535);
}

static inline void h2_client_free(struct h2_client *c)
{
	nghttp2_hd_inflate_del(c->inflater);
	close(c->fd);
	mem_free(c);
}

static inline int say_fields(struct h2_client *c, char *to, size_t size, const uint8_t *p, size_t n)
{
	int used = 0;

	for (;;) {
		nghttp2_nv nv;
		int flags = 0;
		ssize_t k = nghttp2_hd_inflate_hd2(c->inflater, &nv, &flags, p, n, 1);

		if (k < 0)
			fail_msg("an undecodable head: %zd", k);
		p += k;
		n -= (size_t)k;
		if ((flags & NGHTTP2_HD_INFLATE_EMIT) != 0)
			used += snprintf(to + used, size - (size_t)used, " %.*s=%.*s;",
					 (int)nv.namelen, nv.name, (int)nv.valuelen, nv.value);
		if ((flags & NGHTTP2_HD_INFLATE_FINAL) != 0)
			break;
	}
	nghttp2_hd_inflate_end_headers(c->inflater);
	return used;
}

static inline uint32_t number_at(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static inline int say_frame(struct h2_client *c, char *to, size_t size, const uint8_t *f, size_t n)
{
	unsigned id = number_at(f + 5) & 0x7fffffff;
	const char *fin = (f[4] & FIN) != 0 ? " fin" : "";
	const uint8_t *p = f + 9;
	int used;

	switch (f[3]) {
	case NGHTTP2_DATA:
		return snprintf(to, size, "DATA %u%s %zu %.*s\n", id, fin, n, n > 64 ? 64 : (int)n,
				p);
	case NGHTTP2_HEADERS:
		used = snprintf(to, size, "HEADERS %u%s", id, fin);
		used += say_fields(c, to + used, size - (size_t)used, p, n);
		return used + snprintf(to + used, size - (size_t)used, "\n");
	case NGHTTP2_RST_STREAM: return snprintf(to, size, "RST %u %u\n", id, number_at(p));
	case NGHTTP2_GOAWAY:
		return snprintf(to, size, "GOAWAY %u %u\n", number_at(p), number_at(p + 4));
	case NGHTTP2_WINDOW_UPDATE: return snprintf(to, size, "WINDOW %u %u\n", id, number_at(p));
	case NGHTTP2_PING: return snprintf(to, size, "PING%s\n", (f[4] & 1) != 0 ? " ack" : "");
	default: return snprintf(to, size, "%s", "");
	}
}

/* The frames that have come after a while. */
static inline const char *hear_frames(struct h2_client *c)
{
	static char said[HEARD_MAX];
	int used = 0;
	size_t at = 0;
	ssize_t n;

	said[0] = '\0';
	stage_run(HEAR_SECONDS);
	while ((n = recv(c->fd, c->in + c->used, HEARD_MAX - c->used, 0)) > 0)
		c->used += (size_t)n;
	c->over = n == 0 || errno != EAGAIN;
	while (c->used - at >= 9) {
		const uint8_t *f = c->in + at;
		size_t len = (size_t)f[0] << 16 | (size_t)f[1] << 8 | f[2];

		if (c->used - at < 9 + len)
			break;
		used += say_frame(c, said + used, HEARD_MAX - (size_t)used, f, len);
		at += 9 + len;
	}
	memmove(c->in, c->in + at, c->used - at);
	c->used -= at;
	return said;
}

static inline bool says(const char *text, const char *part)
{
	return text != NULL && strstr(text, part) != NULL;
}

static inline int h2_down(void **state)
{
	h2front_close_all(&proxy);
	return proxy_down(state);
}

#endif
