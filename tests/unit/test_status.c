/* Status files: what is written is read back, scripts can rely on the text, rubbish is refused. */
#include "scratch.h"

#include <errno.h>

#include "base/log.h"
#include "files/status.h"

static struct scratch tmp;

static int setup(void **state)
{
	(void)state;
	scratch_init(&tmp);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	scratch_fini(&tmp);
	return 0;
}

static void fill(struct status *s)
{
	status_init(s);
	strcpy(s->service, "blog");
	s->state = SERVICE_RUNNING;
	s->pause = (struct file_id){.dev = 1, .ino = 77, .ctime_ns = 1767322800123456789};
	s->generation = 3;
	status_set_text(&s->hosts, "a.example, b.example");
	status_set_text(&s->path, "/api");
	s->in_flight = 4;
	s->requests = 18446744073709551615u;
	s->cut_off = 1;
	s->since_ms = 1767322800678;
	status_set_text(&s->error, "two\nlines");
	s->settings = 0xabc;
	status_add_target(s, "app.sock", 4711, TARGET_READY, 4);
	status_add_target(s, "my app.sock", 12, TARGET_DRAINING, 0);
	status_add_target(s, "x.sock", 13, TARGET_DENIED, 9);
}

static void test_text(void **state)
{
	static const char want[] = "service: blog\nstate: running\npause: 77 1767322800.123456789\n"
				   "stop: -\ngeneration: 3\nhosts: a.example, b.example\n"
				   "path: /api\ntls: false\ncertificate: -\nin_flight: 4\n"
				   "draining: 0\ntunnels: 0\nheld: 0\n"
				   "requests: 18446744073709551615\nerrors: 0\ncut_off: 1\n"
				   "since: 2026-01-02T03:00:00.678Z\nerror: two?lines\n"
				   "settings: 0000000000000abc\ntargets:\n"
				   "  app.sock 4711 ready 4\n  my app.sock 12 draining 0\n"
				   "  x.sock 13 denied 9\n";
	char got[2048] = "";
	struct status s;
	(void)state;
	fill(&s);
	assert_int_equal(status_write(tmp.dir, &s), 0);
	FILE *f = fopen(at(&tmp, "status/blog"), "r");
	assert_non_null(f);
	got[fread(got, 1, sizeof(got) - 1, f)] = '\0';
	fclose(f);
	assert_string_equal(got, want);
	status_fini(&s);
}

static void test_there_and_back(void **state)
{
	struct status s, r;
	(void)state;
	fill(&s);
	s.tls = true;
	s.pause.ctime_ns = -5; /* before 1970 */
	assert_int_equal(status_write(tmp.dir, &s), 0);
	assert_true(status_read(tmp.dir, "blog", &r));
	assert_string_equal(r.service, "blog");
	assert_int_equal(r.state, SERVICE_RUNNING);
	assert_int_equal(r.pause.ino, 77);
	assert_int_equal(r.pause.ctime_ns, -5);
	assert_int_equal(r.stop.ino, 0);
	assert_int_equal(r.generation, 3);
	assert_string_equal(r.hosts, s.hosts);
	assert_string_equal(r.path, "/api");
	assert_true(r.tls);
	assert_int_equal(r.requests, UINT64_MAX);
	assert_int_equal(r.since_ms, s.since_ms);
	assert_string_equal(r.error, "two?lines");
	assert_int_equal(r.settings, 0xabc);
	assert_int_equal(r.ntargets, 3);
	assert_string_equal(r.targets[1].name, "my app.sock");
	assert_int_equal(r.targets[1].inode, 12);
	assert_int_equal(r.targets[1].state, TARGET_DRAINING);
	assert_int_equal(r.targets[2].in_flight, 9);
	status_fini(&r);
	status_fini(&s);
}

static void test_nothing_left_over(void **state)
{
	struct status s, r;
	int names = 0;
	(void)state;
	fill(&s);
	assert_int_equal(status_write(tmp.dir, &s), 0);
	assert_int_equal(status_write(tmp.dir, &s), 0);
	DIR *d = opendir(at(&tmp, "status"));
	for (struct dirent *e; (e = readdir(d)) != NULL;)
		names += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
	closedir(d);
	assert_int_equal(names, 1);
	assert_int_equal(status_remove(tmp.dir, "blog"), 0);
	assert_false(status_read(tmp.dir, "blog", &r));
	status_fini(&r);
	status_fini(&s);
}

static void test_errors(void **state)
{
	struct status s;
	(void)state;
	assert_false(status_read(tmp.dir, "none", &s));
	assert_int_equal(errno, ENOENT);
	status_fini(&s);
	fill(&s);
	errno = 0;
	assert_int_equal(status_write("/proc/none", &s), -1);
	assert_int_not_equal(errno, 0);
	status_fini(&s);
}

static void test_rubbish(void **state)
{
	static const char *const bad[] = {
		"",
		"service: blog\n",
		"service: blog\nstate: running\ntargets:",
		"state: running\ntargets:\n",
		"service: blog\nstate: dancing\ntargets:\n",
		"service: blog\nin_flight: -1\ntargets:\n",
		"service: blog\npause: 12\ntargets:\n",
		"service: blog\npause: 12 1.5\ntargets:\n",
		"service: blog\nsince: yesterday\ntargets:\n",
		"service: blog\nno colon\ntargets:\n",
		"service: blog\ntargets:\n  app.sock 12 ready\n",
		"service: blog\ntargets:\n  app.sock 12 resting 0\n",
		"service: blog\ntargets:\n   \n",
	};
	(void)state;
	make_dir(&tmp, "status");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct status s;
		put(&tmp, "status/blog", bad[i]);
		if (status_read(tmp.dir, "blog", &s))
			fail_msg("accepted: %s", bad[i]);
		assert_int_equal(errno, EINVAL);
		status_fini(&s);
	}
	put(&tmp, "status/blog", "service: blog\nfrom: the future\nstate: paused\ntargets:\n");
	struct status s;
	assert_true(status_read(tmp.dir, "blog", &s));
	assert_int_equal(s.state, SERVICE_PAUSED);
	status_fini(&s);
}

static void test_names(void **state)
{
	enum service_state back;
	(void)state;
	for (int i = SERVICE_RUNNING; i <= SERVICE_INVALID; i++) {
		assert_true(service_state_parse(service_state_name((enum service_state)i), &back));
		assert_int_equal(back, i);
	}
	assert_string_equal(service_state_name(SERVICE_NO_SOCKET), "no-socket");
	assert_string_equal(target_state_name(TARGET_REFUSED), "refused");
	assert_false(service_state_parse("", &back));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_text, setup, teardown),
		cmocka_unit_test_setup_teardown(test_there_and_back, setup, teardown),
		cmocka_unit_test_setup_teardown(test_nothing_left_over, setup, teardown),
		cmocka_unit_test_setup_teardown(test_errors, setup, teardown),
		cmocka_unit_test_setup_teardown(test_rubbish, setup, teardown),
		cmocka_unit_test(test_names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
