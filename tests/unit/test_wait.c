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
	status.settings = settings_stamp(&site.ini, &site.hosts);
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
	goal.drained = goal.tunnels = true;
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
	goal.drained = true;
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
	goal.drained = true;
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
	goal.running = true;
	refuses("the state is conflict");
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
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
