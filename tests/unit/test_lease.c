/* Windows over real FIFOs: when they begin, how they end, what survives an upgrade. */
#include "unit.h"

#include <ev.h>
#include <fcntl.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/timer.h"
#include "run/lease.h"
#include "scratch.h"

static struct scratch dir;
static struct ev_loop *loop;
static struct timers *timers;
static struct settings settings;
static struct service_env env;
static struct registry *registry;
static struct leases *leases;
static struct site site;
static struct status now;

static int setup(void **state)
{
	(void)state;
	log_set_level(LOG_ERROR + 1);
	scratch_init(&dir);
	make_dir(&dir, "blog");
	loop = ev_loop_new(EVFLAG_NOENV);
	timers = timers_new(loop);
	settings = (struct settings){.service = {.lease_timeout = 50}};
	env = (struct service_env){.loop = loop, .timers = timers, .settings = &settings};
	registry = registry_new(&env, NULL);
	leases = leases_new(loop, registry);
	site = (struct site){.name = "blog", .path = strdup(at(&dir, "blog"))};
	status_init(&now);
	registry_tree_events.changed(registry, &site, TREE_NEW | TREE_SETTINGS);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	leases_free(leases);
	registry_tree_events.gone(registry, &site);
	registry_free(registry);
	timers_free(timers);
	ev_loop_destroy(loop);
	status_fini(&now);
	free(site.path);
	scratch_fini(&dir);
	return 0;
}

static struct file_id id_of(const char *name)
{
	struct file_id id = {0};
	struct stat st;
	if (!tree_fifo_id(at(&dir, name), &id) && lstat(at(&dir, name), &st) == 0)
		id = (struct file_id){.dev = st.st_dev, .ino = st.st_ino};
	return id;
}

/* The tree has looked, and every worker says the same. */
static void seen(void)
{
	site.pause = now.pause = id_of("blog/pause");
	site.pause_leased = site.pause.ino != 0;
	site.stop = now.stop = id_of("blog/stop");
	site.stop_leased = site.stop.ino != 0;
	leases_see(leases, &site, &now);
}

static void make_fifo(const char *name)
{
	assert_int_equal(mkfifo(at(&dir, name), 0600), 0);
}

