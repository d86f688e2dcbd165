/* Pause and stop at the service: who is held, who goes first, who is cut, and what the master is told. */
#include "service_ask.h"

#include "service/service_internal.h"

#define CROWD 300 /* more than a turn of the loop lets go */

static struct site *site;
static struct service *service;
static struct board_service *line;
static int listener;

static int set_up(void **state)
{
	stage_up(state);
	site = site_new("blog", 1);
	stage_write("blog/service.ini", "socket_timeout = 200ms\ntarget_timeout = 500ms\n"
					"drain_timeout = 300ms\nmax_pause = 10s\n");
	listener = listen_at("blog/app.sock");
	service = site_changed(site, TREE_NEW | TREE_SOCKETS | TREE_SETTINGS);
	line = service_board(service);
	return 0;
}

static int tear_down(void **state)
{
	close(listener);
	site_gone(site);
	return stage_down(state);
}

static bool pause_is_told(void)
{
	return site->pause.ino != 0 && line->pause_ino == site->pause.ino &&
	       line->pause_ctime == site->pause.ctime_ns;
}

static bool stop_is_told(void)
{
	return site->stop.ino != 0 && line->stop_ino == site->stop.ino &&
	       line->stop_ctime == site->stop.ctime_ns;
}

/* The app's socket listens, but takes nobody any more. */
static void fill_backlog(struct tie *t, size_t *n)
{
	assert_int_equal(listen(listener, 2), 0);
	for (*n = 0; tie_send(&t[*n], service);)
		assert_true(++*n < 8);
}

static void a_pause_holds_and_its_end_releases_in_order(void **state)
{
	struct ask a[3];

	(void)state;
	stage.news = 0;
	shut(site, "pause");
	assert_int_equal(service_door(service), DOOR_PAUSED);
	assert_false(service_is_open(service));
	assert_true(pause_is_told());
	assert_int_equal(stage.news, 1);
	for (size_t i = 0; i < 3; i++)
		assert_true(ask_wait(&a[i], service));
	stage_run(0.4); /* longer than socket_timeout */
	site_changed(site, TREE_SOCKETS);
	assert_int_equal(a[0].tried + a[0].expired, 0);
	assert_int_equal(line->held, 3);
	reopen(site, "pause");
	assert_int_equal(line->pause_ino, 0);
	assert_int_equal(stage.sent, 3);
	for (size_t i = 0; i < 3; i++) {
		assert_ptr_equal(stage.order[i], &a[i]);
		assert_true(a[i].waiter.released);
		ask_end(&a[i]);
	}
	assert_true(service_is_open(service));
	assert_int_equal(line->held, 0);
}

static void what_the_file_says_counts_from_the_beginning_of_each_wait(void **state)
{
	struct ask a[2];

	(void)state;
	site->hold_ms = 500;
	shut(site, "pause");
	assert_true(ask_wait(&a[0], service));
	stage_run(0.15);
	assert_true(ask_wait(&a[1], service));
	site->hold_ms = 250;
	site_changed(site, TREE_STATE);
	stage_run(0.05);
	assert_int_equal(a[0].expired, 0);
	stage_run(0.1);
	assert_int_equal(a[0].expired, 1);
	assert_int_equal(a[0].why, WAIT_HELD);
	assert_int_equal(a[1].expired, 0);
	site->hold_ms = 0;
	site_changed(site, TREE_STATE);
	stage_run(0.3);
	assert_int_equal(a[1].expired, 0);
	assert_false(ev_is_active(&service->limit));
	site->hold_ms = 100;
	site_changed(site, TREE_STATE);
	stage_run(0.02);
	assert_int_equal(a[1].expired, 1);
	assert_int_equal(line->held, 0);
}

static void without_a_word_in_the_file_max_pause_counts(void **state)
{
	struct ask a;

	(void)state;
	stage_write("blog/service.ini", "max_pause = 100ms\n");
	site_changed(site, TREE_SETTINGS);
	shut(site, "pause");
	assert_true(ask_wait(&a, service));
	stage_run(0.15);
	assert_int_equal(a.expired, 1);
	assert_int_equal(a.why, WAIT_HELD);
}

