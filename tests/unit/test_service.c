/* A service over real sockets: handoffs, sharing the load, and requests that wait for a socket. */
#include "service_ask.h"

#include "service/service_internal.h"

static struct site *site;
static struct service *service;
static struct board_service *line;

static int set_up(void **state)
{
	stage_up(state);
	site = site_new("blog", 1);
	service = site_changed(site, TREE_NEW);
	line = service_board(service);
	return 0;
}

static int tear_down(void **state)
{
	if (site != NULL)
		site_gone(site);
	return stage_down(state);
}

static void look(void)
{
	assert_ptr_equal(site_changed(site, TREE_SOCKETS), service);
}

static void a_rename_moves_new_requests_and_lets_old_ones_finish(void **state)
{
	int old = listen_at("blog/app.sock"), new = listen_at("blog/app.sock.new");
	struct tie idle, busy, next;

	(void)state;
	look();
	assert_true(tie_send(&idle, service));
	assert_true(tie_send(&busy, service));
	assert_true(lease_park(&idle.lease));
	stage_rename("blog/app.sock.new", "blog/app.sock");
	stage.news = 0;
	look();
	assert_int_equal(stage.news, 1);
	assert_int_equal(idle.closed, 1);
	assert_int_equal(line->draining, 1);
	assert_int_equal(line->npeers, 1);
	assert_int_equal(line->peers[0].ino, site->sockets[0].id.ino);
	assert_int_equal(line->peers[0].state, PEER_UNTRIED);
	assert_true(tie_send(&next, service));
	assert_true(was_reached(new));
	assert_int_equal(line->in_flight, 1);
	stage.news = 0;
	tie_end(&busy);
	assert_int_equal(line->draining, 0);
	assert_int_equal(stage.news, 1);
	tie_end(&next);
	assert_int_equal(stage.news, 1);
	close(old);
	close(new);
}

static void another_name_is_the_same_instance(void **state)
{
	int listener = listen_at("blog/app.sock");
	struct tie t;

	(void)state;
	look();
	assert_true(tie_send(&t, service));
	stage_rename("blog/app.sock", "blog/app-2.sock");
	look();
	assert_int_equal(line->in_flight, 1);
	assert_int_equal(line->draining, 0);
	assert_string_equal(peer_name(t.lease.peer), "app-2.sock");
	assert_int_equal(link(in_stage("blog/app-2.sock"), in_stage("blog/app-3.sock")), 0);
	look();
	assert_int_equal(line->npeers, 1);
	tie_end(&t);
	close(listener);
}

static void a_rollback_revives_the_old_instance(void **state)
{
	int old = listen_at("blog/app.sock"), new = listen_at("blog/app.sock.new");
	struct tie t, u;
	struct peer *p;

	(void)state;
	look();
	assert_true(tie_send(&t, service));
	was_reached(old);
	p = t.lease.peer;
	stage_rename("blog/app.sock", "blog/app.sock.old");
	look();
	assert_int_equal(line->draining, 1);
	assert_null(service_pick(service, false));
	stage_rename("blog/app.sock.new", "blog/app.sock");
	look();
	stage_rename("blog/app.sock.old", "blog/app.sock");
	look();
	assert_ptr_equal(service_pick(service, false), p);
	assert_int_equal(line->draining, 0);
	assert_int_equal(line->in_flight, 1);
	assert_true(tie_send(&u, service));
	assert_true(was_reached(old));
	assert_true(lease_park(&t.lease));
	tie_end(&t);
	tie_end(&u);
	close(old);
	close(new);
}

static void instances_share_the_load(void **state)
{
	int l[3] = {listen_at("blog/a.sock"), listen_at("blog/b.sock"), listen_at("blog/c.sock")};
	struct tie t[9];
	struct peer *turn[3];

	(void)state;
	look();
	assert_int_equal(line->npeers, 3);
	for (size_t i = 0; i < 3; i++)
		turn[i] = service_pick(service, false);
	for (size_t i = 0; i < 6; i++)
		assert_ptr_equal(service_pick(service, false), turn[i % 3]);
	assert_ptr_not_equal(turn[0], turn[1]);
	assert_ptr_not_equal(turn[1], turn[2]);
	for (size_t i = 0; i < 9; i++)
		assert_true(tie_send(&t[i], service));
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(line->peers[i].in_flight, 3);
	turn[0] = t[4].lease.peer;
	tie_end(&t[4]);
	assert_ptr_equal(service_pick(service, false), turn[0]);
	for (size_t i = 0; i < 9; i++) {
		if (i != 4)
			tie_end(&t[i]);
		close(l[i % 3]);
	}
}