static int open_writer(const char *name)
{
	int fd = open(at(&dir, name), O_WRONLY | O_NONBLOCK | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

/* Nobody reads. */
static void is_shut(const char *name)
{
	assert_int_equal(open(at(&dir, name), O_WRONLY | O_NONBLOCK | O_CLOEXEC), -1);
}

static bool there(const char *name)
{
	return access(at(&dir, name), F_OK) == 0;
}

static void ring(int revents, void *l)
{
	(void)revents;
	ev_break(l, EVBREAK_ALL);
}

static void turn(double seconds)
{
	ev_once(loop, -1, 0, seconds, ring, loop);
	ev_run(loop, 0);
}

static void is_over(void)
{
	turn(0.02);
	assert_false(there("blog/pause"));
}

static int open_window(void)
{
	make_fifo("blog/pause");
	seen();
	return open_writer("blog/pause");
}

static void test_opens_when_nothing_is_in_flight(void **state)
{
	(void)state;
	make_fifo("blog/pause");
	now.in_flight = 1;
	seen();
	is_shut("blog/pause");
	now.in_flight = 0;
	now.draining = 1;
	seen();
	is_shut("blog/pause");
	now.draining = 0;
	now.pause.ctime_ns--; /* another pause's word */
	leases_see(leases, &site, &now);
	is_shut("blog/pause");
	seen();
	close(open_writer("blog/pause"));
}

static void test_ends_with_the_last_writer(void **state)
{
	(void)state;
	int one = open_window(), two = open_writer("blog/pause");
	turn(0.1); /* longer than lease_timeout */
	assert_true(there("blog/pause"));
	close(one);
	turn(0.02);
	assert_true(there("blog/pause"));
	close(two);
	is_over();
}

static void test_killed_writer(void **state)
{
	(void)state;
	int fd = open_window();
	pid_t pid = fork();
	if (pid == 0) {
		pause();
		_exit(0);
	}
	close(fd);
	turn(0.02);
	assert_true(there("blog/pause"));
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	is_over();
}

/* An open that waits returns when the window begins. */
static void test_blocked_writer(void **state)
{
	(void)state;
	make_fifo("blog/pause");
	pid_t pid = fork();
	if (pid == 0)
		_exit(open(at(&dir, "blog/pause"), O_WRONLY) >= 0 ? 7 : 1);
	turn(0.02);
	int status = 0;
	assert_int_equal(waitpid(pid, &status, WNOHANG), 0);
	seen();
	waitpid(pid, &status, 0);
	assert_int_equal(WEXITSTATUS(status), 7);
	is_over();
}

static void test_nobody_comes(void **state)
{
	(void)state;
	make_fifo("blog/pause");
	seen();
	turn(0.1);
	assert_false(there("blog/pause"));
}

static void test_flood(void **state)
{
	static char bytes[300000];
	(void)state;
	int fd = open_window();
	size_t written = 0;
	for (int i = 0; i < 100 && written < sizeof(bytes); i++) {
		ssize_t n = write(fd, bytes, sizeof(bytes) - written);
		written += n > 0 ? (size_t)n : 0;
		turn(0.01); /* it is read in portions, with rests between them */
	}
	assert_int_equal(written, sizeof(bytes));
	seen(); /* with another ctime: it is the same FIFO */
	assert_true(there("blog/pause"));
	close(fd);
	is_over();
}

/* What took its place is not ours to remove. */
static void test_replaced(void **state)
{
	(void)state;
	int fd = open_window();
	put(&dir, "blog/new", "30s");
	move(&dir, "blog/new", "blog/pause");
	close(fd);
	turn(0.02);
	site.pause = id_of("blog/pause");
	site.pause_leased = false;
	leases_see(leases, &site, &now);
	turn(0.1);
	assert_true(there("blog/pause"));
}

/* Written into before the window began, by one that had opened it for both. */
static void test_written_before(void **state)
{
	(void)state;
	make_fifo("blog/pause");
	int fd = open(at(&dir, "blog/pause"), O_RDWR | O_CLOEXEC);
	turn(0.02);
	assert_int_equal(write(fd, "x", 1), 1);
	seen();
	turn(0.1);
	close(fd);
	is_over();
}

/* One FIFO after another: the second's writer waits until the workers have told of that one. */
static void test_replaced_by_a_fifo(void **state)
{
	(void)state;
	int fd = open_window();
	make_fifo("blog/new");
	move(&dir, "blog/new", "blog/pause");
	leases_see(leases, &site, &now); /* the tree has not looked yet */
	is_shut("blog/pause");
	close(fd);
	turn(0.02);
	is_shut("blog/pause");
	seen();
	close(open_writer("blog/pause"));
	is_over();
}

static void test_removed(void **state)
{
	(void)state;
	int fd = open_window();
	assert_int_equal(unlink(at(&dir, "blog/pause")), 0);
	seen();
	assert_int_equal(write(fd, "x", 1), -1); /* nobody reads */
	close(fd);
}

static void test_service_gone(void **state)
{
	(void)state;
	int fd = open_window();
	leases_gone(leases, "blog");
	assert_int_equal(write(fd, "x", 1), -1);
	close(fd);
}

static void test_both(void **state)
{
	(void)state;
	make_fifo("blog/stop");
	int fd = open_window(), stop = open_writer("blog/stop");
	close(fd);
	is_over();
	assert_true(there("blog/stop"));
	close(stop);
	turn(0.02);
	assert_false(there("blog/stop"));
}

/* Who may not write to the directory any more keeps trying. */
static void test_cannot_be_removed(void **state)
{
	bool root = geteuid() == 0;
	int fd = open_window();
	(void)state;
	if (root)
		assert_int_equal(seteuid(65534), 0);
	else
		chmod(at(&dir, "blog"), 0500);
	close(fd);
	turn(0.02);
	assert_true(there("blog/pause"));
	if (root)
		assert_int_equal(seteuid(0), 0);
	else
		chmod(at(&dir, "blog"), 0700);
	turn(1.1);
	assert_false(there("blog/pause"));
}

/* An upgrade; a writer that is named ends while nobody looks. */
static void hand_on(int writer)
{
	struct estate e = {0};
	leases_leave(leases, &e);
	for (size_t i = 0; i < e.nleases; i++)
		e.leases[i].fd = dup(e.leases[i].fd);
	leases_free(leases);
	if (writer >= 0)
		close(writer);
	leases = leases_new(loop, registry);
	leases_take(leases, dir.dir, &e);
	estate_free(&e);
}

static void test_upgrade(void **state)
{
	(void)state;
	int fd = open_window();
	hand_on(-1);
	seen();
	turn(0.1);
	assert_true(there("blog/pause"));
	close(fd);
	is_over();
}

static void test_upgrade_and_death(void **state)
{
	(void)state;
	hand_on(open_window());
	is_over();
}

static void test_upgrade_before_anybody_came(void **state)
{
	(void)state;
	make_fifo("blog/pause");
	seen();
	hand_on(-1);
	turn(0.1);
	assert_false(there("blog/pause"));
}

/* A restart finds the FIFO and opens it anew. */
static void test_restart(void **state)
{
	(void)state;
	int fd = open_window();
	leases_free(leases);
	leases = leases_new(loop, registry);
	seen();
	turn(0.1);
	assert_true(there("blog/pause"));
	close(fd);
	is_over();
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(test_opens_when_nothing_is_in_flight),
		T(test_ends_with_the_last_writer),
		T(test_killed_writer),
		T(test_blocked_writer),
		T(test_nobody_comes),
		T(test_flood),
		T(test_replaced),
		T(test_replaced_by_a_fifo),
		T(test_written_before),
		T(test_removed),
		T(test_service_gone),
		T(test_both),
		T(test_cannot_be_removed),
		T(test_upgrade),
		T(test_upgrade_and_death),
		T(test_upgrade_before_anybody_came),
		T(test_restart),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
