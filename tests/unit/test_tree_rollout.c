/* rollout/ and rollout.ini: the canary's instances and settings in the model. */
#include "tree_feed.h"

static struct site *blog;

static const struct tree_socket *canary(void)
{
	for (size_t i = 0; i < blog->nsockets; i++) {
		if (blog->sockets[i].group == GROUP_ROLLOUT)
			return &blog->sockets[i];
	}
	return NULL;
}

static void has_error(const char *want)
{
	if (blog->error == NULL || strstr(blog->error, want) == NULL)
		fail_msg("\"%s\" is not in \"%s\"", want,
			 blog->error == NULL ? "(none)" : blog->error);
}

static void test_sockets(void **state)
{
	(void)state;
	uint64_t app = make_socket(&tmp, "s/blog/web.sock");
	make_dir(&tmp, "s/blog/rollout");
	uint64_t next = make_socket(&tmp, "s/blog/rollout/app.sock");
	make_socket(&tmp, "s/blog/rollout/app.sock.new");
	make_socket(&tmp, "s/blog/rollout/.x.sock");
	blog = start();
	assert_int_equal(blog->nsockets, 2);
	assert_string_equal(blog->sockets[0].name, "web.sock"); /* the main ones come first */
	assert_int_equal(blog->sockets[0].id.ino, app);
	assert_int_equal(blog->sockets[0].group, GROUP_MAIN);
	assert_string_equal(blog->sockets[1].name, "rollout/app.sock");
	assert_int_equal(blog->sockets[1].id.ino, next);
	assert_int_equal(blog->sockets[1].group, GROUP_ROLLOUT);
	assert_null(blog->error);
	struct site *once = tree_scan_service(at(&tmp, "s"), "blog");
	assert_int_equal(once->nsockets, 2);
	assert_int_equal(once->sockets[1].group, GROUP_ROLLOUT);
	tree_free_site(once);
}

static void test_handoffs(void **state)
{
	(void)state;
	make_socket(&tmp, "s/blog/app.sock");
	blog = start();
	make_dir(&tmp, "s/blog/rollout"); /* made later */
	uint64_t inode = make_socket(&tmp, "s/blog/rollout/app.sock");
	run_until(TREE_SOCKETS, 1);
	assert_int_equal(canary()->id.ino, inode);
	for (int i = 0; i < 3; i++) {
		inode = make_socket(&tmp, "s/blog/rollout/app.sock.new");
		run_for(0.02);
		forget();
		move(&tmp, "s/blog/rollout/app.sock.new", "s/blog/rollout/app.sock");
		assert_true(run_until(TREE_SOCKETS, 1) < 0.5);
		assert_int_equal(canary()->id.ino, inode);
	}
	forget();
	move(&tmp, "s/blog/rollout/app.sock", "s/blog/app.sock"); /* promotion */
	run_until(TREE_SOCKETS, 1);
	assert_int_equal(changes, 1);
	assert_int_equal(blog->nsockets, 1);
	assert_int_equal(blog->sockets[0].id.ino, inode);
	assert_int_equal(blog->sockets[0].group, GROUP_MAIN);
	run_for(0.02);
	assert_int_equal(changes, 1);
}

static void test_directory_replaced(void **state)
{
	(void)state;
	make_dir(&tmp, "s/blog/rollout");
	make_socket(&tmp, "s/blog/rollout/a.sock");
	make_dir(&tmp, "next");
	make_socket(&tmp, "next/b.sock");
	blog = start();
	assert_int_equal(renameat2(AT_FDCWD, at(&tmp, "next"), AT_FDCWD, at(&tmp, "s/blog/rollout"),
				   RENAME_EXCHANGE),
			 0);
	run_until(TREE_SOCKETS, 1);
	assert_string_equal(canary()->name, "rollout/b.sock");
	forget();
	make_socket(&tmp, "next/c.sock"); /* not ours any more */
	run_for(0.03);
	assert_int_equal(told, 0);
	make_socket(&tmp, "s/blog/rollout/a.sock"); /* the new one is watched */
	run_until(TREE_SOCKETS, 1);
	assert_string_equal(canary()->name, "rollout/a.sock");
}

static void test_directory_moved_away(void **state)
{
	(void)state;
	make_dir(&tmp, "s/blog/rollout");
	make_socket(&tmp, "s/blog/rollout/a.sock");
	blog = start();
	move(&tmp, "s/blog/rollout", "s/blog/away"); /* no grace: the canary is gone */
	assert_true(run_until(TREE_SOCKETS, 1) < 0.15);
	assert_null(canary());
	forget();
	make_socket(&tmp, "s/blog/away/b.sock");
	run_for(0.03);
	assert_int_equal(told, 0);
	move(&tmp, "s/blog/away", "s/blog/rollout");
	run_until(TREE_SOCKETS, 1);
	assert_int_equal(blog->nsockets, 2);
	forget();
	make_socket(&tmp, "s/blog/rollout/c.sock");
	run_until(TREE_SOCKETS, 1);
	assert_int_equal(blog->nsockets, 3);
}

