/* What the master says of a service, given what its tree, its workers and its probes say. */
#include "unit.h"

#include "gather_stage.h"

static void test_ready_when_all_see_it(void **state)
{
	(void)state;
	worker_sees(0, NEW);
	worker_sees(1, NEW);
	gather(2, false);
	assert_int_equal(now.targets[0].state, TARGET_READY);
	assert_int_equal(now.targets[0].in_flight, 4);
	assert_int_equal(now.state, SERVICE_RUNNING);
	assert_int_equal(now.draining, 0);
	assert_int_equal(now.settings, 7);
	assert_string_equal(now.error, "-");
}

static void test_pending_while_one_sees_the_old(void **state)
{
	(void)state;
	worker_sees(0, NEW);
	worker_sees(1, OLD);
	status_add_target(&last, "app.sock", OLD, TARGET_READY, 0);
	last.state = SERVICE_RUNNING;
	gather(2, true);
	assert_int_equal(now.targets[0].state, TARGET_PENDING);
	assert_int_equal(now.draining, 1);
	assert_int_equal(now.state, SERVICE_RUNNING); /* nothing is lost in that blink */
}

static void test_unknown_worker_has_not_seen(void **state)
{
	(void)state;
	worker_sees(0, NEW);
	gather(2, false);
	assert_int_equal(now.targets[0].state, TARGET_PENDING);
	assert_int_equal(now.draining, 1);
	assert_int_equal(now.settings, 0);
	assert_int_equal(now.state, SERVICE_NO_SOCKET);
}

/* A respawn takes nothing back of what was ready, but nothing new becomes ready without it. */
static void test_passive_worker(void **state)
{
	(void)state;
	worker_sees(0, NEW);
	workers[1].passive = true;
	last.settings = 7;
	last.state = SERVICE_RUNNING;
	status_add_target(&last, "app.sock", NEW, TARGET_READY, 0);
	gather(2, true);
	assert_int_equal(now.targets[0].state, TARGET_READY);
	assert_int_equal(now.draining, 0);
	assert_int_equal(now.settings, 7);
	last.targets[0].inode = OLD;
	last.settings = 6;
	gather(2, true);
	assert_int_equal(now.targets[0].state, TARGET_PENDING);
	assert_int_equal(now.settings, 0);
}

static void test_no_worker_at_all(void **state)
{
	(void)state;
	gather(0, false);
	assert_int_equal(now.targets[0].state, TARGET_PENDING);
	assert_int_equal(now.draining, 0);
}

static void test_settings_differ(void **state)
{
	(void)state;
	worker_sees(0, NEW);
	worker_sees(1, NEW);
	workers[1].seen.ini_stamp = 8;
	gather(2, false);
	assert_int_equal(now.settings, 0);
}

static void test_refused_and_denied(void **state)
{
	(void)state;
	worker_sees(0, NEW);
	probes[0].state = PEER_REFUSED;
	gather(1, false);
	assert_int_equal(now.targets[0].state, TARGET_REFUSED);
	assert_int_equal(now.state, SERVICE_NO_SOCKET);
	assert_non_null(strstr(now.error, "nobody listens on /srv/blog/app.sock"));
	probes[0].state = PEER_DENIED;
	probes[0].why = "chmod it";
	gather(1, false);
	assert_int_equal(now.targets[0].state, TARGET_DENIED);
	assert_string_equal(now.error, "chmod it");
}

static void test_a_workers_word_until_probed(void **state)
{
	(void)state;
	probes[0].state = PEER_UNTRIED;
	worker_sees(0, NEW);
	worker_sees(1, NEW);
	gather(2, false);
	assert_int_equal(now.targets[0].state, TARGET_PENDING);
	workers[1].seen.peers[0].state = PEER_READY;
	gather(2, false);
	assert_int_equal(now.targets[0].state, TARGET_READY);
}

static void test_draining_is_summed(void **state)
{
	(void)state;
	worker_sees(0, NEW);
	worker_sees(1, NEW);
	atomic_store(&workers[0].seen.draining, 3);
	atomic_store(&workers[1].seen.draining, 4);
	atomic_store(&workers[1].seen.requests, 9);
	gather(2, false);
	assert_int_equal(now.draining, 7);
	assert_int_equal(now.requests, 9);
}

static void test_workers_that_cannot_be_asked(void **state)
{
	(void)state;
	worker_sees(0, NEW);
	const struct gather g = {.view = &view, .workers = workers, .nworkers = 1, .blind = true};
	gather_status(&g, &now);
	assert_int_equal(now.draining, 1);
}

static void test_conflict_and_invalid(void **state)
{
	(void)state;
	worker_sees(0, NEW);
	view.kind = VIEW_CONFLICT;
	view.error = "taken";
	gather(1, false);
	assert_int_equal(now.state, SERVICE_CONFLICT);
	assert_string_equal(now.error, "taken");
	view.kind = VIEW_INVALID;
	gather(1, false);
	assert_int_equal(now.state, SERVICE_INVALID);
}

static void test_two_names_of_one_socket(void **state)
{
	(void)state;
	sockets[1] = sockets[0];
	strcpy(sockets[1].name, "link.sock");
	site.nsockets = 2;
	worker_sees(0, NEW);
	gather(1, false);
	assert_int_equal(now.draining, 0);
	assert_int_equal(now.targets[1].state, TARGET_READY);
}

static void test_what_is_urgent(void **state)
{
	(void)state;
	assert_false(gather_differs(&last, &now));
	now.requests = 5;
	now.draining = 2;
	assert_false(gather_is_urgent(&last, &now));
	assert_true(gather_differs(&last, &now));
	assert_true(gather_is_urgent(&now, &last)); /* draining reaches 0 */
	now.draining = 0;
	now.state = SERVICE_RUNNING;
	assert_true(gather_is_urgent(&last, &now));
}

static void test_replaced_with_requests_is_a_target(void **state)
{
	(void)state;
	status_add_target(&last, "app.sock", OLD, TARGET_READY, 0);
	for (int i = 0; i < 2; i++) {
		worker_sees(i, NEW);
		workers[i].seen.nreplaced = 1;
		workers[i].seen.peers[1] = (struct board_peer){
			.dev = 1, .ino = OLD, .in_flight = 3};
	}
	gather(2, true);
	assert_int_equal(now.ntargets, 2);
	assert_string_equal(now.targets[1].name, "app.sock");
	assert_int_equal(now.targets[1].inode, OLD);
	assert_int_equal(now.targets[1].state, TARGET_DRAINING);
	assert_int_equal(now.targets[1].in_flight, 6);
	assert_int_equal(now.targets[0].state, TARGET_READY);
	assert_int_equal(now.state, SERVICE_RUNNING);
}

static void test_replaced_without_requests_is_none(void **state)
{
	(void)state;
	worker_sees(0, NEW);
	workers[0].seen.nreplaced = 1;
	workers[0].seen.peers[1] = (struct board_peer){.dev = 1, .ino = OLD};
	gather(1, false);
	assert_int_equal(now.ntargets, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(test_ready_when_all_see_it),
		T(test_pending_while_one_sees_the_old),
		T(test_unknown_worker_has_not_seen),
		T(test_passive_worker),
		T(test_no_worker_at_all),
		T(test_settings_differ),
		T(test_refused_and_denied),
		T(test_a_workers_word_until_probed),
		T(test_draining_is_summed),
		T(test_workers_that_cannot_be_asked),
		T(test_conflict_and_invalid),
		T(test_two_names_of_one_socket),
		T(test_what_is_urgent),
		T(test_replaced_with_requests_is_a_target),
		T(test_replaced_without_requests_is_none),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
