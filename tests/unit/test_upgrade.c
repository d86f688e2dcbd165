/* The handover between two masters, and what a reload may not change. */
#include "unit.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/mem.h"
#include "run/estate.h"
#include "run/upgrade.h"

static int open_null(void)
{
	return open("/dev/null", O_RDWR | O_CLOEXEC);
}

static bool is_cloexec(int fd)
{
	return (fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0;
}

static struct estate sample(void)
{
	struct estate e = {.slots = 2, .generation = 5};
	e.board_fd = open_null();
	e.lock_fd = open_null();
	e.life[0] = open_null();
	e.life[1] = open_null();
	e.news[0] = open_null();
	e.news[1] = open_null();
	e.log_fd = open_null();
	e.log_path = str_dup(STR("/var/log/kamal proxy.log"));
	e.listeners = mem_zero(2 * sizeof(*e.listeners));
	e.nlisteners = 2;
	for (unsigned i = 0; i < 2; i++) {
		e.listeners[i] = (struct listen_socket){.fd = open_null(), .slot = i};
		strcpy(e.listeners[i].address, "[::]:80");
	}
	e.workers = mem_zero(sizeof(*e.workers));
	e.nworkers = 1;
	e.workers[0] = (struct estate_worker){
		.pid = 4711, .region = 3, .slot = 1, .generation = 4, .retiring = true};
	e.leases = mem_zero(sizeof(*e.leases));
	e.nleases = 1;
	e.leases[0] = (struct estate_lease){
		.fd = open_null(), .stop = true, .service = "blog", .since_ms = 123456789012};
	return e;
}

static void close_all(const struct estate *e)
{
	const int fds[] = {e->board_fd, e->lock_fd, e->life[0], e->life[1],
			   e->news[0],  e->news[1], e->log_fd};
	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		close(fds[i]);
	for (size_t i = 0; i < e->nlisteners; i++)
		close(e->listeners[i].fd);
	for (size_t i = 0; i < e->nleases; i++)
		close(e->leases[i].fd);
}

static void test_handed_on_whole(void **state)
{
	struct estate e = sample(), got;
	(void)state;
	int fd = estate_write(&e);
	assert_true(fd >= 0);
	assert_false(is_cloexec(fd));
	assert_false(is_cloexec(e.lock_fd));
	assert_false(is_cloexec(e.listeners[1].fd));
	assert_false(is_cloexec(e.leases[0].fd));
	assert_true(estate_read(fd, &got));
	assert_int_equal(fcntl(fd, F_GETFD), -1);
	assert_true(is_cloexec(e.lock_fd));
	assert_true(is_cloexec(e.listeners[1].fd));
	assert_int_equal(got.slots, 2);
	assert_int_equal(got.generation, 5);
	assert_int_equal(got.board_fd, e.board_fd);
	assert_int_equal(got.life[1], e.life[1]);
	assert_int_equal(got.news[0], e.news[0]);
	assert_int_equal(got.log_fd, e.log_fd);
	assert_string_equal(got.log_path, e.log_path);
	assert_int_equal(got.nlisteners, 2);
	assert_int_equal(got.listeners[1].slot, 1);
	assert_string_equal(got.listeners[1].address, "[::]:80");
	assert_int_equal(got.nworkers, 1);
	assert_int_equal(got.workers[0].pid, 4711);
	assert_int_equal(got.workers[0].region, 3);
	assert_true(got.workers[0].retiring);
	assert_int_equal(got.nleases, 1);
	assert_int_equal(got.leases[0].fd, e.leases[0].fd);
	assert_true(got.leases[0].stop);
	assert_string_equal(got.leases[0].service, "blog");
	assert_int_equal(got.leases[0].since_ms, 123456789012);
	assert_true(is_cloexec(e.leases[0].fd));
	close_all(&e);
	estate_free(&got);
	estate_free(&e);
}

static void test_exec_failed(void **state)
{
	struct estate e = sample();
	(void)state;
	int fd = estate_write(&e);
	estate_keep(&e);
	assert_true(is_cloexec(e.news[0]));
	assert_true(is_cloexec(e.listeners[0].fd));
	close(fd);
	close_all(&e);
	estate_free(&e);
}

static int memfd_of(const char *text)
{
	int fd = memfd_create("test", MFD_CLOEXEC);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	return fd;
}

#define GOOD                                                                                       \
	"generation 1\nslots 1\nboard 900\nlock 901\nlife 902 903\nnews 904 905\nlog -1 off\n"     \
	"listener 906 0 0 127.0.0.1:80\n"

static void test_other_versions(void **state)
{
	struct estate e;
	(void)state;
	assert_true(estate_read(memfd_of("handover 1\n" GOOD "novelty 1 2 3\nend\n"), &e));
	assert_string_equal(e.log_path, "off");
	estate_free(&e);
	assert_false(estate_read(memfd_of("handover 2\n" GOOD "end\n"), &e));
	assert_false(estate_read(memfd_of("handover 1\n" GOOD), &e));
	assert_false(estate_read(memfd_of("handover 1\n" GOOD "listener x\nend\n"), &e));
	assert_false(estate_read(memfd_of("handover 1\n" GOOD "lease x\nend\n"), &e));
	assert_false(estate_read(memfd_of("handover 1\nslots 99\n" GOOD "end\n"), &e));
	assert_false(estate_read(memfd_of(""), &e));
	assert_false(estate_read(-1, &e));
}

static bool possible(const char *flag, const char *value, const char *in_force)
{
	char *argv[] = {(char *)flag, (char *)value, NULL};
	struct settings_error err;
	char why[512] = "";
	int rest;
	struct settings *s = settings_load(flag == NULL ? 0 : 2, argv, &rest, &err);
	assert_non_null(s);
	bool ok = upgrade_is_possible(s, in_force, why, sizeof(why));
	if (!ok)
		assert_non_null(strstr(why, "restart needed"));
	settings_free(s);
	return ok;
}

static void test_restart_needed(void **state)
{
	const char *all = "slots=2;runtime_dir=/run/kamal-proxy;listen=0.0.0.0:80,[::]:80,"
			  "tls:0.0.0.0:443,tls:[::]:443";
	const char *v4 = "slots=2;runtime_dir=/run/kamal-proxy;listen=0.0.0.0:80,"
			 "tls:0.0.0.0:443";
	(void)state;
	setenv("KAMAL_PROXY_WORKERS", "2", 1);
	assert_true(possible(NULL, NULL, all));
	assert_true(possible(NULL, NULL, v4)); /* a machine without IPv6 */
	assert_true(possible("--shutdown-timeout", "1s", all));
	assert_true(possible("--workers", "1", all));
	assert_false(possible("--workers", "3", all));
	assert_false(possible("--http-port", "81", all));
	assert_false(possible("--https-port", "444", all));
	assert_false(possible("--https-port", "0", all));
	assert_false(possible("--bind", "0.0.0.0", all));
	assert_true(possible("--bind", "0.0.0.0", v4));
	assert_false(possible("--runtime-dir", "/tmp", all));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_handed_on_whole),
		cmocka_unit_test(test_exec_failed),
		cmocka_unit_test(test_other_versions),
		cmocka_unit_test(test_restart_needed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