static void who_waits_for_a_socket_is_caught(void **state)
{
	struct ask a;

	(void)state;
	unlink(in_stage("blog/app.sock"));
	site_changed(site, TREE_SOCKETS);
	assert_true(ask_wait(&a, service));
	stage_run(0.15);
	shut(site, "pause");
	close(listener);
	listener = listen_at("blog/app.sock");
	site_changed(site, TREE_SOCKETS);
	stage_run(0.3);
	assert_int_equal(a.tried + a.expired, 0);
	reopen(site, "pause");
	assert_true(a.sent);
	ask_end(&a);
}

static void the_released_are_not_caught_and_go_before_the_others(void **state)
{
	struct tie t[8];
	struct ask a[3], late;
	size_t n;

	(void)state;
	shut(site, "pause");
	fill_backlog(t, &n);
	for (size_t i = 0; i < 3; i++)
		assert_true(ask_wait(&a[i], service));
	reopen(site, "pause");
	assert_int_equal(stage.sent, 0);
	assert_true(ask_wait(&late, service));
	shut(site, "pause");
	assert_int_equal(service_door(service), DOOR_PAUSED);
	assert_false(pause_is_told()); /* released ones may still be sent */
	while (stage.sent < 3) {
		was_reached(listener);
		stage_run(0.03);
	}
	for (size_t i = 0; i < 3; i++)
		assert_ptr_equal(stage.order[i], &a[i]);
	assert_int_equal(late.tried, 0);
	assert_false(pause_is_told()); /* or sent again */
	stage.news = 0;
	for (size_t i = 0; i < 3; i++)
		ask_end(&a[i]);
	assert_true(pause_is_told());
	assert_true(stage.news > 0);
	was_reached(listener);
	reopen(site, "pause");
	stage_run(0.03);
	assert_true(late.sent);
	ask_end(&late);
	while (n > 0)
		tie_end(&t[--n]);
}

static void a_busy_app_is_waited_for_up_to_target_timeout_a_dead_one_is_not(void **state)
{
	struct tie t[8];
	struct ask a;
	size_t n;

	(void)state;
	fill_backlog(t, &n);
	assert_true(ask_wait(&a, service));
	stage_run(0.4);
	assert_int_equal(a.expired, 0);
	stage_run(0.2);
	assert_int_equal(a.expired, 1);
	assert_int_equal(a.why, WAIT_NO_SOCKET);
	assert_true(ask_wait(&a, service));
	close(listener);
	stage_run(0.15);
	assert_int_equal(a.expired, 0);
	stage_run(0.15);
	assert_int_equal(a.expired, 1);
	while (n > 0)
		tie_end(&t[--n]);
	listener = bind_at("blog/other");
}

static void many_are_released_in_slices_and_newcomers_go_behind(void **state)
{
	static struct ask a[CROWD], late;
	size_t sent = 0;

	(void)state;
	shut(site, "pause");
	listen(listener, CROWD + 1);
	for (size_t i = 0; i < CROWD; i++)
		assert_true(ask_wait(&a[i], service));
	stage.sent = 0;
	reopen(site, "pause");
	for (size_t i = 0; i < CROWD; i++)
		sent += a[i].sent;
	assert_in_range(sent, 1, CROWD / 2);
	assert_false(service_is_open(service));
	assert_true(ask_wait(&late, service));
	stage_run(0.05);
	for (size_t i = 0; i < CROWD; i++) {
		assert_true(a[i].sent);
		ask_end(&a[i]);
	}
	assert_true(late.sent);
	assert_ptr_equal(stage.order[(stage.sent - 1) % TIES_MAX], &late);
	ask_end(&late);
}

static void a_stop_answers_all_who_are_held_and_then_says_so(void **state)
{
	static struct ask a[CROWD];
	struct ask late;
	size_t told = 0;

	(void)state;
	shut(site, "pause");
	for (size_t i = 0; i < CROWD; i++)
		assert_true(ask_wait(&a[i], service));
	shut(site, "stop");
	assert_int_equal(service_door(service), DOOR_STOPPED);
	for (size_t i = 0; i < CROWD; i++)
		told += (size_t)a[i].expired;
	assert_in_range(told, 1, CROWD / 2);
	assert_false(stop_is_told());
	assert_true(pause_is_told());
	stage_run(0.02);
	for (size_t i = 0; i < CROWD; i++) {
		assert_int_equal(a[i].expired, 1);
		assert_int_equal(a[i].why, WAIT_STOPPED);
	}
	assert_true(stop_is_told());
	assert_int_equal(line->held, 0);
	reopen(site, "stop");
	assert_int_equal(service_door(service), DOOR_PAUSED);
	assert_int_equal(line->stop_ino, 0);
	assert_true(ask_wait(&late, service));
	reopen(site, "pause");
	assert_true(late.sent);
	ask_end(&late);
}

