/* The canary: who is in its group, which instances are its own, and when its settings are in force. */
#include "service_ask.h"

#include "service/rollout.h"
#include "service/service_internal.h"

static struct site *site;
static struct service *service;

static int set_up(void **state)
{
	stage_up(state);
	site = site_new("blog", 1);
	mkdir(in_stage("blog/rollout"), 0755);
	service = site_changed(site, TREE_NEW | TREE_SOCKETS | TREE_SETTINGS);
	return 0;
}

static int tear_down(void **state)
{
	site_gone(site);
	return stage_down(state);
}

static void look(void)
{
	service = site_changed(site, TREE_SOCKETS);
}

static bool is_in(uint64_t percent, const char *value)
{
	struct rollout_settings r = {.percent = percent};

	return rollout_includes(&r, str_of(value));
}

static void the_hash_decides(void **state)
{
	(void)state;
	/* 0xe40c292c and 0xbf9cf968: 89.08 % and 74.84 % of all values. */
	assert_int_equal(str_fnv1a32(STR("a")), 0xe40c292c);
	assert_int_equal(str_fnv1a32(STR("foobar")), 0xbf9cf968);
	assert_false(is_in(89, "a"));
	assert_true(is_in(90, "a"));
	assert_false(is_in(74, "foobar"));
	assert_true(is_in(75, "foobar"));
	assert_false(is_in(0, "a"));
	assert_true(is_in(100, "a"));
	assert_false(is_in(100, ""));
}

static void the_list_is_always_in(void **state)
{
	char a[] = "a", b[] = "b c";
	char *items[] = {a, b};
	struct rollout_settings r = {.list = {.item = items, .count = 2}};

	(void)state;
	assert_true(rollout_includes(&r, STR("a")));
	assert_true(rollout_includes(&r, STR("b c")));
	assert_false(rollout_includes(&r, STR("A")));
	assert_false(rollout_includes(&r, STR("b")));
	assert_false(rollout_includes(&r, STR("")));
}

static void each_group_has_its_own_instances(void **state)
{
	int main_one = listen_at("blog/app.sock"), canary = listen_at("blog/rollout/app.sock");

	(void)state;
	look();
	assert_int_equal(service_board(service)->npeers, 2);
	for (int i = 0; i < 3; i++) {
		assert_string_equal(peer_name(service_pick(service, false)), "app.sock");
		assert_string_equal(peer_name(service_pick(service, true)), "rollout/app.sock");
	}
	unlink(in_stage("blog/rollout/app.sock"));
	look();
	assert_null(service_pick(service, true));
	close(main_one);
	close(canary);
}

static void a_promotion_keeps_the_instance(void **state)
{
	int canary = listen_at("blog/rollout/app.sock");
	struct peer *p;
	struct tie t;

	(void)state;
	look();
	p = service_pick(service, true);
	assert_int_equal(tie_connect(&t, p), PEER_CONNECTED);
	stage_rename("blog/rollout/app.sock", "blog/app.sock");
	look();
	assert_ptr_equal(service_pick(service, false), p);
	assert_null(service_pick(service, true));
	assert_int_equal(service_board(service)->draining, 0);
	assert_int_equal(service_board(service)->in_flight, 1);
	tie_end(&t);
	close(canary);
}

/* Only the canary listens: who waits for a main instance must not make the loop spin. */
static void a_canary_is_no_reason_to_try_again(void **state)
{
	int canary = listen_at("blog/rollout/app.sock");
	struct ask a;

	(void)state;
	stage_write("blog/rollout.ini", "percent = 100\n");
	site_changed(site, TREE_SETTINGS);
	look();
	assert_true(ask_wait(&a, service));
	stage_run(0.05);
	assert_int_equal(a.tried, 0);
	assert_false(ev_is_active(&service->timer));
	service_unwait(service, &a.waiter);
	close(canary);
}

static void rollout_ini_while_it_exists(void **state)
{
	uint64_t stamp = service_board(service)->ini_stamp;
	struct service_view v;

	(void)state;
	assert_false(service_has_rollout(service));
	stage_write("blog/rollout.ini", "list = beta\n");
	site_changed(site, TREE_SETTINGS);
	assert_true(service_has_rollout(service));
	assert_true(service_in_rollout(service, STR("beta")));
	assert_false(service_in_rollout(service, STR("other")));
	assert_true(service_board(service)->ini_stamp != stamp);
	stamp = service_board(service)->ini_stamp;

	stage_write("blog/rollout.ini", "percent = 101\n");
	site_changed(site, TREE_SETTINGS);
	assert_true(service_in_rollout(service, STR("beta")));
	service_view(service, &v);
	assert_non_null(strstr(v.error, "percent"));
	assert_int_equal(v.kind, VIEW_OK);
	assert_true(service_board(service)->ini_stamp == stamp);

	unlink(in_stage("blog/rollout.ini"));
	site_changed(site, TREE_SETTINGS);
	assert_false(service_has_rollout(service));
	service_view(service, &v);
	assert_null(v.error);
}

static void a_new_worker_has_the_last_good_rollout_of_the_master(void **state)
{
	struct service_env env = stage.env;
	struct registry *younger;
	struct service *s;

	(void)state;
	stage_write("blog/rollout.ini", "list = beta\n");
	site_changed(site, TREE_SETTINGS);
	stage_write("blog/rollout.ini", "lost = beta\n");
	site_changed(site, TREE_SETTINGS);
	env.board = NULL;
	env.region = NULL;
	younger = registry_new(&env, stage.registry);
	registry_tree_events.changed(younger, site, TREE_NEW | TREE_SETTINGS);
	s = registry_find(younger, "blog");
	assert_true(service_in_rollout(s, STR("beta")));
	registry_free(younger);
	site->owner = service;
	assert_true(service_in_rollout(service, STR("beta")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
		cmocka_unit_test(the_hash_decides),
		cmocka_unit_test(the_list_is_always_in),
		T(each_group_has_its_own_instances),
		T(a_promotion_keeps_the_instance),
		T(a_canary_is_no_reason_to_try_again),
		T(rollout_ini_while_it_exists),
		T(a_new_worker_has_the_last_good_rollout_of_the_master),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
