/* Networks: parsing, IPv4 in IPv6, bits beyond the prefix. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "net/cidr.h"
#include "net/sock.h"

static bool contains(const char *net, const char *ip)
{
	struct cidr c;
	struct sock_addr a;
	assert_true(cidr_parse(net, &c));
	assert_true(sock_addr_parse(ip, 0, &a));
	return cidr_contains(&c, &a.ss);
}

static void test_members(void **state)
{
	(void)state;
	assert_true(contains("10.0.0.0/8", "10.255.1.2"));
	assert_false(contains("10.0.0.0/8", "11.0.0.1"));
	assert_true(contains("192.168.4.0/22", "192.168.7.255"));
	assert_false(contains("192.168.4.0/22", "192.168.8.0"));
	assert_true(contains("0.0.0.0/0", "203.0.113.9"));
	assert_false(contains("0.0.0.0/0", "2001:db8::1"));
	assert_true(contains("127.0.0.1", "127.0.0.1"));
	assert_false(contains("127.0.0.1", "127.0.0.2"));
	assert_true(contains("127.0.0.1", "::ffff:127.0.0.1"));
	assert_true(contains("fd00::/8", "fd12::1"));
	assert_false(contains("fd00::/8", "fe80::1"));
	assert_true(contains("::/0", "::1"));
	assert_true(contains("[::1]", "::1"));
}

static void test_refused(void **state)
{
	static const char *const bad[] = {"",          "10.0.0.0/33", "10.0.0.1/8", "::/129",
					  "10.0.0.0/", "10.0.0/8",    "a/8",        "10.0.0.0/-1",
					  "/8",        "10.0.0.0/8/8"};
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct cidr c;
		if (cidr_parse(bad[i], &c))
			fail_msg("accepted: %s", bad[i]);
	}
}

static void test_address_text(void **state)
{
	struct sock_addr a;
	char host[SOCK_ADDR_TEXT];
	unsigned port;
	(void)state;
	assert_true(sock_addr_parse("[::ffff:1.2.3.4]", 80, &a));
	sock_addr_text(&a.ss, host, &port);
	assert_string_equal(host, "1.2.3.4");
	assert_int_equal(port, 80);
	assert_true(sock_addr_parse("2001:db8::1", 65535, &a));
	sock_addr_text(&a.ss, host, &port);
	assert_string_equal(host, "2001:db8::1");
	assert_int_equal(port, 65535);
	assert_false(sock_addr_parse("localhost", 80, &a));
	assert_false(sock_addr_parse("1.2.3.4", 65536, &a));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_members),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_address_text),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