static void what_is_in_flight_finishes_or_is_cut(void **state)
{
	struct tie quick, slow, tunnel;

	(void)state;
	assert_true(tie_send(&quick, service));
	assert_true(tie_send(&slow, service));
	assert_true(tie_send(&tunnel, service));
	lease_to_tunnel(&tunnel.lease);
	site->hold_ms = 600; /* a third of it: less than drain_timeout */
	shut(site, "pause");
	assert_true(pause_is_told());
	tie_end(&quick);
	stage_run(0.15);
	assert_int_equal(slow.cut, 0);
	stage.news = 0;
	stage_run(0.1);
	assert_int_equal(slow.cut, 1);
	assert_int_equal(line->cut_off, 1);
	assert_int_equal(line->in_flight, 0);
	assert_true(stage.news > 0); /* at once */
	stage_run(0.2);
	assert_int_equal(tunnel.cut, 0);
	assert_false(ev_is_active(&service->cut));
	tie_end(&tunnel);
}

static void for_a_stop_or_a_pause_for_ever_drain_timeout_counts(void **state)
{
	struct tie slow;

	(void)state;
	for (int i = 0; i < 2; i++) {
		assert_true(tie_send(&slow, service));
		site->hold_ms = 0;
		shut(site, i == 0 ? "stop" : "pause");
		stage_run(0.25);
		assert_int_equal(slow.cut, 0);
		stage_run(0.1);
		assert_int_equal(slow.cut, 1);
		reopen(site, i == 0 ? "stop" : "pause");
	}
}

static void the_last_in_flight_is_news_only_behind_a_closed_door(void **state)
{
	struct tie t;

	(void)state;
	assert_true(tie_send(&t, service));
	stage.news = 0;
	tie_end(&t);
	assert_int_equal(stage.news, 0);
	assert_true(tie_send(&t, service));
	shut(site, "pause");
	stage.news = 0;
	tie_end(&t);
	assert_int_equal(stage.news, 1);
}

static void the_end_gives_up_who_is_held(void **state)
{
	struct ask a[2];

	(void)state;
	assert_false(service_give_up(service));
	shut(site, "pause");
	for (size_t i = 0; i < 2; i++)
		assert_true(ask_wait(&a[i], service));
	assert_true(service_give_up(service));
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(a[i].why, WAIT_GIVEN_UP);
	assert_int_equal(line->held, 0);
}

static void the_directory_goes_in_a_pause(void **state)
{
	struct ask a;

	(void)state;
	shut(site, "pause");
	assert_true(ask_wait(&a, service));
	service_hold(service);
	site_gone(site);
	assert_true(a.refused);
	unlink(in_stage("blog/pause"));
	site = site_new("blog", 1);
	service = site_changed(site, TREE_NEW | TREE_SOCKETS | TREE_SETTINGS);
	assert_true(service_is_open(service));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
		T(a_pause_holds_and_its_end_releases_in_order),
		T(what_the_file_says_counts_from_the_beginning_of_each_wait),
		T(without_a_word_in_the_file_max_pause_counts),
		T(who_waits_for_a_socket_is_caught),
		T(the_released_are_not_caught_and_go_before_the_others),
		T(a_busy_app_is_waited_for_up_to_target_timeout_a_dead_one_is_not),
		T(many_are_released_in_slices_and_newcomers_go_behind),
		T(a_stop_answers_all_who_are_held_and_then_says_so),
		T(what_is_in_flight_finishes_or_is_cut),
		T(for_a_stop_or_a_pause_for_ever_drain_timeout_counts),
		T(the_last_in_flight_is_news_only_behind_a_closed_door),
		T(the_end_gives_up_who_is_held),
		T(the_directory_goes_in_a_pause),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
