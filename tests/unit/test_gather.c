/* What the master says of `pause`, `stop` and the canary, given what its workers tell. */
#include "unit.h"

#include "gather_stage.h"

static void pause_is(uint64_t ino, int64_t ctime_ns)
{
	site.pause = (struct file_id){.dev = 1, .ino = ino, .ctime_ns = ctime_ns};
}

static void worker_pauses(int i, uint64_t ino, int64_t ctime_ns)
{
	worker_sees(i, NEW);
	workers[i].seen.pause_ino = ino;
	workers[i].seen.pause_ctime = ctime_ns;
}

static void test_paused_when_all_hold(void **state)
{
	(void)state;
	pause_is(5, 1);
	worker_pauses(0, 5, 1);
	worker_sees(1, NEW);
	gather(2, false);
	assert_int_equal(now.state, SERVICE_RUNNING);
	assert_int_equal(now.pause.ino, 0);
	assert_int_equal(now.settings, 0);
	worker_pauses(1, 5, 1);
	gather(2, false);
	assert_int_equal(now.state, SERVICE_PAUSED);
	assert_int_equal(now.pause.ino, 5);
	assert_int_equal(now.settings, 7);
	assert_string_equal(now.error, "-");
	workers[1].seen.stop_ino = 6;
	site.stop = (struct file_id){.ino = 6};
	gather(2, false);
	assert_int_equal(now.state, SERVICE_PAUSED);
	workers[0].seen.stop_ino = 6;
	gather(2, false);
	assert_int_equal(now.state, SERVICE_STOPPED);
	assert_int_equal(now.pause.ino, 5);
	assert_int_equal(now.stop.ino, 6);
}

static void test_paused_by_another_file(void **state)
{
	(void)state;
	pause_is(5, 2);
	worker_pauses(0, 5, 1);
	gather(1, false);
	assert_int_equal(now.state, SERVICE_RUNNING);
	assert_int_equal(now.pause.ctime_ns, 1);
}

/* Somebody's chmod, or echo 30s > pause, is no end of it. */
static void test_paused_while_it_changes(void **state)
{
	(void)state;
	last.state = SERVICE_PAUSED;
	last.pause = (struct file_id){.ino = 5, .ctime_ns = 1};
	pause_is(5, 2);
	worker_pauses(0, 5, 1);
	worker_pauses(1, 5, 2);
	gather(2, true);
	assert_int_equal(now.state, SERVICE_PAUSED);
	assert_int_equal(now.settings, 0);
	worker_pauses(0, 5, 2);
	gather(2, true);
	assert_int_equal(now.state, SERVICE_PAUSED);
	assert_int_equal(now.pause.ctime_ns, 2);
}

/* It is not over before the last worker has let go. */
static void test_resumed_by_all(void **state)
{
	(void)state;
	last.state = SERVICE_PAUSED;
	last.pause = (struct file_id){.ino = 5, .ctime_ns = 1};
	worker_sees(0, NEW);
	worker_pauses(1, 5, 1);
	gather(2, true);
	assert_int_equal(now.state, SERVICE_RUNNING);
	assert_int_equal(now.pause.ino, 5);
	assert_int_equal(now.settings, 0);
	workers[1].seen.pause_ino = 0;
	workers[1].seen.pause_ctime = 0;
	gather(2, true);
	assert_int_equal(now.pause.ino, 0);
	assert_int_equal(now.settings, 7);
}

static void test_paused_over_a_respawn(void **state)
{
	(void)state;
	last.state = SERVICE_PAUSED;
	last.pause = (struct file_id){.ino = 5, .ctime_ns = 1};
	pause_is(5, 1);
	gather(0, true);
	assert_int_equal(now.state, SERVICE_PAUSED);
	workers[0].passive = true;
	gather(1, true);
	assert_int_equal(now.state, SERVICE_PAUSED);
	worker_pauses(1, 5, 1);
	gather(2, true);
	assert_int_equal(now.state, SERVICE_PAUSED);
	workers[0].passive = false; /* it accepts, and has said nothing */
	gather(2, true);
	assert_int_equal(now.state, SERVICE_RUNNING);
	assert_int_equal(now.pause.ino, 0);
}

static void test_refused_pause(void **state)
{
	(void)state;
	worker_sees(0, NEW);
	site.refused = true;
	site.error = (char *)"pause: chmod it";
	gather(1, false);
	assert_int_equal(now.state, SERVICE_INVALID);
	assert_string_equal(now.error, "pause: chmod it");
}

static void test_end_of_flight_is_urgent(void **state)
{
	(void)state;
	last.in_flight = 2;
	assert_false(gather_is_urgent(&last, &now));
	last.pause = now.pause = (struct file_id){.ino = 5, .ctime_ns = 1};
	assert_true(gather_is_urgent(&last, &now));
	now.in_flight = 1;
	assert_false(gather_is_urgent(&last, &now));
}

/* The canary alone carries nobody. */
static void test_canary(void **state)
{
	(void)state;
	worker_sees(0, NEW);
	strcpy(sockets[0].name, "rollout/app.sock");
	sockets[0].group = GROUP_ROLLOUT;
	gather(1, false);
	assert_int_equal(now.targets[0].state, TARGET_READY);
	assert_int_equal(now.state, SERVICE_NO_SOCKET);
	assert_non_null(strstr(now.error, "no socket yet"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(test_paused_when_all_hold),    T(test_paused_by_another_file),
		T(test_paused_while_it_changes), T(test_resumed_by_all),
		T(test_paused_over_a_respawn),   T(test_refused_pause),
		T(test_end_of_flight_is_urgent), T(test_canary),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
