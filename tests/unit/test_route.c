/* Routes: which claim a host and path lead to, and who has a place that two want. */
#include "unit.h"

#include <stdio.h>

#include "base/mem.h"
#include "service/route.h"

static struct routes *routes;

static int set_up(void **state)
{
	(void)state;
	routes = routes_new();
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	routes_free(routes);
	return 0;
}

static struct claim claim(const char *name, int64_t since)
{
	return (struct claim){.name = name, .since_ns = since, .handle = (void *)name};
}

static bool add(const struct claim *c, const char *host, const char *prefix)
{
	return routes_add(routes, str_of(host), str_of(prefix), c);
}

static bool take(const struct claim *c, const char *host, const char *prefix)
{
	return routes_remove(routes, str_of(host), str_of(prefix), c);
}

static const char *find(const char *host, const char *path)
{
	size_t prefix_len;
	const char *name = routes_find(routes, str_of(host), str_of(path), &prefix_len);

	return name == NULL ? "nobody" : name;
}

static size_t prefix_of(const char *host, const char *path)
{
	size_t prefix_len = 999;

	routes_find(routes, str_of(host), str_of(path), &prefix_len);
	return prefix_len;
}

static void an_exact_host_beats_wildcards_and_they_the_catch_all(void **state)
{
	struct claim exact = claim("exact", 1), wide = claim("wide", 1),
		     narrow = claim("narrow", 1);
	struct claim any = claim("any", 1);

	(void)state;
	assert_string_equal(find("a.example.com", "/"), "nobody");
	add(&any, "*", "/");
	add(&wide, "*.example.com", "/");
	add(&narrow, "*.eu.example.com", "/");
	add(&exact, "a.eu.example.com", "/");
	assert_string_equal(find("a.eu.example.com", "/"), "exact");
	assert_string_equal(find("b.eu.example.com", "/"), "narrow");
	assert_string_equal(find("x.y.eu.example.com", "/"), "narrow");
	assert_string_equal(find("eu.example.com", "/"), "wide");
	assert_string_equal(find("a.b.c.example.com", "/"), "wide");
	assert_string_equal(find("example.com", "/"), "any");
	assert_string_equal(find("notexample.com", "/"), "any");
	assert_string_equal(find(".example.com", "/"), "any");
	assert_string_equal(find("", "/"), "any");
	assert_true(take(&narrow, "*.eu.example.com", "/"));
	assert_string_equal(find("b.eu.example.com", "/"), "wide");
	assert_true(take(&any, "*", "/"));
	assert_string_equal(find("other", "/"), "nobody");
}

static void the_longest_prefix_on_a_segment_boundary_has_it(void **state)
{
	struct claim root = claim("root", 1), api = claim("api", 1), v2 = claim("v2", 1);

	(void)state;
	add(&root, "h", "/");
	add(&api, "h", "/api");
	add(&v2, "h", "/api/v2");
	assert_string_equal(find("h", "/"), "root");
	assert_string_equal(find("h", "*"), "root");
	assert_string_equal(find("h", ""), "root");
	assert_string_equal(find("h", "/ap"), "root");
	assert_string_equal(find("h", "/apix"), "root");
	assert_string_equal(find("h", "/API"), "root");
	assert_string_equal(find("h", "/api"), "api");
	assert_string_equal(find("h", "/api/"), "api");
	assert_string_equal(find("h", "/api//v2"), "api");
	assert_string_equal(find("h", "/api/v"), "api");
	assert_string_equal(find("h", "/api/v22"), "api");
	assert_string_equal(find("h", "/api/v2"), "v2");
	assert_string_equal(find("h", "/api/v2/x/y"), "v2");
	assert_int_equal(prefix_of("h", "/x"), 0);
	assert_int_equal(prefix_of("h", "/api/x"), 4);
	assert_int_equal(prefix_of("h", "/api/v2/x"), 7);
	assert_true(take(&v2, "h", "/api/v2"));
	assert_string_equal(find("h", "/api/v2"), "api");
}

