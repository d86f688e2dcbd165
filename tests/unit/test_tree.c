/* The services directory as a model: what a scan finds, and what events tell of handoffs. */
#include "tree_feed.h"

static void test_scan_without_loop(void **state)
{
	(void)state;
	make_dir(&tmp, "s/shop.example.com");
	make_dir(&tmp, "s/Bad Name");
	make_dir(&tmp, "s/.hidden");
	put(&tmp, "s/file", "");
	uint64_t second = make_socket(&tmp, "s/blog/b.sock");
	uint64_t first = make_socket(&tmp, "s/blog/a.sock");
	make_socket(&tmp, "s/blog/a.sock.new");
	make_socket(&tmp, "s/blog/.c.sock");
	put(&tmp, "s/blog/service.ini", "");
	tree = tree_open(NULL, at(&tmp, "s/"), &tree_events, &tmp);
	assert_non_null(tree);
	assert_int_equal(changes, 2);
	assert_int_equal(told, TREE_NEW | TREE_SOCKETS | TREE_SETTINGS);
	struct site *blog = tree_find(tree, "blog");
	assert_string_equal(blog->path, at(&tmp, "s/blog"));
	assert_int_equal(blog->nsockets, 2);
	assert_string_equal(blog->sockets[0].name, "a.sock");
	assert_int_equal(blog->sockets[0].id.ino, first);
	assert_int_equal(blog->sockets[1].id.ino, second);
	assert_int_not_equal(blog->ini.ino, 0);
	assert_int_equal(blog->hosts.ino, 0);
	assert_null(blog->error);
	assert_null(tree_find(tree, "file"));
	struct site *shop = tree_find(tree, "shop.example.com");
	assert_int_equal(shop->claim_ns, shop->birth_ns);
	size_t count = 0;
	for (size_t i = 0; tree_next(tree, &i) != NULL;)
		count++;
	assert_int_equal(count, 2);
	put(&tmp, "s/blog/hosts", "");
	forget();
	tree_look(tree, blog);
	assert_int_equal(told, TREE_SETTINGS);
}

static void test_nothing_there(void **state)
{
	(void)state;
	assert_null(tree_open(loop, at(&tmp, "none"), &tree_events, &tmp));
	assert_int_equal(errno, ENOENT);
	put(&tmp, "file", "");
	assert_null(tree_open(NULL, at(&tmp, "file"), &tree_events, &tmp));
	assert_int_equal(errno, ENOTDIR);
}

static void test_handoff_by_rename(void **state)
{
	(void)state;
	make_socket(&tmp, "s/blog/app.sock");
	struct site *blog = start();
	uint64_t scans = tree_stats(tree).scans;
	for (int i = 0; i < 5; i++) {
		uint64_t inode = make_socket(&tmp, "s/blog/app.sock.new");
		run_for(0.02);
		assert_int_equal(told, 0); /* invisible until it has the name */
		move(&tmp, "s/blog/app.sock.new", "s/blog/app.sock");
		double took = run_until(TREE_SOCKETS, 1);
		assert_true(took < 0.5);
		assert_int_equal(told, TREE_SOCKETS);
		assert_int_equal(changes, 1);
		assert_int_equal(blog->sockets[0].id.ino, inode);
		forget();
	}
	assert_true(tree_stats(tree).scans - scans <= 10);
}

static void test_other_handoffs(void **state)
{
	(void)state;
	make_socket(&tmp, "s/blog/app.sock");
	uint64_t elsewhere = make_socket(&tmp, "real");
	struct site *blog = start();
	assert_int_equal(symlink("../../real", at(&tmp, "s/blog/link")), 0);
	move(&tmp, "s/blog/link", "s/blog/app.sock");
	run_until(TREE_SOCKETS, 1);
	assert_int_equal(blog->sockets[0].id.ino, elsewhere);
	forget();
	assert_int_equal(unlink(at(&tmp, "s/blog/app.sock")), 0);
	run_until(TREE_SOCKETS, 1);
	assert_int_equal(blog->nsockets, 0);
	forget();
	uint64_t bound = make_socket(&tmp, "s/blog/app.sock");
	run_until(TREE_SOCKETS, 1);
	assert_int_equal(blog->sockets[0].id.ino, bound);
	forget();
	assert_int_equal(chmod(at(&tmp, "s/blog/app.sock"), 0700), 0);
	assert_int_equal(link(at(&tmp, "s/blog/app.sock"), at(&tmp, "s/blog/app.sock.old")), 0);
	run_for(0.05);
	assert_int_equal(told, 0); /* no handoffs */
}

