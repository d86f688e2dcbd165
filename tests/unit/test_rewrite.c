/* Header policy: what reaches the app, what reaches the client, which trailers pass. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "http/h1.h"
#include "proxy/rewrite.h"

static const struct h1_limits limits = {.head = 32768, .line = 8192, .fields = 100};

static char memory[8192];
static const char *client_ip = "192.0.2.7"; /* "" for a Unix socket's */

/* The head that the app gets for a request. */
static const char *sent(const char *request, bool trusted)
{
	static struct head h;
	struct text t = text_in(memory, sizeof(memory) - 1);
	size_t used;
	assert_int_equal(h1_parse_request(str_of(request), &limits, &h, &used), H1_DONE);
	struct request_facts facts = {
		.client_ip = str_of(client_ip),
		.scheme = STR("http"),
		.request_id = STR("id-1"),
		.now_ms = 1234,
		.trusted = trusted,
		.path = h.path,
		.upgrade = h.upgrade,
	};
	rewrite_request(&t, &h, &facts);
	assert_false(t.full);
	memory[t.n] = '\0';
	return memory;
}

static void assert_has(const char *text, const char *part)
{
	if (strstr(text, part) == NULL)
		fail_msg("no \"%s\" in:\n%s", part, text);
}

static void assert_has_not(const char *text, const char *part)
{
	if (strcasestr(text, part) != NULL)
		fail_msg("\"%s\" in:\n%s", part, text);
}

#define FORGED                                                                                     \
	"GET /a?b=1 HTTP/1.1\r\nHost: Example.com\r\nX-Forwarded-For: 1.1.1.1\r\n"                 \
	"x-forwarded-for: 2.2.2.2\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Port: 1\r\n"          \
	"Forwarded: for=1.1.1.1\r\nX-Real-IP: 1.1.1.1\r\nProxy: http://evil/\r\n"                  \
	"X-Kamal-Target: forged\r\nX-Request-ID: theirs\r\nX-Request-Start: t=1\r\nAccept: "       \
	"*/*\r\n\r\n"

static void test_untrusted(void **state)
{
	(void)state;
	const char *out = sent(FORGED, false);
	assert_has(out, "GET /a?b=1 HTTP/1.1\r\nHost: Example.com\r\n");
	assert_has(out, "X-Forwarded-For: 192.0.2.7\r\n");
	assert_has(out, "X-Forwarded-Proto: http\r\n");
	assert_has(out, "X-Forwarded-Host: Example.com\r\n");
	assert_has(out, "X-Request-Start: t=1234\r\n");
	assert_has(out, "X-Request-ID: id-1\r\n");
	assert_has(out, "Accept: */*\r\n");
	assert_has_not(out, "1.1.1.1");
	assert_has_not(out, "2.2.2.2");
	assert_has_not(out, "X-Forwarded-Port");
	assert_has_not(out, "Proxy:");
	assert_has_not(out, "forged");
	assert_has_not(out, "theirs");
}

static void test_trusted(void **state)
{
	(void)state;
	const char *out = sent(FORGED, true);
	assert_has(out, "X-Forwarded-For: 1.1.1.1, 2.2.2.2, 192.0.2.7\r\n");
	assert_has(out, "X-Forwarded-Proto: https\r\n");
	assert_has(out, "X-Forwarded-Port: 1\r\n");
	assert_has(out, "Forwarded: for=1.1.1.1\r\n");
	assert_has(out, "X-Request-Start: t=1\r\n");
	assert_has(out, "X-Forwarded-Host: Example.com\r\n");
	assert_has_not(out, "forged");
}

static void test_client_without_address(void **state)
{
	(void)state;
	client_ip = "";
	assert_has(sent(FORGED, true), "X-Forwarded-For: 1.1.1.1, 2.2.2.2\r\n");
	assert_has_not(sent(FORGED, false), "X-Forwarded-For");
	client_ip = "192.0.2.7";
}

static void test_hop_by_hop(void **state)
{
	(void)state;
	const char *out = sent(
		"POST / HTTP/1.1\r\nHost: a\r\nConnection: X-Mine, Host, X-Forwarded-For\r\n"
		"X-Mine: 1\r\nKeep-Alive: 5\r\nTE: trailers, deflate\r\n"
		"Proxy-Connection: x\r\nTransfer-Encoding: chunked\r\n\r\n",
		false);
	assert_has(out, "Host: a\r\n");
	assert_has(out, "X-Forwarded-For: 192.0.2.7\r\n");
	assert_has(out, "TE: trailers\r\n");
	assert_has(out, "Transfer-Encoding: chunked\r\n");
	assert_has_not(out, "X-Mine");
	assert_has_not(out, "Keep-Alive");
	assert_has_not(out, "deflate");
	assert_has_not(out, "Connection:");
}

static void test_upgrade_and_absolute(void **state)
{
	(void)state;
	const char *out = sent("GET /ws HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\n"
			       "Upgrade: websocket\r\nSec-WebSocket-Key: k\r\n\r\n",
			       false);
	assert_has(out, "Connection: Upgrade\r\nUpgrade: websocket\r\n");
	assert_has(out, "Sec-WebSocket-Key: k\r\n");
	out = sent("GET http://a:81/x?y HTTP/1.1\r\nHost: a:81\r\n\r\n", false);
	assert_has(out, "GET /x?y HTTP/1.1\r\nHost: a:81\r\n");
}

static void test_answer(void **state)
{
	static struct head h;
	size_t used;
	(void)state;
	const char *in =
		"HTTP/1.1 200 OK\r\nConnection: close, X-Gone\r\nX-Gone: 1\r\nKeep-Alive: 1\r\n"
		"Content-Length: 5\r\nSet-Cookie: a=b\r\nUpgrade: h2\r\n\r\n";
	assert_int_equal(h1_parse_answer(str_of(in), &limits, &h, &used), H1_DONE);
	rewrite_answer(&h, true);
	assert_int_equal(h.nfields, 1);
	assert_int_equal(h.fields[0].id, HDR_SET_COOKIE);
	assert_int_equal(h1_parse_answer(str_of(in), &limits, &h, &used), H1_DONE);
	rewrite_answer(&h, false);
	assert_int_equal(h.nfields, 2);
	assert_int_equal(h.fields[0].id, HDR_CONTENT_LENGTH);
}

static void test_trailers(void **state)
{
	char out[512];
	struct text t = text_in(out, sizeof(out) - 1);
	(void)state;
	rewrite_trailers(
		&t, STR("X-Sum: 1\r\nContent-Length: 5\r\nHost: evil\r\nX-Forwarded-For: 1\r\n"
			"Transfer-Encoding: chunked\r\nServer-Timing: a\r\nSet-Cookie: a\r\n"));
	out[t.n] = '\0';
	assert_string_equal(out, "X-Sum: 1\r\nServer-Timing: a\r\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_untrusted),
		cmocka_unit_test(test_client_without_address),
		cmocka_unit_test(test_trusted),
		cmocka_unit_test(test_hop_by_hop),
		cmocka_unit_test(test_upgrade_and_absolute),
		cmocka_unit_test(test_answer),
		cmocka_unit_test(test_trailers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