static void a_host_that_somebody_has_is_not_looked_for_elsewhere(void **state)
{
	struct claim any = claim("any", 1), wild = claim("wild", 1), api = claim("api", 1);

	(void)state;
	add(&any, "*", "/");
	add(&wild, "*.com", "/w");
	add(&api, "a.com", "/api");
	assert_string_equal(find("a.com", "/api/1"), "api");
	assert_string_equal(find("a.com", "/"), "nobody");
	assert_string_equal(find("b.com", "/w"), "wild");
	assert_string_equal(find("b.com", "/api"), "nobody");
	assert_string_equal(find("b.org", "/api"), "any");
	take(&api, "a.com", "/api");
	assert_string_equal(find("a.com", "/w/x"), "wild");
}

static void the_older_claim_has_the_place_whatever_the_order(void **state)
{
	struct claim old = claim("old", 10), mid = claim("mid", 20), aaa = claim("aaa", 20);

	(void)state;
	assert_true(add(&mid, "h", "/p"));
	assert_true(add(&old, "h", "/p"));
	assert_true(add(&aaa, "h", "/p"));
	assert_false(add(&aaa, "h", "/p"));
	assert_string_equal(find("h", "/p"), "old");
	assert_ptr_equal(routes_holder(routes, STR("h"), STR("/p")), &old);
	assert_true(take(&old, "h", "/p"));
	assert_false(take(&old, "h", "/p"));
	assert_string_equal(find("h", "/p"), "aaa");
	assert_true(take(&aaa, "h", "/p"));
	assert_string_equal(find("h", "/p"), "mid");
	assert_true(take(&mid, "h", "/p"));
	assert_string_equal(find("h", "/p"), "nobody");
	assert_null(routes_holder(routes, STR("h"), STR("/p")));
	assert_false(take(&mid, "h", "/p"));
	assert_false(take(&mid, "other", "/p"));
}

static void ten_thousand_hosts_are_told_apart(void **state)
{
	enum { N = 10000 };
	struct claim *claims = mem_zero(N * sizeof(*claims));
	char name[32];
	size_t prefix_len;

	(void)state;
	for (size_t i = 0; i < N; i++) {
		claims[i] = (struct claim){.name = "x", .handle = &claims[i]};
		snprintf(name, sizeof(name), "s%zu.example.com", i);
		assert_true(add(&claims[i], name, i % 2 == 0 ? "/" : "/app"));
	}
	for (size_t i = 0; i < N; i++) {
		snprintf(name, sizeof(name), "s%zu.example.com", i);
		assert_ptr_equal(routes_find(routes, str_of(name), STR("/app/1"), &prefix_len),
				 &claims[i]);
		assert_int_equal(prefix_len, i % 2 == 0 ? 0 : 4);
	}
	for (size_t i = 0; i < N; i += 3) {
		snprintf(name, sizeof(name), "s%zu.example.com", i);
		assert_true(take(&claims[i], name, i % 2 == 0 ? "/" : "/app"));
	}
	assert_string_equal(find("s3.example.com", "/app"), "nobody");
	assert_string_not_equal(find("s4.example.com", "/app"), "nobody");
	mem_free(claims);
}

static void a_host_of_very_many_labels_costs_little_and_matches(void **state)
{
	struct claim wild = claim("wild", 1);
	char host[256] = "";

	(void)state;
	add(&wild, "*.example.com", "/");
	for (size_t i = 0; i < 120; i++)
		strcat(host, "a.");
	strcat(host, "example.com");
	assert_string_equal(find(host, "/"), "wild");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
		T(an_exact_host_beats_wildcards_and_they_the_catch_all),
		T(the_longest_prefix_on_a_segment_boundary_has_it),
		T(a_host_that_somebody_has_is_not_looked_for_elsewhere),
		T(the_older_claim_has_the_place_whatever_the_order),
		T(ten_thousand_hosts_are_told_apart),
		T(a_host_of_very_many_labels_costs_little_and_matches),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
