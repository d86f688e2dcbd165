/* pause and stop: what they say, when it is read, and what is refused. */
#include "tree_feed.h"

static struct site *blog;

static void has_error(const char *want)
{
	if (blog->error == NULL || strstr(blog->error, want) == NULL)
		fail_msg("\"%s\" is not in \"%s\"", want,
			 blog->error == NULL ? "(none)" : blog->error);
}

static void put_new(const char *name, const char *text)
{
	char hidden[64];
	snprintf(hidden, sizeof(hidden), "s/blog/.%s", name);
	put(&tmp, hidden, text);
	forget();
	move(&tmp, hidden, name[0] == 'p' ? "s/blog/pause" : "s/blog/stop");
}

static void test_comes_and_goes(void **state)
{
	struct stat st;
	(void)state;
	blog = start();
	assert_true(blog->hold_ms == TREE_HOLD_UNSAID);
	int fd = open(at(&tmp, "s/blog/pause"), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	run_until(TREE_STATE, 1); /* existence counts at once */
	assert_int_equal(told, TREE_STATE);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(blog->pause.ino, st.st_ino);
	assert_int_equal(blog->pause.ctime_ns,
			 st.st_ctim.tv_sec * INT64_C(1000000000) + st.st_ctim.tv_nsec);
	assert_false(blog->pause_leased);
	assert_null(blog->error);
	close(fd);
	run_for(0.02);
	forget();
	put(&tmp, "s/blog/stop", "");
	run_until(TREE_STATE, 1);
	assert_int_not_equal(blog->stop.ino, 0);
	assert_null(blog->stop_message);
	forget();
	assert_int_equal(unlink(at(&tmp, "s/blog/stop")), 0);
	run_until(TREE_STATE, 1);
	assert_int_equal(blog->stop.ino, 0);
	forget();
	assert_int_equal(unlink(at(&tmp, "s/blog/pause")), 0);
	run_until(TREE_STATE, 1);
	assert_int_equal(blog->pause.ino, 0);
}

static void test_pause_says(void **state)
{
	static const struct {
		const char *text;
		uint64_t ms;
	} good[] = {{"30s\n", 30000}, {" 1500ms", 1500}, {"2m\r\n", 120000}, {"0\n", 0}};
	(void)state;
	blog = start();
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		put_new("pause", good[i].text);
		run_until(TREE_STATE, 1);
		assert_int_equal(blog->hold_ms, good[i].ms);
		assert_null(blog->error);
	}
	put_new("pause", "90\n"); /* bad: what was meant before stays */
	run_until(TREE_STATE | TREE_ERROR, 1);
	assert_int_equal(blog->hold_ms, 0);
	assert_int_not_equal(blog->pause.ino, 0);
	has_error("pause says '90', which is no duration");
	run_for(0.1);
	make_socket(&tmp, "s/blog/app.sock"); /* looked at again, not read again */
	run_until(TREE_SOCKETS, 1);
	has_error("pause says '90'");
	put_new("pause", "9999h");
	run_until(TREE_ERROR, 1);
	has_error("'9999h'");
	put_new("pause", "\001a very long text that nobody would want to see in full\n");
	run_until(TREE_ERROR, 1);
	has_error("'?a very long text that nobody would want...', which");
	put_new("pause", "  \n");
	run_until(TREE_STATE | TREE_ERROR, 1);
	assert_true(blog->hold_ms == TREE_HOLD_UNSAID);
	assert_null(blog->error);
	put_new("pause", "5s");
	run_until(TREE_STATE, 1);
	forget();
	assert_int_equal(unlink(at(&tmp, "s/blog/pause")), 0);
	run_until(TREE_STATE, 1);
	assert_true(blog->hold_ms == TREE_HOLD_UNSAID); /* another pause begins anew */
	put_new("pause", "soon");
	run_until(TREE_STATE | TREE_ERROR, 1);
	assert_true(blog->hold_ms == TREE_HOLD_UNSAID);
}