static void test_whole_directory(void **state)
{
	(void)state;
	make_socket(&tmp, "s/blog/app.sock");
	struct site *blog = start();
	make_dir(&tmp, "next");
	uint64_t inode = make_socket(&tmp, "next/app.sock");
	put(&tmp, "next/service.ini", "");
	move(&tmp, "s/blog", "old");
	run_for(0.05); /* a moment without the name is no end of the service */
	move(&tmp, "next", "s/blog");
	run_until(TREE_SOCKETS | TREE_SETTINGS, 1);
	assert_int_equal(gone, 0);
	assert_ptr_equal(tree_find(tree, "blog"), blog);
	assert_int_equal(blog->sockets[0].id.ino, inode);
	forget();
	make_socket(&tmp, "old/other.sock"); /* not ours any more */
	run_for(0.03);
	assert_int_equal(told, 0);
	inode = make_socket(&tmp, "s/blog/b.sock"); /* the new one is watched */
	run_until(TREE_SOCKETS, 1);
	assert_int_equal(blog->sockets[1].id.ino, inode);
	forget();
	assert_int_equal(
		renameat2(AT_FDCWD, at(&tmp, "old"), AT_FDCWD, at(&tmp, "s/blog"), RENAME_EXCHANGE),
		0);
	run_until(TREE_SOCKETS, 1);
	assert_string_equal(blog->sockets[1].name, "other.sock");
}

static void test_linked_directory(void **state)
{
	(void)state;
	make_dir(&tmp, "v1");
	make_dir(&tmp, "v2");
	make_socket(&tmp, "v1/app.sock");
	uint64_t second = make_socket(&tmp, "v2/app.sock");
	assert_int_equal(symlink("../v1", at(&tmp, "s/web")), 0);
	start();
	struct site *web = tree_find(tree, "web");
	assert_int_equal(web->nsockets, 1);
	assert_int_equal(symlink("../v2", at(&tmp, "s/.web")), 0);
	move(&tmp, "s/.web", "s/web");
	run_until(TREE_SOCKETS, 1);
	assert_int_equal(web->sockets[0].id.ino, second);
	forget();
	make_socket(&tmp, "v2/more.sock");
	run_until(TREE_SOCKETS, 1);
}

static void test_services_come_and_go(void **state)
{
	(void)state;
	start();
	make_dir(&tmp, "s/web");
	uint64_t inode = make_socket(&tmp, "s/web/app.sock");
	put(&tmp, "s/web/service.ini", "hosts = web.example\n");
	run_until(TREE_NEW | TREE_SOCKETS | TREE_SETTINGS, 1);
	struct site *web = tree_find(tree, "web");
	assert_int_equal(web->sockets[0].id.ino, inode);
	assert_int_not_equal(web->ini.ino, 0);
	assert_int_equal(unlink(at(&tmp, "s/web/app.sock")), 0);
	assert_int_equal(unlink(at(&tmp, "s/web/service.ini")), 0);
	assert_int_equal(rmdir(at(&tmp, "s/web")), 0);
	run_until_gone(1, 1);
	move(&tmp, "s/blog", "s/Blog");
	run_until_gone(2, 1);
	assert_null(tree_find(tree, "blog"));
	forget();
	move(&tmp, "s/Blog", "s/blog");
	run_until(TREE_NEW, 1);
	assert_int_equal(gone, 0);
}

static void test_root_vanishes(void **state)
{
	(void)state;
	make_dir(&tmp, "s/web");
	make_socket(&tmp, "s/blog/app.sock");
	start();
	move(&tmp, "s", "elsewhere");
	run_until_gone(2, 1);
	assert_null(tree_find(tree, "blog"));
	make_dir(&tmp, "s");
	make_dir(&tmp, "s/new");
	run_until(TREE_NEW, 1);
	assert_non_null(tree_find(tree, "new"));
	forget();
	make_dir(&tmp, "s/newer"); /* it is watched again */
	run_until(TREE_NEW, 1);
	forget();
	assert_int_equal(renameat2(AT_FDCWD, at(&tmp, "s"), AT_FDCWD, at(&tmp, "elsewhere"),
				   RENAME_EXCHANGE),
			 0);
	run_until(TREE_NEW | TREE_SOCKETS, 1);
	run_until_gone(2, 1);
	assert_int_equal(tree_find(tree, "blog")->nsockets, 1);
}

static void look_again(struct site *site)
{
	tree_look(tree, site); /* must neither recurse nor run for ever */
}

static void test_look_in_callback(void **state)
{
	(void)state;
	struct site *blog = start();
	also = look_again;
	make_socket(&tmp, "s/blog/app.sock");
	run_until(TREE_SOCKETS, 1);
	also = NULL;
	run_for(0.03);
	assert_int_equal(changes, 1);
	uint64_t scans = tree_stats(tree).scans;
	tree_look(tree, blog);
	run_for(0.02);
	assert_int_equal(tree_stats(tree).scans, scans + 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_scan_without_loop, setup, teardown),
		cmocka_unit_test_setup_teardown(test_nothing_there, setup, teardown),
		cmocka_unit_test_setup_teardown(test_handoff_by_rename, setup, teardown),
		cmocka_unit_test_setup_teardown(test_other_handoffs, setup, teardown),
		cmocka_unit_test_setup_teardown(test_whole_directory, setup, teardown),
		cmocka_unit_test_setup_teardown(test_linked_directory, setup, teardown),
		cmocka_unit_test_setup_teardown(test_services_come_and_go, setup, teardown),
		cmocka_unit_test_setup_teardown(test_root_vanishes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_look_in_callback, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
