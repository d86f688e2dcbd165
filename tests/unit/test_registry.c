/* The registry: settings that change or are bad, who has a host, and ten thousand services. */
#include "service_stage.h"

static struct site *sites[4];

static int set_up(void **state)
{
	memset(sites, 0, sizeof(sites));
	return stage_up(state);
}

static int tear_down(void **state)
{
	for (size_t i = 0; i < 4; i++) {
		if (sites[i] != NULL)
			site_gone(sites[i]);
	}
	return stage_down(state);
}

static struct service *add(size_t i, const char *name, int64_t claim_ns, const char *ini)
{
	char path[128];

	sites[i] = site_new(name, claim_ns);
	snprintf(path, sizeof(path), "%s/service.ini", name);
	if (ini != NULL)
		stage_write(path, ini);
	return site_changed(sites[i], TREE_NEW | TREE_SOCKETS | TREE_SETTINGS);
}

static const char *route(const char *host, const char *path)
{
	size_t prefix_len;
	struct service *s = registry_route(stage.registry, str_of(host), str_of(path), &prefix_len);

	return s == NULL ? "nobody" : service_name(s);
}

static struct service_view view(const struct service *s)
{
	struct service_view v;

	service_view(s, &v);
	return v;
}

static void a_name_with_a_dot_is_a_host_others_take_any(void **state)
{
	(void)state;
	add(0, "blog.example.com", 1, NULL);
	assert_string_equal(route("blog.example.com", "/"), "blog.example.com");
	assert_string_equal(route("other", "/"), "nobody");
	add(1, "blog", 1, NULL);
	assert_string_equal(route("other", "/"), "blog");
	assert_string_equal(route("blog.example.com", "/"), "blog.example.com");
	assert_int_equal(view(sites[0]->owner).kind, VIEW_OK);
	assert_null(view(sites[0]->owner).error);
	assert_true(view(sites[0]->owner).stamp != 0);
	site_gone(sites[0]);
	sites[0] = NULL;
	assert_string_equal(route("blog.example.com", "/"), "blog");
}

static void settings_decide_the_routes(void **state)
{
	struct service *s = add(0, "blog", 1,
				"hosts = A.example.com, *.Example.org\n"
				"path_prefix = /app/, /api\n");
	uint64_t stamp = view(s).stamp;

	(void)state;
	assert_string_equal(route("a.example.com", "/app/x"), "blog");
	assert_string_equal(route("a.example.com", "/api"), "blog");
	assert_string_equal(route("a.example.com", "/"), "nobody");
	assert_string_equal(route("x.y.example.org", "/api/1"), "blog");
	assert_int_equal(service_board(s)->ini_stamp, stamp);
	stage_write("blog/service.ini", "hosts = b.example.com\n");
	stage.news = 0;
	site_changed(sites[0], TREE_SETTINGS);
	assert_int_equal(stage.news, 1);
	assert_string_equal(route("a.example.com", "/app/x"), "nobody");
	assert_string_equal(route("b.example.com", "/"), "blog");
	assert_true(view(s).stamp != stamp);
	assert_true(service_board(s)->ini_stamp == view(s).stamp);
	stage_write("blog/hosts", "# customers\nc.example.net\n");
	site_changed(sites[0], TREE_SETTINGS);
	assert_string_equal(route("c.example.net", "/"), "blog");
	assert_string_equal(route("b.example.com", "/"), "blog");
}

static void bad_settings_leave_the_old_in_force(void **state)
{
	struct service *s = add(0, "blog", 1, "hosts = a\ndrain_timeout = 7s\n");
	uint64_t stamp = view(s).stamp;

	(void)state;
	stage_write("blog/service.ini", "hosts = b\ndrain_timeout = soon\n");
	stage.news = 0;
	site_changed(sites[0], TREE_SETTINGS);
	assert_int_equal(stage.news, 1);
	assert_string_equal(route("a", "/"), "blog");
	assert_string_equal(route("b", "/"), "nobody");
	assert_int_equal(service_settings(s)->drain_timeout, 7000);
	assert_int_equal(view(s).kind, VIEW_OK);
	assert_true(view(s).stamp == stamp);
	assert_non_null(strstr(view(s).error, "drain_timeout"));
	unlink(in_stage("blog/service.ini"));
	site_changed(sites[0], TREE_SETTINGS);
	assert_null(view(s).error);
	assert_string_equal(route("b", "/"), "blog");
}

static void a_service_that_was_never_good_is_routed_nowhere(void **state)
{
	struct service *s = add(0, "blog", 1, "nonsense = 1\n");

	(void)state;
	assert_int_equal(view(s).kind, VIEW_INVALID);
	assert_true(view(s).stamp == 0);
	assert_non_null(strstr(view(s).error, "nonsense"));
	assert_string_equal(route("any", "/"), "nobody");
	stage_write("blog/service.ini", "");
	site_changed(sites[0], TREE_SETTINGS);
	assert_int_equal(view(s).kind, VIEW_OK);
	assert_string_equal(route("any", "/"), "blog");
}

