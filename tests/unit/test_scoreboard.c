/* The shared memory: claims and releases, consistent reads, holds over all workers, other layouts.
 * */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "files/scoreboard.h"

static struct board *board;

static int setup(void **state)
{
	(void)state;
	board = board_new();
	return board == NULL ? -1 : 0;
}

static int teardown(void **state)
{
	(void)state;
	board_free(board);
	return 0;
}

static void test_claim_find_release(void **state)
{
	struct board_region *r = board_region(board, 3);
	struct board_service *blog = board_service_claim(r, STR("blog"));
	(void)state;
	assert_non_null(blog);
	assert_string_equal(blog->name, "blog");
	assert_ptr_equal(board_service_claim(r, STR("blog")), blog);
	assert_ptr_equal(board_service_find(r, STR("blog")), blog);
	assert_null(board_service_find(r, STR("blo")));
	assert_null(board_service_find(r, STR("blog2")));
	assert_null(board_service_find(board_region(board, 4), STR("blog")));
	board_raise(blog->requests, 7);
	blog->npeers = 2;
	board_service_release(blog);
	assert_null(board_service_find(r, STR("blog")));
	assert_ptr_equal(board_service_claim(r, STR("blog")), blog);
	assert_int_equal(blog->npeers, 0);
	assert_int_equal(blog->requests, 7);
}

static void test_names_refused(void **state)
{
	struct board_region *r = board_region(board, 0);
	char name[BOARD_NAME + 1];
	(void)state;
	memset(name, 'a', sizeof(name));
	assert_null(board_service_claim(r, STR("")));
	assert_null(board_service_claim(r, str_make(name, BOARD_NAME)));
	assert_non_null(board_service_claim(r, str_make(name, BOARD_NAME - 1)));
	assert_non_null(board_service_find(r, str_make(name, BOARD_NAME - 1)));
}

/* A region full to the last entry; what is dropped and idle is used again, what still counts is
   not. */
static void test_full(void **state)
{
	struct board_region *r = board_region(board, 1);
	struct board_service *busy, *idle;
	char name[32];
	(void)state;
	for (int i = 0; i < BOARD_SERVICES; i++) {
		snprintf(name, sizeof(name), "s%d", i);
		assert_non_null(board_service_claim(r, str_of(name)));
	}
	assert_null(board_service_claim(r, STR("one-too-many")));
	assert_null(board_service_find(r, STR("one-too-many")));
	for (int i = 0; i < BOARD_SERVICES; i += 1000) {
		snprintf(name, sizeof(name), "s%d", i);
		assert_string_equal(board_service_find(r, str_of(name))->name, name);
	}
	busy = board_service_find(r, STR("s10"));
	idle = board_service_find(r, STR("s11"));
	board_raise(busy->in_flight, 1);
	board_raise(idle->requests, 5);
	board_service_release(busy);
	assert_null(board_service_claim(r, STR("one-too-many")));
	board_service_release(idle);
	assert_ptr_equal(board_service_claim(r, STR("one-too-many")), idle);
	assert_int_equal(idle->requests, 0);
	assert_null(board_service_find(r, STR("s11")));
}

static void test_clear_gives_memory_and_holds_back(void **state)
{
	struct board_region *r = board_region(board, 2);
	struct stat before, after;
	(void)state;
	for (int i = 0; i < 1000; i++) {
		char name[32];
		snprintf(name, sizeof(name), "s%d", i);
		struct board_service *s = board_service_claim(r, str_of(name));
		for (int k = 0; k < i % 3; k++) {
			assert_true(board_hold_take(board, str_of(name), 2));
			board_raise(s->held, 1);
		}
	}
	assert_false(board_hold_take(board, STR("s2"), 2));
	fstat(board_fd(board), &before);
	board_region_clear(board, 2);
	fstat(board_fd(board), &after);
	assert_true(after.st_blocks < before.st_blocks - 1000);
	assert_null(board_service_find(r, STR("s2")));
	for (int i = 0; i < 2; i++)
		assert_true(board_hold_take(board, STR("s2"), 2));
	assert_false(board_hold_take(board, STR("s2"), 2));
	board_hold_give(board, STR("s2"));
	board_hold_give(board, STR("s2"));
	board_hold_give(board, STR("s2")); /* one too many does not wrap */
	assert_false(board_hold_take(board, STR("s2"), 0));
	assert_true(board_hold_take(board, STR("s2"), 1));
}

/* A child keeps changing two values together; what is read is never half of it. */
static void test_consistent_reads(void **state)
{
	struct board_region *r = board_region(board, 5);
	struct board_service *s = board_service_claim(r, STR("blog"));
	struct board_service copy;
	int good = 0;
	(void)state;
	pid_t pid = fork();
	if (pid == 0) {
		for (uint64_t i = 0; i < 3000000; i++) {
			board_write_begin(s);
			s->pause_ino = i;
			s->peers[BOARD_PEERS - 1].ino = i;
			board_write_end(s);
		}
		_exit(0);
	}
	while (waitpid(pid, NULL, WNOHANG) == 0) {
		if (!board_service_read(s, &copy))
			continue;
		good++;
		assert_int_equal(copy.pause_ino, copy.peers[BOARD_PEERS - 1].ino);
	}
	assert_true(good > 0);
	assert_true(board_service_read(s, &copy));
	assert_int_equal(copy.pause_ino, 2999999);
	board_write_begin(s);
	assert_false(board_service_read(s, &copy));
	board_write_end(s);
}

static void test_attach(void **state)
{
	struct board_service *s = board_service_claim(board_region(board, 0), STR("attached"));
	(void)state;
	board_raise(s->in_flight, 3);
	atomic_store(&board_master(board)->generation, 9);
	atomic_store(&board_worker(board_region(board, 63))->pid, 42);
	assert_int_equal(fcntl(board_fd(board), F_GETFD), FD_CLOEXEC);
	int fd = dup(board_fd(board));
	struct board *again = board_attach(fd);
	assert_non_null(again);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	assert_int_equal(board_service_find(board_region(again, 0), STR("attached"))->in_flight, 3);
	assert_int_equal(board_master(again)->generation, 9);
	assert_int_equal(board_worker(board_region(again, 63))->pid, 42);
	board_free(again);
}

static void test_attach_refuses(void **state)
{
	struct stat st;
	int pipes[2], fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	(void)state;
	assert_null(board_attach(fd));
	close(fd);
	assert_int_equal(pipe(pipes), 0);
	assert_null(board_attach(pipes[0]));
	close(pipes[0]);
	close(pipes[1]);
	assert_null(board_attach(-1));
	struct board *b = board_new();
	assert_non_null(b);
	fstat(board_fd(b), &st);
	assert_int_equal(pwrite(board_fd(b), "other", 5, 8), 5); /* the layout's stamp */
	fd = dup(board_fd(b));
	assert_null(board_attach(fd));
	assert_int_equal(errno, EINVAL);
	close(fd);
	board_free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_claim_find_release),
		cmocka_unit_test(test_names_refused),
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_clear_gives_memory_and_holds_back),
		cmocka_unit_test(test_consistent_reads),
		cmocka_unit_test(test_attach),
		cmocka_unit_test(test_attach_refuses),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
