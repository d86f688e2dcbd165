/* h1: what the fields of a head mean together: how long the body is, whether the connection stays,
   where the request goes (RFC 9112 3.2, 6, 7 and 9; RFC 9110 7.2, 7.8 and 10.1.1). */
#include "h1_internal.h"

struct facts {
	const struct field *host, *length, *coding, *upgrade; /* the first of each */
	unsigned hosts, lengths, codings;
	bool close, keep_alive, upgrade_listed, h2c;
};

static void read_connection(struct facts *f, struct str list)
{
	struct str option;

	while (str_split(&list, ',', &option)) {
		if (str_ieq(option, STR("close")))
			f->close = true;
		else if (str_ieq(option, STR("keep-alive")))
			f->keep_alive = true;
		else if (str_ieq(option, STR("upgrade")))
			f->upgrade_listed = true;
	}
}

static void read_upgrade(struct facts *f, const struct field *field)
{
	struct str list = field->value, protocol;

	if (f->upgrade == NULL)
		f->upgrade = field;
	while (str_split(&list, ',', &protocol))
		if (str_ieq(protocol, STR("h2c")))
			f->h2c = true;
}

static void gather(struct head *head, struct facts *f)
{
	*f = (struct facts){0};
	for (size_t i = 0; i < head->nfields; i++) {
		const struct field *field = &head->fields[i];

		switch (field->id) {
		case HDR_HOST:
			if (f->hosts++ == 0)
				f->host = field;
			break;
		case HDR_CONTENT_LENGTH:
			if (f->lengths++ == 0)
				f->length = field;
			break;
		case HDR_TRANSFER_ENCODING:
			if (f->codings++ == 0)
				f->coding = field;
			break;
		case HDR_CONNECTION: read_connection(f, field->value); break;
		case HDR_UPGRADE: read_upgrade(f, field); break;
		case HDR_EXPECT:
			if (head->minor == 1 && str_ieq(field->value, STR("100-continue")))
				head->expect_continue = true;
			break;
		default: break;
		}
	}
	head->keep_alive = !f->close && (head->minor == 1 || f->keep_alive);
}

static bool is_token(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!h1_is(s.p[i], H1_TCHAR))
			return false;
	return s.n != 0;
}

/* Honest codings not understood here, or a try at being understood differently elsewhere? */
static enum h1_result judge_codings(const struct head *head)
{
	unsigned chunked = 0;

	for (size_t i = 0; i < head->nfields; i++) {
		struct str list = head->fields[i].value, coding;

		if (head->fields[i].id != HDR_TRANSFER_ENCODING)
			continue;
		while (str_split(&list, ',', &coding)) {
			if (!is_token(coding))
				return H1_BAD;
			if (str_ieq(coding, STR("chunked")) && ++chunked > 1)
				return H1_BAD;
		}
	}
	return H1_CODING;
}

/* Sets body and length; `otherwise` is the body of a head that says nothing of it. */
static enum h1_result read_framing(struct head *head, const struct facts *f,
				   enum body_kind otherwise)
{
	if (f->codings != 0) {
		if (f->lengths != 0 || head->minor == 0)
			return H1_BAD;
		if (f->codings > 1 || !str_ieq(f->coding->value, STR("chunked")))
			return judge_codings(head);
		head->body = BODY_CHUNKED;
	} else if (f->lengths != 0) {
		if (f->lengths > 1 || !str_to_u64(f->length->value, &head->length))
			return H1_BAD;
		head->body = BODY_LENGTH;
	} else {
		head->body = otherwise;
	}
	return H1_DONE;
}

static uint64_t port_of(struct str authority, uint64_t otherwise)
{
	uint64_t port;
	size_t at = authority.n;

	while (at != 0 && authority.p[at - 1] >= '0' && authority.p[at - 1] <= '9')
		at--;
	if (at == 0 || authority.p[at - 1] != ':' ||
	    !str_to_u64(str_make(authority.p + at, authority.n - at), &port))
		return otherwise;
	return port;
}

static bool same_place(struct str a, struct str b, uint64_t default_port)
{
	char a_host[256], b_host[256];
	struct str a_name, b_name;

	return host_normalise(a, a_host, sizeof(a_host), &a_name) &&
	       host_normalise(b, b_host, sizeof(b_host), &b_name) && str_eq(a_name, b_name) &&
	       port_of(a, default_port) == port_of(b, default_port);
}

/* The authority is set already if the target was absolute: then both must name one place. */
static bool read_host(struct head *head, const struct facts *f)
{
	char host[256];
	struct str name;

	if (f->hosts > 1 || (f->hosts == 0 && head->minor == 1))
		return false;
	if (head->authority.p != NULL) {
		bool https = head->target.n > 4 && (head->target.p[4] | 0x20) == 's';

		return same_place(head->authority, f->hosts == 0 ? head->authority : f->host->value,
				  https ? 443 : 80);
	}
	if (f->hosts == 0)
		return true;
	head->authority = f->host->value;
	return host_normalise(head->authority, host, sizeof(host), &name);
}

static void read_upgrade_wish(struct head *head, const struct facts *f)
{
	if (f->upgrade == NULL || !f->upgrade_listed || f->h2c || head->minor == 0)
		return;
	head->upgrade = true;
	head->upgrade_to = f->upgrade->value;
}

enum h1_result h1_request_meaning(struct head *head)
{
	struct facts f;
	enum h1_result r;

	gather(head, &f);
	if (!read_host(head, &f))
		return H1_BAD;
	r = read_framing(head, &f, BODY_NONE);
	if (r == H1_DONE &&
	    (head->body == BODY_NONE || (head->body == BODY_LENGTH && head->length == 0)))
		read_upgrade_wish(head, &f);
	return r;
}

enum h1_result h1_answer_meaning(struct head *head)
{
	struct facts f;
	enum h1_result r;

	gather(head, &f);
	head->expect_continue = false;
	r = read_framing(head, &f, BODY_CLOSE);
	if (r == H1_DONE && head->status == 101)
		read_upgrade_wish(head, &f);
	return r;
}

enum body_kind h1_answer_body(const struct head *answer, enum method method, uint64_t *length)
{
	if (method == METHOD_HEAD || answer->status < 200 || answer->status == 204 ||
	    answer->status == 304)
		return BODY_NONE;
	if (answer->body == BODY_LENGTH)
		*length = answer->length;
	return answer->body;
}