static void one_that_refuses_is_passed_over_and_tried_again(void **state)
{
	int bad = bind_at("blog/a.sock"), good = listen_at("blog/b.sock");
	struct tie t[4];

	(void)state;
	look();
	for (size_t i = 0; i < 4; i++) {
		assert_true(tie_send(&t[i], service));
		assert_string_equal(peer_name(t[i].lease.peer), "b.sock");
	}
	listen(bad, 8);
	usleep(250000);
	tie_end(&t[0]);
	assert_true(tie_send(&t[0], service));
	assert_string_equal(peer_name(t[0].lease.peer), "a.sock");
	for (size_t i = 0; i < 4; i++)
		tie_end(&t[i]);
	close(bad);
	close(good);
}

static void requests_wait_for_a_socket_and_go_in_order_at_once(void **state)
{
	struct ask early, a[3];
	int listener;

	(void)state;
	stage_write("blog/service.ini", "socket_timeout = 300ms\n");
	site_changed(site, TREE_SETTINGS);
	assert_true(service_is_open(service));
	assert_null(service_pick(service, false));
	assert_true(ask_wait(&early, service));
	stage_run(0.2);
	for (size_t i = 0; i < 3; i++)
		assert_true(ask_wait(&a[i], service));
	assert_int_equal(line->held, 4);
	assert_false(service_is_open(service));
	service_unwait(service, &a[1].waiter);
	assert_int_equal(line->held, 3);
	assert_int_equal(early.expired, 0);
	stage_run(0.15);
	assert_int_equal(early.expired, 1);
	assert_int_equal(early.why, WAIT_NO_SOCKET);
	assert_int_equal(a[0].tried, 0);
	listener = listen_at("blog/app.sock");
	look();
	assert_int_equal(stage.sent, 2);
	assert_ptr_equal(stage.order[0], &a[0]);
	assert_ptr_equal(stage.order[1], &a[2]);
	assert_int_equal(line->held, 0);
	assert_true(service_is_open(service));
	tie_end(&a[0].tie);
	tie_end(&a[2].tie);
	close(listener);
}

static void requests_go_when_a_bound_socket_begins_to_listen(void **state)
{
	int listener = bind_at("blog/app.sock");
	struct ask a[3];
	struct tie t;

	(void)state;
	look();
	assert_false(tie_send(&t, service));
	for (size_t i = 0; i < 3; i++)
		assert_true(ask_wait(&a[i], service));
	stage_run(0.2);
	assert_int_equal(stage.sent, 0);
	assert_in_range(a[0].tried, 3, 12);
	assert_int_equal(a[1].tried, 0);
	assert_in_range(stage.looks, 1, 5);
	listen(listener, 8);
	stage_run(0.06);
	assert_int_equal(stage.sent, 3);
	for (size_t i = 0; i < 3; i++) {
		assert_ptr_equal(stage.order[i], &a[i]);
		tie_end(&a[i].tie);
	}
	close(listener);
}

static void nobody_waiting_costs_nothing(void **state)
{
	int listener = bind_at("blog/app.sock");
	struct ask a;
	struct tie t;

	(void)state;
	look();
	assert_false(tie_send(&t, service));
	assert_true(ask_wait(&a, service));
	stage_run(0.005);
	service_unwait(service, &a.waiter);
	stage_run(0.02);
	assert_false(ev_is_active(&service->timer));
	close(listener);
}

static void a_full_backlog_lets_the_waiting_through_one_by_one(void **state)
{
	int listener = bind_at("blog/app.sock");
	struct tie first;
	struct ask a[2];

	(void)state;
	listen(listener, 0);
	look();
	assert_true(tie_send(&first, service));
	assert_true(ask_wait(&a[0], service));
	assert_true(ask_wait(&a[1], service));
	stage_run(0.03);
	assert_int_equal(stage.sent, 0);
	assert_true(was_reached(listener));
	stage_run(0.05);
	assert_int_equal(stage.sent, 1);
	assert_true(was_reached(listener));
	stage_run(0.05);
	assert_int_equal(stage.sent, 2);
	assert_ptr_equal(stage.order[1], &a[1]);
	tie_end(&first);
	tie_end(&a[0].tie);
	tie_end(&a[1].tie);
	close(listener);
}