static void test_directory_removed(void **state)
{
	(void)state;
	make_dir(&tmp, "s/blog/rollout");
	make_socket(&tmp, "s/blog/rollout/a.sock");
	blog = start();
	for (int i = 0; i < 3; i++) {
		assert_int_equal(unlink(at(&tmp, "s/blog/rollout/a.sock")), 0);
		assert_int_equal(rmdir(at(&tmp, "s/blog/rollout")), 0);
		run_until(TREE_SOCKETS, 1);
		run_for(0.02);
		assert_null(canary());
		assert_null(blog->error);
		assert_int_equal(tree_stats(tree).unwatched, 0);
		forget();
		make_dir(&tmp, "s/blog/rollout");
		make_socket(&tmp, "s/blog/rollout/a.sock");
		run_until(TREE_SOCKETS, 1);
		assert_string_equal(canary()->name, "rollout/a.sock");
		run_for(0.02);
		forget();
	}
}

/* The whole service's directory is replaced, and with it the canary's. */
static void test_service_replaced(void **state)
{
	(void)state;
	make_dir(&tmp, "s/blog/rollout");
	make_socket(&tmp, "s/blog/rollout/a.sock");
	make_dir(&tmp, "next");
	make_dir(&tmp, "next/rollout");
	make_socket(&tmp, "next/rollout/b.sock");
	blog = start();
	assert_int_equal(renameat2(AT_FDCWD, at(&tmp, "next"), AT_FDCWD, at(&tmp, "s/blog"),
				   RENAME_EXCHANGE),
			 0);
	run_until(TREE_SOCKETS, 1);
	assert_string_equal(canary()->name, "rollout/b.sock");
	run_for(0.02);
	forget();
	make_socket(&tmp, "s/blog/rollout/a.sock");
	run_until(TREE_SOCKETS, 1);
	forget();
	move(&tmp, "s/blog", "s/.old");
	run_until_gone(1, 1);
}

static void test_refused(void **state)
{
	(void)state;
	make_dir(&tmp, "real");
	make_socket(&tmp, "real/app.sock");
	assert_int_equal(symlink("../../real", at(&tmp, "s/blog/rollout")), 0);
	blog = start();
	assert_int_equal(blog->nsockets, 0);
	has_error("rollout is a symbolic link and is not read; make it a directory");
	assert_int_equal(unlink(at(&tmp, "s/blog/rollout")), 0);
	make_dir(&tmp, "s/blog/rollout");
	run_until(TREE_ERROR, 1);
	run_for(0.02);
	assert_null(blog->error);
	put(&tmp, "s/blog/rollout/app.sock", "");
	put(&tmp, "s/blog/rollout/x.tcp", "127.0.0.1:80\n");
	make_dir(&tmp, "s/blog/rollout/read");
	put(&tmp, "s/blog/rollout/pause", "");
	forget();
	run_until(TREE_ERROR, 1);
	run_for(0.05);
	has_error("rollout/app.sock is a regular file, not a socket");
	has_error("rollout/x.tcp is not built yet");
	has_error("rollout/read is not built yet");
	assert_int_equal(blog->pause.ino, 0);
}

static void test_unreadable(void **state)
{
	(void)state;
	make_dir(&tmp, "s/blog/rollout");
	make_socket(&tmp, "s/blog/rollout/app.sock");
	make_socket(&tmp, "s/blog/app.sock");
	blog = start();
	if (geteuid() != 0)
		skip();
	assert_int_equal(chmod(at(&tmp, "s/blog/rollout"), 0700), 0);
	assert_int_equal(seteuid(65534), 0);
	run_until(TREE_ERROR, 1);
	has_error("rollout: not readable by uid 65534 (mode 0700, owner 0); chmod o+rx /tmp/");
	assert_int_equal(blog->nsockets, 2); /* what was known stays */
	assert_string_equal(canary()->name, "rollout/app.sock");
	assert_int_equal(told & TREE_SOCKETS, 0);
	assert_int_equal(seteuid(0), 0);
	assert_int_equal(chmod(at(&tmp, "s/blog/rollout"), 0755), 0);
	forget();
	run_until(TREE_ERROR, 1);
	assert_null(blog->error);
	run_for(0.02);
	forget();
	make_socket(&tmp, "s/blog/rollout/b.sock"); /* watched again */
	assert_true(run_until(TREE_SOCKETS, 1) < 0.5);
}

static void test_too_many(void **state)
{
	char name[64];
	(void)state;
	make_dir(&tmp, "s/blog/rollout");
	for (int i = 0; i < 20; i++) {
		snprintf(name, sizeof(name), "s/blog/%02d.sock", i);
		make_socket(&tmp, name);
		snprintf(name, sizeof(name), "s/blog/rollout/%02d.sock", i);
		make_socket(&tmp, name);
	}
	blog = start();
	assert_int_equal(blog->nsockets, TREE_SOCKETS_MAX);
	assert_string_equal(blog->sockets[19].name, "19.sock");
	assert_string_equal(blog->sockets[31].name, "rollout/11.sock");
	has_error("rollout/12.sock and 7 more");
}

