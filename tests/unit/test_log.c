/* The program's own messages: one line each, whatever is in them, and never a wait for their reader. */
#include "unit.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"

static int ends[2];
static int real_stderr;

static int setup(void **state)
{
	(void)state;
	assert_int_equal(pipe(ends), 0);
	real_stderr = dup(STDERR_FILENO);
	assert_true(dup2(ends[1], STDERR_FILENO) >= 0);
	log_set_level(LOG_INFO);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	dup2(real_stderr, STDERR_FILENO);
	close(real_stderr);
	close(ends[0]);
	close(ends[1]);
	log_set_prefix(NULL);
	return 0;
}

static const char *line(void)
{
	static char text[16384];
	ssize_t n = read(ends[0], text, sizeof(text) - 1);
	assert_true(n > 0);
	text[n] = '\0';
	return text;
}

static void test_a_line(void **state)
{
	(void)state;
	log_set_prefix("worker 1.0: ");
	log_debug("unheard");
	log_warn("name \"%s\"\n%c", "a\tb", 0x7f);
	const char *text = line();
	assert_non_null(strstr(text, "Z warn  worker 1.0: name \"a\\x09b\"\\x0a\\x7f\n"));
	assert_int_equal(strchr(text, '\n') - text, strlen(text) - 1);
}

static void test_long_lines_are_cut(void **state)
{
	static char much[8192];
	(void)state;
	memset(much, 'x', sizeof(much) - 1);
	log_error("%s", much);
	assert_in_range(strlen(line()), 2000, 2200);
}

static void test_a_full_pipe_stops_nobody(void **state)
{
	char fill[4096] = {0};
	(void)state;
	assert_int_equal(fcntl(ends[1], F_SETFL, O_NONBLOCK), 0);
	while (write(ends[1], fill, sizeof(fill)) > 0)
		;
	assert_int_equal(fcntl(ends[1], F_SETFL, 0), 0);
	log_error("lost"); /* would wait for ever */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_a_line, setup, teardown),
		cmocka_unit_test_setup_teardown(test_long_lines_are_cut, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_full_pipe_stops_nobody, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