static void a_young_registry_asks_its_elder_for_the_last_good_settings(void **state)
{
	struct registry *elder = stage.registry;
	struct service *old = add(0, "blog", 5, "hosts = a\n"), *young;
	struct site *same = sites[0];

	(void)state;
	stage_write("blog/service.ini", "hosts = b\nbad = 1\n");
	site_changed(same, TREE_SETTINGS);
	stage.registry = registry_new(&stage.env, elder);
	same->claim_ns = 9;
	young = site_changed(same, TREE_NEW | TREE_SOCKETS | TREE_SETTINGS);
	assert_ptr_not_equal(young, old);
	assert_string_equal(route("a", "/"), "blog");
	assert_int_equal(view(young).kind, VIEW_OK);
	assert_non_null(strstr(view(young).error, "bad"));
	assert_true(view(young).stamp == view(old).stamp);
	stage_write("blog/service.ini", "hosts = b\n");
	site_changed(same, TREE_SETTINGS);
	assert_string_equal(route("b", "/"), "blog");
	registry_free(stage.registry);
	stage.registry = elder;
	same->owner = old;
}

static void the_older_service_has_the_host_until_it_goes(void **state)
{
	struct service *young = add(0, "young", 20, "hosts = a.com, b.com\n");
	struct service *old = add(1, "old", 10, "hosts = a.com\n");
	struct service_view v = view(young);

	(void)state;
	assert_string_equal(route("a.com", "/"), "old");
	assert_string_equal(route("b.com", "/"), "young");
	assert_int_equal(view(old).kind, VIEW_OK);
	assert_int_equal(v.kind, VIEW_CONFLICT);
	assert_non_null(strstr(v.error, "a.com"));
	assert_non_null(strstr(v.error, "old"));
	assert_non_null(strstr(v.error, "kamal-proxy set young --host"));
	add(2, "oldest", 5, "hosts = a.com\n");
	assert_int_equal(view(old).kind, VIEW_CONFLICT);
	assert_non_null(strstr(view(young).error, "oldest"));
	site_gone(sites[2]);
	sites[2] = NULL;
	assert_int_equal(view(old).kind, VIEW_OK);
	stage_write("old/service.ini", "hosts = c.com\n");
	site_changed(sites[1], TREE_SETTINGS);
	assert_string_equal(route("a.com", "/"), "young");
	assert_int_equal(view(young).kind, VIEW_OK);
	assert_null(view(young).error);
}

static void a_newer_date_gives_the_place_up(void **state)
{
	struct service *a = add(0, "a", 10, NULL), *b = add(1, "b", 20, NULL);

	(void)state;
	assert_string_equal(route("x", "/"), "a");
	sites[0]->claim_ns = 30;
	site_changed(sites[0], TREE_SETTINGS);
	assert_string_equal(route("x", "/"), "b");
	assert_int_equal(view(a).kind, VIEW_CONFLICT);
	assert_int_equal(view(b).kind, VIEW_OK);
}

static void a_host_named_twice_is_claimed_once(void **state)
{
	struct service *s = add(0, "a", 10, "hosts = x.com, X.com\npath_prefix = /p, /p/\n");

	(void)state;
	assert_int_equal(view(s).kind, VIEW_OK);
	site_gone(sites[0]);
	sites[0] = NULL;
	assert_string_equal(route("x.com", "/p"), "nobody");
}

static void commands_need_no_loop_and_no_scoreboard(void **state)
{
	struct service_env env = {.settings = stage.settings};
	struct registry *full = stage.registry;
	struct service *s;
	int listener;

	(void)state;
	stage.registry = registry_new(&env, NULL);
	s = add(0, "blog", 1, NULL);
	listener = listen_at("blog/app.sock");
	site_changed(sites[0], TREE_SOCKETS);
	assert_non_null(service_pick(s, false));
	assert_non_null(service_board(s));
	site_gone(sites[0]);
	sites[0] = NULL;
	registry_free(stage.registry);
	stage.registry = full;
	close(listener);
}

static void ten_thousand_services(void **state)
{
	enum { N = 10000 };
	struct site *all = mem_zero(N * sizeof(*all));
	struct tree_socket socket = {.name = "app.sock"};
	char host[32], path[] = "/nowhere";
	struct service *s;
	size_t n = 0;

	(void)state;
	for (size_t i = 0; i < N; i++) {
		all[i].path = path;
		all[i].claim_ns = (int64_t)((i * 7919) % N);
		all[i].sockets = &socket;
		all[i].nsockets = 1;
		/* A third of them all want any host. */
		snprintf(all[i].name, sizeof(all[i].name), i % 3 == 0 ? "s%zu" : "s%zu.com", i);
		socket.id.ino = i + 1;
		registry_tree_events.changed(stage.registry, &all[i], TREE_NEW | TREE_SOCKETS);
	}
	for (size_t i = 0; (s = registry_next(stage.registry, &i)) != NULL;)
		n += view(s).kind == VIEW_OK;
	assert_int_equal(n, N - (N + 2) / 3 + 1);
	for (size_t i = 1; i < N; i += 3) {
		snprintf(host, sizeof(host), "s%zu.com", i);
		assert_string_equal(route(host, "/x"), host);
	}
	assert_string_equal(route("other", "/"), "s0");
	for (size_t i = 0; i < N; i++)
		registry_tree_events.gone(stage.registry, &all[i]);
	assert_string_equal(route("other", "/"), "nobody");
	n = 0;
	assert_null(registry_next(stage.registry, &n));
	mem_free(all);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
		T(a_name_with_a_dot_is_a_host_others_take_any),
		T(settings_decide_the_routes),
		T(bad_settings_leave_the_old_in_force),
		T(a_service_that_was_never_good_is_routed_nowhere),
		T(a_young_registry_asks_its_elder_for_the_last_good_settings),
		T(the_older_service_has_the_host_until_it_goes),
		T(a_newer_date_gives_the_place_up),
		T(a_host_named_twice_is_claimed_once),
		T(commands_need_no_loop_and_no_scoreboard),
		T(ten_thousand_services),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