static void test_long_names(void **state)
{
	char old[256], new[300];
	(void)state;
	make_dir(&tmp, "s/blog/rollout");
	make_socket(&tmp, "s/blog/rollout/x.new");
	memset(old, 'a', sizeof(old));
	strcpy(old + 250, ".sock"); /* fits in the service's directory only */
	int dir = open(at(&tmp, "s/blog"), O_PATH | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(renameat(dir, "rollout/x.new", dir, old), 0);
	blog = start();
	assert_int_equal(blog->nsockets, 1);
	snprintf(new, sizeof(new), "rollout/%s", old);
	forget();
	assert_int_equal(renameat(dir, old, dir, new), 0);
	run_until(TREE_SOCKETS | TREE_ERROR, 1);
	assert_int_equal(blog->nsockets, 0);
	has_error("a socket's name is too long; rename it");
	close(dir);
}

/* A link in rollout/ to a name in the service's directory, and one to elsewhere. */
static void test_links(void **state)
{
	(void)state;
	make_dir(&tmp, "s/blog/rollout");
	assert_int_equal(symlink("../v2", at(&tmp, "s/blog/rollout/app.sock")), 0);
	blog = start();
	assert_int_equal(blog->nsockets, 0);
	make_socket(&tmp, "s/blog/v2");
	assert_true(run_until(TREE_SOCKETS, 1) < 0.5);
	assert_non_null(canary());
	make_socket(&tmp, "elsewhere");
	assert_int_equal(symlink("../../../elsewhere", at(&tmp, "s/blog/rollout/.l")), 0);
	move(&tmp, "s/blog/rollout/.l", "s/blog/rollout/app.sock");
	run_for(0.1);
	forget();
	make_socket(&tmp, "elsewhere.new");
	move(&tmp, "elsewhere.new", "elsewhere"); /* no event */
	assert_true(run_until(TREE_SOCKETS, 4) < 3.5);
}

static void test_rollout_ini(void **state)
{
	(void)state;
	blog = start();
	uint64_t none = settings_stamp(blog);
	int fd = open(at(&tmp, "s/blog/rollout.ini"), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	assert_int_equal(write(fd, "percent =", 9), 9);
	run_for(0.05);
	assert_int_equal(told, 0); /* in the middle of being written */
	assert_int_equal(write(fd, " 5\n", 3), 3);
	close(fd);
	run_until(TREE_SETTINGS, 1);
	assert_int_not_equal(blog->rollout_ini.ino, 0);
	uint64_t some = settings_stamp(blog);
	assert_true(some != none);
	int64_t claim = blog->claim_ns;
	put(&tmp, "s/blog/.rollout.ini", "percent = 6\n");
	forget();
	move(&tmp, "s/blog/.rollout.ini", "s/blog/rollout.ini");
	run_until(TREE_SETTINGS, 1);
	assert_true(settings_stamp(blog) != some);
	assert_true(blog->claim_ns == claim);
	struct file_id before = blog->rollout_ini;
	assert_int_equal(symlink("nowhere", at(&tmp, "s/blog/.l")), 0);
	forget();
	move(&tmp, "s/blog/.l", "s/blog/rollout.ini");
	run_until(TREE_ERROR, 1);
	has_error("rollout.ini is a symbolic link and is not read");
	assert_memory_equal(&blog->rollout_ini, &before, sizeof(before));
	forget();
	assert_int_equal(unlink(at(&tmp, "s/blog/rollout.ini")), 0);
	run_until(TREE_SETTINGS | TREE_ERROR, 1);
	assert_int_equal(settings_stamp(blog), none);
}

/* A link from the start makes no service unknown. */
static void test_rollout_ini_refused(void **state)
{
	(void)state;
	assert_int_equal(symlink("nowhere", at(&tmp, "s/blog/rollout.ini")), 0);
	blog = start();
	assert_false(blog->unread);
	assert_int_equal(blog->rollout_ini.ino, 0);
}

/* What has not changed is not read again by the rounds; what gave no event is seen by them. */
static void test_rounds(void **state)
{
	(void)state;
	make_dir(&tmp, "s/blog/rollout");
	make_socket(&tmp, "s/blog/rollout/app.sock");
	blog = start();
	run_for(2.3);
	uint64_t scans = tree_stats(tree).scans;
	assert_int_equal(tree_stats(tree).unwatched, 0);
	run_for(2.3);
	assert_int_equal(tree_stats(tree).scans, scans);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_sockets, setup, teardown),
		cmocka_unit_test_setup_teardown(test_handoffs, setup, teardown),
		cmocka_unit_test_setup_teardown(test_directory_replaced, setup, teardown),
		cmocka_unit_test_setup_teardown(test_directory_moved_away, setup, teardown),
		cmocka_unit_test_setup_teardown(test_directory_removed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_service_replaced, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_unreadable, setup, teardown),
		cmocka_unit_test_setup_teardown(test_too_many, setup, teardown),
		cmocka_unit_test_setup_teardown(test_long_names, setup, teardown),
		cmocka_unit_test_setup_teardown(test_links, setup, teardown),
		cmocka_unit_test_setup_teardown(test_rollout_ini, setup, teardown),
		cmocka_unit_test_setup_teardown(test_rollout_ini_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_rounds, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
