/* `wait` is content only with a status that tells of the files as they are. */
#include "unit.h"

#include <string.h>

#include "run/wait.h"

static struct tree_socket sockets[2];
static struct site site;
static struct status status;
static struct wait_goal goal;
static char missing[512];

static int setup(void **state)
{
	(void)state;
	memset(sockets, 0, sizeof(sockets));
	strcpy(sockets[0].name, "app.sock");
	sockets[0].id = (struct file_id){.dev = 1, .ino = 22};
	site = (struct site){.path = (char *)"/srv/blog", .sockets = sockets, .nsockets = 1};
	goal = (struct wait_goal){0};
	status_init(&status);
	status.state = SERVICE_RUNNING;
	status.settings = settings_stamp(&site);
	status_add_target(&status, "app.sock", 22, TARGET_READY, 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	status_fini(&status);
	return 0;
}

static bool met(void)
{
	missing[0] = '\0';
	return wait_is_met(&goal, &site, &status, missing, sizeof(missing));
}

static void refuses(const char *words)
{
	assert_false(met());
	if (strstr(missing, words) == NULL)
		print_error("said: %s\n", missing);
	assert_non_null(strstr(missing, words));
}

static void test_met(void **state)
{
	(void)state;
	assert_true(met());
	goal = (struct wait_goal){.what = WAIT_DRAINED, .tunnels = true};
	assert_true(met());
}

static void test_status_from_before_the_rename(void **state)
{
	(void)state;
	status.targets[0].inode = 11;
	refuses("app.sock (inode 22) has not been taken up yet");
}

static void test_not_every_worker(void **state)
{
	(void)state;
	status.targets[0].state = TARGET_PENDING;
	refuses("not in use by every worker");
}

static void test_nobody_listens(void **state)
{
	(void)state;
	status.targets[0].state = TARGET_REFUSED;
	refuses("app.sock (inode 22) is not listening yet");
	goal.what = WAIT_DRAINED;
	refuses("not listening yet");
}

static void test_one_of_two_is_enough(void **state)
{
	(void)state;
	strcpy(sockets[1].name, "app-2.sock");
	sockets[1].id = (struct file_id){.dev = 1, .ino = 33};
	site.nsockets = 2;
	refuses("app-2.sock (inode 33) has not been taken up");
	status_add_target(&status, "app-2.sock", 33, TARGET_REFUSED, 0);
	assert_true(met());
}

static void test_a_socket_that_is_gone(void **state)
{
	(void)state;
	status_add_target(&status, "gone.sock", 33, TARGET_READY, 0);
	refuses("gone.sock is gone, but still in use");
	status.targets[1].state = TARGET_DRAINING;
	assert_true(met());
}

static void test_no_socket(void **state)
{
	(void)state;
	site.nsockets = 0;
	status.ntargets = 0;
	refuses("there is no socket in /srv/blog");
}

static void test_settings(void **state)
{
	(void)state;
	site.ini = (struct file_id){.dev = 1, .ino = 44, .ctime_ns = 1};
	refuses("settings are not in force");
	status_set_text(&status.error, "bogus = 1");
	refuses("bogus = 1");
}

static void test_drained(void **state)
{
	(void)state;
	status.draining = 2;
	status.tunnels = 1;
	assert_true(met());
	goal.what = WAIT_DRAINED;
	refuses("2 requests still on replaced sockets");
	status.draining = 0;
	assert_true(met());
	goal.tunnels = true;
	refuses("1 tunnel still open");
}

static void test_running(void **state)
{
	(void)state;
	status.state = SERVICE_CONFLICT;
	assert_true(met());
	goal.what = WAIT_RUNNING;
	refuses("the state is conflict");
}

/* Whatever is waited for, `pause` and `stop` are as every worker sees them. */
static void test_doors(void **state)
{
	(void)state;
	for (int what = WAIT_READY; what <= WAIT_SEEN; what++) {
		goal.what = (enum wait_for)what;
		site.pause = (struct file_id){.dev = 1, .ino = 55, .ctime_ns = 2};
		status.pause = (struct file_id){0};
		refuses("pause (inode 55) is not in force in every worker yet");
		status.pause = (struct file_id){.ino = 55, .ctime_ns = 1};
		refuses("pause (inode 55) is not in force");
		status.pause.ctime_ns = 2;
		assert_true(met());
		site.pause = (struct file_id){0};
		refuses("pause is gone, but not every worker has seen it");
		status.pause = (struct file_id){0};
		site.stop = (struct file_id){.dev = 1, .ino = 66, .ctime_ns = 2};
		refuses("stop (inode 66) is not in force");
		site.stop = (struct file_id){0};
	}
}

static void test_paused(void **state)
{
	(void)state;
	goal.what = WAIT_PAUSED;
	refuses("there is no pause in /srv/blog");
	site.pause = status.pause = (struct file_id){.ino = 55, .ctime_ns = 2};
	assert_true(met());
	status.targets[0].state = TARGET_REFUSED; /* an app that is being changed may be down */
	assert_true(met());
	status.in_flight = 1;
	refuses("1 request still in flight");
	status.in_flight = 0;
	status.draining = 2;
	refuses("2 requests still on replaced sockets");
	status.draining = 0;
	site.pause = status.pause = (struct file_id){0};
	site.stop = status.stop = (struct file_id){.ino = 66, .ctime_ns = 2};
	assert_true(met());
	status.targets[0].inode = 11;
	refuses("has not been taken up");
}

static void test_seen(void **state)
{
	(void)state;
	goal.what = WAIT_SEEN;
	status.targets[0].state = TARGET_REFUSED;
	status.in_flight = status.draining = 3;
	assert_true(met());
	status.settings = 0;
	refuses("settings are not in force");
}

/* A FIFO that the proxy may not open says so where the pause is waited for, and there only. */
static void test_refused_fifo(void **state)
{
	(void)state;
	site.pause = (struct file_id){.ino = 55, .ctime_ns = 2};
	site.pause_leased = true;
	status.state = SERVICE_INVALID;
	status_set_text(&status.error, "chmod it");
	goal.what = WAIT_PAUSED;
	refuses("not in force in every worker: chmod it");
	goal.what = WAIT_SEEN;
	refuses("chmod it");
	goal.what = WAIT_DRAINED;
	assert_true(met());
}

static void test_canary(void **state)
{
	(void)state;
	strcpy(sockets[1].name, "rollout/app.sock");
	sockets[1].id = (struct file_id){.dev = 1, .ino = 33};
	sockets[1].group = GROUP_ROLLOUT;
	site.nsockets = 2;
	refuses("rollout/app.sock (inode 33) has not been taken up");
	status_add_target(&status, "rollout/app.sock", 33, TARGET_REFUSED, 0);
	assert_true(met());
	status.targets[0].state = TARGET_REFUSED;
	status.targets[1].state = TARGET_READY;
	refuses("app.sock (inode 22) is not listening yet");
	sockets[0] = sockets[1];
	site.nsockets = 1;
	strcpy(status.targets[0].name, "rollout/app.sock");
	status.targets[0].inode = 33;
	status.ntargets = 1;
	refuses("there is no socket in /srv/blog");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(test_met),
		T(test_status_from_before_the_rename),
		T(test_not_every_worker),
		T(test_nobody_listens),
		T(test_one_of_two_is_enough),
		T(test_a_socket_that_is_gone),
		T(test_no_socket),
		T(test_settings),
		T(test_drained),
		T(test_running),
		T(test_doors),
		T(test_paused),
		T(test_seen),
		T(test_refused_fifo),
		T(test_canary),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