static bool take_pooled(struct waiter *w)
{
	struct ask *a = container_of(w, struct ask, waiter);
	struct peer *p = service_pick(a->service, false);

	a->tried++;
	return p != NULL && peer_take_idle(p, 0) != NULL;
}

static void a_connection_that_is_free_again_serves_the_waiting(void **state)
{
	static const struct waiter_ops pooled_only = {.retry = take_pooled, .expired = ask_expired};
	int listener = bind_at("blog/app.sock");
	struct tie busy, t;
	struct ask a = {.service = service};

	(void)state;
	listen(listener, 0);
	look();
	assert_true(tie_send(&busy, service));
	assert_false(tie_send(&t, service));
	waiter_init(&a.waiter, &pooled_only);
	assert_true(service_wait(service, &a.waiter));
	assert_true(lease_park(&busy.lease));
	assert_int_equal(a.tried, 0);
	stage_run(0.);
	assert_int_equal(a.tried, 1);
	assert_int_equal(busy.lease.state, LEASE_BUSY);
	assert_false(waiter_waits(&a.waiter));
	tie_end(&busy);
	close(listener);
}

static void no_more_than_max_held_wait(void **state)
{
	struct ask a[3];

	(void)state;
	stage_write("blog/service.ini", "max_held = 2\n");
	site_changed(site, TREE_SETTINGS);
	assert_true(ask_wait(&a[0], service));
	assert_true(board_hold_take(stage.board, STR("blog"), 2)); /* another worker's */
	assert_false(ask_wait(&a[1], service));
	assert_false(waiter_waits(&a[1].waiter));
	board_hold_give(stage.board, STR("blog"));
	assert_true(ask_wait(&a[1], service));
	assert_false(ask_wait(&a[2], service));
	service_unwait(service, &a[0].waiter);
	assert_true(ask_wait(&a[2], service));
	service_unwait(service, &a[1].waiter);
	service_unwait(service, &a[2].waiter);
	assert_true(board_hold_take(stage.board, STR("blog"), 1));
	board_hold_give(stage.board, STR("blog"));
}

static void a_removed_service_lives_on_for_what_it_has_begun(void **state)
{
	int listener = listen_at("blog/app.sock");
	struct tie busy;
	struct ask a;

	(void)state;
	look();
	assert_true(tie_send(&busy, service));
	unlink(in_stage("blog/app.sock"));
	look();
	assert_true(ask_wait(&a, service));
	service_hold(service);
	site_gone(site);
	assert_true(a.refused);
	assert_null(registry_find(stage.registry, "blog"));
	assert_true(service_is_removed(service));
	assert_null(service_pick(service, false));
	assert_false(ask_wait(&a, service));
	assert_int_equal(line->draining, 1);
	assert_int_equal(line->used, 1);

	/* The directory is back before that request is done: it is the same service again. */
	site = site_new("blog", 1);
	assert_ptr_equal(site_changed(site, TREE_NEW | TREE_SOCKETS), service);
	assert_false(service_is_removed(service));
	assert_int_equal(line->draining, 1);
	site_gone(site);
	site = NULL;
	tie_end(&busy);
	assert_null(board_service_find(stage.env.region, STR("blog")));
	close(listener);
}

static void a_service_may_outlive_its_registry(void **state)
{
	int listener = listen_at("blog/app.sock");
	struct tie busy;

	(void)state;
	look();
	assert_true(tie_send(&busy, service));
	service_hold(service);
	registry_free(stage.registry);
	stage.registry = NULL;
	site_free(site);
	site = NULL;
	stage.news = 0;
	tie_end(&busy);
	service_drop(service);
	assert_int_equal(stage.news, 0);
	close(listener);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
		T(a_rename_moves_new_requests_and_lets_old_ones_finish),
		T(another_name_is_the_same_instance),
		T(a_rollback_revives_the_old_instance),
		T(instances_share_the_load),
		T(one_that_refuses_is_passed_over_and_tried_again),
		T(requests_wait_for_a_socket_and_go_in_order_at_once),
		T(requests_go_when_a_bound_socket_begins_to_listen),
		T(nobody_waiting_costs_nothing),
		T(a_full_backlog_lets_the_waiting_through_one_by_one),
		T(a_connection_that_is_free_again_serves_the_waiting),
		T(no_more_than_max_held_wait),
		T(a_removed_service_lives_on_for_what_it_has_begun),
		T(a_service_may_outlive_its_registry),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
