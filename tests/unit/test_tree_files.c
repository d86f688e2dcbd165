/* What lies in a service's directory: files in the middle of being written, what is not honoured and
 * why; and much of it at once. */
#include "tree_feed.h"

#include <sys/resource.h>

static void say(int fd, const char *text)
{
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
}

static int open_for(const char *name)
{
	int fd = open(at(&tmp, name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	return fd;
}

/* A new service.ini counts when it is closed, whatever else is seen meanwhile. */
static void test_new_ini_being_written(void **state)
{
	(void)state;
	struct site *blog = start();
	int fd = open_for("s/blog/service.ini");
	say(fd, "hosts = a.");
	run_for(0.03);
	make_socket(&tmp, "s/blog/app.sock");
	run_until(TREE_SOCKETS, 1);
	assert_int_equal(told, TREE_SOCKETS);
	assert_int_equal(blog->ini.ino, 0);
	assert_int_equal(blog->claim_ns, blog->birth_ns);
	say(fd, "example\n");
	close(fd);
	assert_true(run_until(TREE_SETTINGS, 1) < 0.5);
	assert_int_not_equal(blog->ini.ino, 0);
}

/* The same in place: `cat > service.ini` over an old one; and hosts waits with it. */
static void test_old_ini_being_written(void **state)
{
	const struct timespec past[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
	(void)state;
	put(&tmp, "s/blog/service.ini", "hosts = a.example\n");
	utimensat(AT_FDCWD, at(&tmp, "s/blog/service.ini"), past, 0);
	struct site *blog = start();
	struct file_id before = blog->ini;
	assert_int_equal(blog->claim_ns, 1000 * INT64_C(1000000000));
	int fd = open_for("s/blog/service.ini");
	put(&tmp, "s/blog/hosts", "b.example\n");
	run_for(0.05);
	assert_int_equal(told, 0);
	assert_memory_equal(&blog->ini, &before, sizeof(before));
	say(fd, "hosts = c.example\n");
	close(fd);
	assert_true(run_until(TREE_SETTINGS, 1) < 0.5);
	assert_int_equal(changes, 1);
	assert_int_not_equal(blog->hosts.ino, 0);
	assert_memory_not_equal(&blog->ini, &before, sizeof(before));
	forget();
	assert_int_equal(chmod(at(&tmp, "s/blog/service.ini"), 0600), 0);
	run_until(TREE_SETTINGS, 1); /* no content, but readable or not */
	forget();
	assert_int_equal(unlink(at(&tmp, "s/blog/service.ini")), 0);
	run_until(TREE_SETTINGS, 1);
	assert_int_equal(blog->ini.ino, 0);
	assert_int_equal(blog->claim_ns, blog->birth_ns);
}

static void test_never_closed(void **state)
{
	(void)state;
	start();
	int fd = open_for("s/blog/service.ini");
	say(fd, "hosts = a.example\n");
	double took = run_until(TREE_SETTINGS, 3);
	assert_true(took > 0.8 && took < 2.5);
	close(fd);
}

static void test_renamed_in(void **state)
{
	(void)state;
	struct site *blog = start();
	for (int i = 0; i < 3; i++) {
		struct file_id before = blog->ini;
		uint64_t stamp = settings_stamp(blog);
		put(&tmp, "s/blog/.service.ini", "hosts = a.example\n");
		move(&tmp, "s/blog/.service.ini", "s/blog/service.ini");
		assert_true(run_until(TREE_SETTINGS, 1) < 0.5);
		assert_memory_not_equal(&blog->ini, &before, sizeof(before));
		assert_true(settings_stamp(blog) != stamp);
		forget();
	}
}

static void test_not_honoured(void **state)
{
	(void)state;
	put(&tmp, "s/blog/app.sock", "");
	assert_int_equal(symlink("nowhere", at(&tmp, "s/blog/dangling.sock")), 0);
	assert_int_equal(symlink("loop.sock", at(&tmp, "s/blog/loop.sock")), 0);
	make_dir(&tmp, "s/blog/read");
	put(&tmp, "s/blog/x.tcp", "127.0.0.1:80\n");
	make_dir(&tmp, "s/blog/errors");
	put(&tmp, "s/blog/tls.pem", "");
	assert_int_equal(symlink("tls.pem", at(&tmp, "s/blog/service.ini")), 0);
	struct site *blog = start();
	assert_int_equal(blog->nsockets, 0);
	assert_int_equal(blog->ini.ino, 0);
	static const char *const want[] = {"app.sock is a regular file, not a socket",
					   "loop.sock cannot be reached", "read is not built yet",
					   "x.tcp is not built yet",
					   "service.ini is a symbolic link and is not read"};
	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		if (strstr(blog->error, want[i]) == NULL)
			fail_msg("\"%s\" is not in \"%s\"", want[i], blog->error);
	}
	assert_null(strstr(blog->error, "dangling"));
	assert_null(strstr(blog->error, "tls.pem"));
	assert_null(strstr(blog->error, "errors"));
	make_socket(&tmp, "s/blog/nowhere"); /* the link's target, in a directory that is watched */
	run_until(TREE_SOCKETS, 1);
	assert_string_equal(blog->sockets[0].name, "dangling.sock");
}

static void test_unreadable(void **state)
{
	bool root = geteuid() == 0;
	(void)state;
	make_socket(&tmp, "s/blog/app.sock");
	assert_int_equal(chmod(at(&tmp, "s/blog"), root ? 0700 : 0), 0);
	if (root)
		assert_int_equal(seteuid(65534), 0);
	struct site *blog = start();
	if (root)
		assert_int_equal(seteuid(0), 0);
	assert_int_equal(blog->nsockets, 0);
	assert_non_null(strstr(blog->error, "not readable by uid"));
	assert_non_null(strstr(blog->error, "chmod o+rx /tmp/"));
	assert_true(blog->unread);
	assert_int_equal(chmod(at(&tmp, "s/blog"), 0755), 0);
	run_until(TREE_SETTINGS | TREE_SOCKETS | TREE_ERROR, 1);
	assert_null(blog->error);
	assert_false(blog->unread);
}

static void test_too_many(void **state)
{
	(void)state;
	for (int i = 0; i < 40; i++) {
		char name[32];
		snprintf(name, sizeof(name), "s/blog/%02d.sock", i);
		make_socket(&tmp, name);
	}
	struct site *blog = start();
	assert_int_equal(blog->nsockets, TREE_SOCKETS_MAX);
	assert_string_equal(blog->sockets[31].name, "31.sock");
	assert_non_null(strstr(blog->error, "32.sock and 7 more"));
}

/* A link whose target is bound anew elsewhere gives no event: the round sees it. */
static void test_slow_round(void **state)
{
	(void)state;
	uint64_t first = make_socket(&tmp, "real");
	assert_int_equal(symlink("../../real", at(&tmp, "s/blog/app.sock")), 0);
	struct site *blog = start();
	assert_int_equal(blog->sockets[0].id.ino, first);
	run_for(0.1);
	make_socket(&tmp, "real.new");
	move(&tmp, "real.new", "real");
	assert_true(run_until(TREE_SOCKETS, 4) < 3.5);
	forget();
	move(&tmp, "real", "real.old");
	run_until(TREE_SOCKETS, 4);
	assert_int_equal(blog->nsockets, 0);
	uint64_t scans = tree_stats(tree).scans;
	assert_int_equal(unlink(at(&tmp, "s/blog/app.sock")), 0);
	run_for(4.5);
	assert_true(tree_stats(tree).scans - scans <= 3); /* what has not changed is not read */
}

/* An app that logs into its directory, and one that changes its socket all the time. */
static void test_storms(void **state)
{
	(void)state;
	struct site *blog = start();
	uint64_t scans = tree_stats(tree).scans;
	for (int i = 0; i < 1000; i++) {
		put(&tmp, "s/blog/app.log", "line\n");
		run_for(0);
	}
	assert_int_equal(tree_stats(tree).scans, scans);
	double start_at = now();
	uint64_t inode = 0;
	for (int i = 0; i < 1000; i++) {
		inode = make_socket(&tmp, "s/blog/app.sock.new");
		move(&tmp, "s/blog/app.sock.new", "s/blog/app.sock");
		run_for(0);
	}
	double windows = (now() - start_at) / 0.010 + 1;
	assert_true((double)(tree_stats(tree).scans - scans) <= windows * 8);
	run_for(0.1);
	assert_int_equal(blog->sockets[0].id.ino, inode);
}

static void test_overflow(void **state)
{
	(void)state;
	if (queue_limit() > 60000)
		skip();
	make_dir(&tmp, "s/noise");
	put(&tmp, "s/noise/a", "");
	struct site *blog = start();
	for (int i = 0; i < 20000; i++) {
		assert_int_equal(rename(at(&tmp, "s/noise/a"), at(&tmp, "s/noise/b")), 0);
		assert_int_equal(rename(at(&tmp, "s/noise/b"), at(&tmp, "s/noise/a")), 0);
	}
	uint64_t inode = make_socket(&tmp, "s/blog/app.sock"); /* its event is lost */
	make_dir(&tmp, "s/web");
	assert_true(run_until(TREE_SOCKETS | TREE_NEW, 1) < 1);
	assert_int_equal(blog->sockets[0].id.ino, inode);
	assert_int_equal(tree_stats(tree).overflows, 1);
}

static double cpu(void)
{
	struct rusage u;
	getrusage(RUSAGE_SELF, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
	       (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static void test_many_services(void **state)
{
	const char *asked = getenv("TREE_SERVICES");
	unsigned long many = asked != NULL ? strtoul(asked, NULL, 10) : 1000;
	(void)state;
	for (unsigned long i = 0; i < many; i++) {
		char name[64];
		snprintf(name, sizeof(name), "s/s%lu", i);
		make_dir(&tmp, name);
		snprintf(name, sizeof(name), "s/s%lu/app.sock", i);
		put(&tmp, name, ""); /* no socket, but as dear to look at */
	}
	double before = cpu();
	start();
	double scan = cpu() - before;
	run_for(2.1);
	before = cpu();
	run_for(4);
	double idle = (cpu() - before) / 4;
	print_message("%lu services: scan %.3f CPU s, then %.4f CPU s a second, %lu unwatched\n",
		      many, scan, idle, (unsigned long)tree_stats(tree).unwatched);
	assert_true(scan < (double)many * 0.0005);
	assert_true(idle < 0.2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_new_ini_being_written, setup, teardown),
		cmocka_unit_test_setup_teardown(test_old_ini_being_written, setup, teardown),
		cmocka_unit_test_setup_teardown(test_never_closed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_renamed_in, setup, teardown),
		cmocka_unit_test_setup_teardown(test_not_honoured, setup, teardown),
		cmocka_unit_test_setup_teardown(test_unreadable, setup, teardown),
		cmocka_unit_test_setup_teardown(test_too_many, setup, teardown),
		cmocka_unit_test_setup_teardown(test_slow_round, setup, teardown),
		cmocka_unit_test_setup_teardown(test_storms, setup, teardown),
		cmocka_unit_test_setup_teardown(test_overflow, setup, teardown),
		cmocka_unit_test_setup_teardown(test_many_services, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