/* `echo 30s > pause`, slowly: empty at first, then half a duration, then closed. */
static void test_being_written(void **state)
{
	(void)state;
	blog = start();
	int fd = open(at(&tmp, "s/blog/pause"), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	assert_int_equal(write(fd, "3", 1), 1);
	run_until(TREE_STATE, 1);
	assert_int_not_equal(blog->pause.ino, 0);
	assert_true(blog->hold_ms == TREE_HOLD_UNSAID);
	make_socket(&tmp, "s/blog/app.sock");
	run_until(TREE_SOCKETS, 1);
	assert_null(blog->error);
	forget();
	assert_int_equal(write(fd, "0s\n", 3), 3);
	close(fd);
	assert_true(run_until(TREE_STATE, 1) < 0.5);
	assert_int_equal(blog->hold_ms, 30000);
	assert_null(blog->error);
	/* Never closed: after a while it is wrong nevertheless. */
	assert_int_equal(unlink(at(&tmp, "s/blog/pause")), 0);
	run_until(TREE_STATE, 1);
	forget();
	fd = open(at(&tmp, "s/blog/pause"), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	assert_int_equal(write(fd, "3", 1), 1);
	assert_true(run_until(TREE_ERROR, 5) > 0.8);
	close(fd);
}

static void wait_for_state(void)
{
	run_until(TREE_STATE, 1);
	forget();
}

/* Within one tick of the clock the file's times do not tell. */
static void test_same_tick(void **state)
{
	(void)state;
	blog = start();
	for (int i = 0; i < 20; i++) {
		int fd = open(at(&tmp, "s/blog/pause"), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
		run_for(0);
		assert_int_equal(write(fd, "7s\n", 3), 3);
		close(fd);
		while (blog->hold_ms != 7000)
			wait_for_state();
		assert_int_equal(unlink(at(&tmp, "s/blog/pause")), 0);
		while (blog->pause.ino != 0)
			wait_for_state();
	}
}

static void test_stop_says(void **state)
{
	static char big[5000];
	(void)state;
	blog = start();
	put_new("stop", "\n Back at ten \xc3\xa9.\n\n");
	run_until(TREE_STATE, 1);
	assert_string_equal(blog->stop_message, "Back at ten \xc3\xa9.");
	put_new("stop", "Later.\n");
	run_until(TREE_STATE, 1);
	assert_string_equal(blog->stop_message, "Later.");
	memset(big, 'x', 4096);
	strcpy(big + 4096, "\n");
	put_new("stop", big);
	run_until(TREE_STATE, 1);
	assert_int_equal(strlen(blog->stop_message), 4096);
	assert_null(blog->error);
	memcpy(big + 4095, "\xe2\x82\xac", 3); /* would be cut in the middle */
	put_new("stop", big);
	run_until(TREE_STATE | TREE_ERROR, 1);
	assert_int_equal(strlen(blog->stop_message), 4095);
	has_error("stop says more than 4 kB");
	memset(big, ' ', sizeof(big) - 1);
	big[4200] = 'x'; /* what follows the blanks counts too */
	big[0] = 'y';
	put_new("stop", big);
	run_until(TREE_STATE, 1);
	assert_string_equal(blog->stop_message, "y");
	has_error("stop says more than 4 kB");
	FILE *f = fopen(at(&tmp, "s/blog/.stop"), "w");
	fwrite("a\0b", 1, 3, f);
	fclose(f);
	forget();
	move(&tmp, "s/blog/.stop", "s/blog/stop");
	run_until(TREE_STATE | TREE_ERROR, 1);
	assert_string_equal(blog->stop_message, "a");
	has_error("a NUL byte");
	put_new("stop", "");
	run_until(TREE_STATE | TREE_ERROR, 1);
	assert_null(blog->stop_message);
	assert_null(blog->error);
}

static void test_fifo(void **state)
{
	(void)state;
	blog = start();
	put_new("pause", "5s");
	run_until(TREE_STATE, 1);
	assert_int_equal(mkfifo(at(&tmp, "s/blog/.fifo"), 0644), 0);
	forget();
	move(&tmp, "s/blog/.fifo", "s/blog/pause");
	run_until(TREE_STATE, 1);
	assert_true(blog->pause_leased);
	assert_true(blog->hold_ms == TREE_HOLD_UNSAID);
	assert_false(blog->refused);
	assert_null(blog->error);
	/* Nobody has opened it: a writer is not let go on. */
	assert_int_equal(open(at(&tmp, "s/blog/pause"), O_WRONLY | O_NONBLOCK | O_CLOEXEC), -1);
	assert_int_equal(errno, ENXIO);
	put_new("pause", "6s"); /* and back */
	run_until(TREE_STATE, 1);
	assert_false(blog->pause_leased);
	assert_int_equal(blog->hold_ms, 6000);
	assert_int_equal(mkfifo(at(&tmp, "s/blog/stop"), 0644), 0);
	forget();
	run_until(TREE_STATE, 1);
	assert_true(blog->stop_leased);
}

/* Bytes in a FIFO move its ctime; it is the same lease all the same. */
static void test_fifo_written_to(void **state)
{
	struct statx sx;
	(void)state;
	blog = start();
	assert_int_equal(mkfifo(at(&tmp, "s/blog/pause"), 0644), 0);
	assert_int_equal(statx(AT_FDCWD, at(&tmp, "s/blog/pause"), 0, STATX_BTIME, &sx), 0);
	if ((sx.stx_mask & STATX_BTIME) == 0)
		skip(); /* this file system does not keep it */
	run_until(TREE_STATE, 1);
	struct file_id id = blog->pause;
	int fd = open(at(&tmp, "s/blog/pause"), O_RDWR | O_NONBLOCK | O_CLOEXEC);
	for (int i = 0; i < 3; i++) {
		run_for(0.03);
		assert_int_equal(write(fd, "x", 1), 1);
	}
	forget();
	run_for(2.3);
	close(fd);
	run_for(0.05);
	assert_int_equal(told, 0);
	assert_memory_equal(&blog->pause, &id, sizeof(id));
	struct site *once = tree_scan_service(at(&tmp, "s"), "blog");
	assert_memory_equal(&once->pause, &id, sizeof(id));
	tree_free_site(once);
}

static void test_refused(void **state)
{
	(void)state;
	blog = start();
	put(&tmp, "s/blog/real", "");
	assert_int_equal(symlink("real", at(&tmp, "s/blog/pause")), 0);
	run_until(TREE_STATE | TREE_ERROR, 1);
	assert_true(blog->refused);
	assert_int_equal(blog->pause.ino, 0);
	has_error("pause is a symbolic link and is not honoured");
	forget();
	put(&tmp, "s/blog/.pause", "");
	move(&tmp, "s/blog/.pause", "s/blog/pause");
	run_until(TREE_STATE | TREE_ERROR, 1);
	assert_false(blog->refused);
	assert_int_not_equal(blog->pause.ino, 0);
	forget();
	make_dir(&tmp, "s/blog/stop");
	run_until(TREE_STATE | TREE_ERROR, 1);
	assert_true(blog->refused);
	has_error("stop is a directory and is not honoured");
	assert_int_not_equal(blog->pause.ino, 0);
}

/* What the proxy's user may do: only root can become another, to see. */
static void as_nobody(void)
{
	if (geteuid() != 0)
		skip();
	assert_int_equal(setegid(65534), 0);
	assert_int_equal(seteuid(65534), 0);
}

static void as_root(void)
{
	assert_int_equal(seteuid(0), 0);
	assert_int_equal(setegid(0), 0);
}

static void test_rights(void **state)
{
	(void)state;
	assert_int_equal(mkfifo(at(&tmp, "s/blog/pause"), 0644), 0);
	as_nobody();
	blog = start();
	assert_true(blog->refused);
	assert_int_equal(blog->pause.ino, 0);
	has_error("pause is a FIFO that uid 65534 could not remove (Permission denied)");
	has_error("chgrp 65534 /tmp/");
	as_root();
	assert_int_equal(chmod(at(&tmp, "s/blog"), 0777), 0);
	as_nobody();
	run_until(TREE_STATE | TREE_ERROR, 1);
	assert_true(blog->pause_leased);
	assert_false(blog->refused);
	run_for(1.1); /* it has begun for good */
	as_root();
	assert_int_equal(chmod(at(&tmp, "s/blog"), 01777), 0);
	assert_int_equal(chmod(at(&tmp, "s/blog/pause"), 0600), 0);
	as_nobody();
	tree_look(tree, blog);
	run_for(0.1);
	assert_true(blog->pause_leased); /* what has begun goes on */
	assert_false(blog->refused);
	forget();
	as_root();
	assert_int_equal(unlink(at(&tmp, "s/blog/pause")), 0);
	run_until(TREE_STATE, 1);
	assert_int_equal(mkfifo(at(&tmp, "s/blog/pause"), 0644), 0);
	forget();
	as_nobody();
	run_until(TREE_STATE | TREE_ERROR, 1);
	has_error("the directory is sticky");
	assert_int_equal(blog->pause.ino, 0);
	as_root();
	assert_int_equal(chmod(at(&tmp, "s/blog"), 0777), 0);
	assert_int_equal(chmod(at(&tmp, "s/blog/pause"), 0600), 0);
	forget();
	as_nobody();
	tree_look(tree, blog);
	run_until(TREE_ERROR, 3);
	has_error("pause is a FIFO that uid 65534 may not read (mode 0600, owner 0)");
	struct site *once = tree_scan_service(at(&tmp, "s"), "blog");
	assert_true(once->pause_leased); /* a command's own rights decide nothing */
	tree_free_site(once);
	as_root();
}

/* In force, though nobody can read what it says. */
static void test_unreadable(void **state)
{
	(void)state;
	put(&tmp, "s/blog/pause", "9s");
	put(&tmp, "s/blog/stop", "");
	assert_int_equal(chmod(at(&tmp, "s/blog/pause"), 0600), 0);
	assert_int_equal(chmod(at(&tmp, "s/blog/stop"), 0), 0);
	as_nobody();
	blog = start();
	assert_int_not_equal(blog->pause.ino, 0);
	assert_int_not_equal(blog->stop.ino, 0); /* it says nothing: no need to read it */
	assert_true(blog->hold_ms == TREE_HOLD_UNSAID);
	has_error("pause: not readable by uid 65534 (mode 0600, owner 0)");
	assert_null(strstr(blog->error, "stop"));
	as_root();
	assert_int_equal(chmod(at(&tmp, "s/blog/pause"), 0644), 0);
	as_nobody();
	run_until(TREE_STATE | TREE_ERROR, 1);
	assert_int_equal(blog->hold_ms, 9000);
	assert_null(blog->error);
	as_root();
}

static void test_seen_by_a_command(void **state)
{
	(void)state;
	put(&tmp, "s/blog/pause", "8s");
	put(&tmp, "s/blog/stop", "Gone fishing\n");
	put(&tmp, "s/blog/rollout.ini", "percent = 1\n");
	blog = start();
	struct site *once = tree_scan_service(at(&tmp, "s"), "blog");
	assert_memory_equal(&once->pause, &blog->pause, sizeof(blog->pause));
	assert_memory_equal(&once->stop, &blog->stop, sizeof(blog->stop));
	assert_int_equal(once->hold_ms, 8000);
	assert_string_equal(once->stop_message, "Gone fishing");
	assert_int_not_equal(once->rollout_ini.ino, 0);
	assert_int_equal(settings_stamp(once), settings_stamp(blog));
	tree_free_site(once);
	assert_null(tree_scan_service(at(&tmp, "s"), "none"));
	assert_int_equal(errno, ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_comes_and_goes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_pause_says, setup, teardown),
		cmocka_unit_test_setup_teardown(test_being_written, setup, teardown),
		cmocka_unit_test_setup_teardown(test_same_tick, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stop_says, setup, teardown),
		cmocka_unit_test_setup_teardown(test_fifo, setup, teardown),
		cmocka_unit_test_setup_teardown(test_fifo_written_to, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_rights, setup, teardown),
		cmocka_unit_test_setup_teardown(test_unreadable, setup, teardown),
		cmocka_unit_test_setup_teardown(test_seen_by_a_command, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
