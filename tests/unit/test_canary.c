/* Requests that are for the canary: it takes them if it can, and nobody notices when it cannot. */
#include "proxy_stage.h"

static uint32_t held(void)
{
	return service_board(service)->held;
}

#define BETA "GET /x HTTP/1.1\r\nHost: a\r\nCookie: kamal-rollout=beta\r\n\r\n"

static void the_canary_takes_its_own_and_a_dead_one_costs_nobody(void **state)
{
	(void)state;
	mkdir(in_stage("blog/rollout"), 0755);
	stage_write("blog/rollout.ini", "list = beta\n");
	site_changed(site, TREE_SETTINGS);
	int app = app_at("blog/app.sock"), canary = app_at("blog/rollout/app.sock");
	int c = client_that_says(BETA), d = client_that_says(GET);
	int a = app_accept(canary);

	assert_non_null(strstr(hear(a), "X-Kamal-Target: rollout/app.sock\r\n"));
	say(a, ANSWER);
	assert_true(begins(hear(c), "HTTP/1.1 200"));
	assert_answers(d, app_accept(app), "GET");
	close(a);
	close(c);
	close(canary);
	c = client_that_says(BETA);
	assert_answers(c, app_accept(app), "GET");

	/* One that breaks every connection has two tries, then a main one answers. */
	unlink(in_stage("blog/rollout/app.sock"));
	canary = app_at("blog/rollout/app.sock");
	c = client_that_says(BETA);
	for (int i = 0; i < 2; i++)
		close(app_accept(canary));
	assert_answers(c, app_accept(app), "GET");
	assert_nothing_counted();
	close(canary);
	close(app);
}

static void the_canarys_users_do_not_wait_behind_others(void **state)
{
	(void)state;
	mkdir(in_stage("blog/rollout"), 0755);
	stage_write("blog/rollout.ini", "list = beta\n");
	site_changed(site, TREE_SETTINGS);
	int canary = app_at("blog/rollout/app.sock");
	int c = client_that_says(GET), d = client_that_says(BETA);

	assert_answers(d, app_accept(canary), "GET");
	assert_string_equal(hear(c), "");
	assert_int_equal(held(), 1);
	shut(site, "pause");
	d = client_that_says(BETA);
	assert_string_equal(hear(d), "");
	assert_int_equal(held(), 2);
	reopen(site, "pause");
	int app = app_at("blog/app.sock");
	int a = app_accept(app);
	assert_true(begins(hear(a), "GET"));
	assert_answers(d, app_accept(canary), "GET");
	close(a);
	close(c);
	close(app);
	close(canary);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, proxy_up, proxy_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_canary_takes_its_own_and_a_dead_one_costs_nobody),
		TEST(the_canarys_users_do_not_wait_behind_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
