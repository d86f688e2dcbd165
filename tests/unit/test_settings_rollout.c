/* rollout.ini, read and set; and the options as `set --dry-run` shows them. */
#include "scratch.h"

#include "files/settings.h"

static struct scratch tmp;
static struct settings_error err;
static struct settings *base;

static int setup(void **state)
{
	int rest;
	(void)state;
	clearenv();
	scratch_init(&tmp);
	put(&tmp, "kamal-proxy.ini", "[service]\ndrain_timeout = 7s\nlog_request_header = x-a\n");
	setenv("KAMAL_PROXY_CONFIG", at(&tmp, "kamal-proxy.ini"), 1);
	base = settings_load(0, NULL, &rest, &err);
	return base == NULL ? -1 : 0;
}

static int teardown(void **state)
{
	(void)state;
	settings_free(base);
	scratch_fini(&tmp);
	return 0;
}

static int words(char *flags, char **argv)
{
	int argc = 0;
	for (char *word = strtok(flags, " "); word != NULL; word = strtok(NULL, " "))
		argv[argc++] = word;
	return argc;
}

static void check(int rc, const char *flags, const char *message)
{
	if (message == NULL && rc != 0)
		fail_msg("%s: %s", flags, err.text);
	if (message != NULL && (rc != -1 || strstr(err.text, message) == NULL))
		fail_msg("%s: got \"%s\", want \"%s\"", flags, err.text, message);
}

static void set(const char *flags, const char *message)
{
	char room[1024], *argv[64];
	snprintf(room, sizeof(room), "%s", flags);
	int argc = words(room, argv);
	check(settings_set(tmp.dir, SETTINGS_CANARY, argc, argv, &err), flags, message);
}

/* What is shown; good until the next call. */
static const char *preview(const char *dir, enum settings_file file, const char *flags,
			   const char *message)
{
	static char text[8192];
	char room[1024], *argv[64];
	FILE *f = fmemopen(text, sizeof(text), "w");
	snprintf(room, sizeof(room), "%s", flags);
	int argc = words(room, argv);
	text[0] = '\0';
	check(settings_preview(f, dir, file, &base->service, argc, argv, &err), flags, message);
	fclose(f);
	return text;
}

static bool is_there(const char *name)
{
	return access(at(&tmp, name), F_OK) == 0;
}

static void holds(const char *name, const char *want)
{
	char text[4096];
	FILE *f = fopen(at(&tmp, name), "r");
	assert_non_null(f);
	text[fread(text, 1, sizeof(text) - 1, f)] = '\0';
	fclose(f);
	assert_string_equal(text, want);
}

static void has_line(const char *text, const char *line)
{
	char want[256];
	snprintf(want, sizeof(want), "\n%s\n", line);
	if (strstr(text, want) == NULL && strncmp(text, want + 1, strlen(want + 1)) != 0)
		fail_msg("\"%s\" is not in:\n%s", line, text);
}

static void test_load(void **state)
{
	(void)state;
	put(&tmp, "rollout.ini", "percent = 10\nlist = alice, bob b,,carol\n");
	struct rollout_settings *r = settings_load_rollout(tmp.dir, &err);
	assert_non_null(r);
	assert_int_equal(r->percent, 10);
	assert_int_equal(r->list.count, 3);
	assert_string_equal(r->list.item[1], "bob b");
	settings_free_rollout(r);
	put(&tmp, "rollout.ini", "# nobody yet\n");
	r = settings_load_rollout(tmp.dir, &err);
	assert_non_null(r);
	assert_int_equal(r->percent, 0);
	assert_int_equal(r->list.count, 0);
	settings_free_rollout(r);
	put(&tmp, "rollout.ini", "[rollout]\npercent = 100\n");
	r = settings_load_rollout(tmp.dir, &err);
	assert_non_null(r);
	assert_int_equal(r->percent, 100);
	settings_free_rollout(r);
	settings_free_rollout(NULL);
}

static void test_load_refuses(void **state)
{
	static const struct {
		const char *text, *message;
	} bad[] = {
		{"percent = 101\n", "rollout.ini: [rollout] percent = 101: out of range"},
		{"percent = 10%\n", "percent = 10%: not a number; use digits alone"},
		{"percent = 5\npercent = 6\n", "is set twice"},
		{"percnt = 5\n", "did you mean percent?"},
		{"hosts = a.example\n", "hosts = a.example: belongs to [service]"},
		{"http_port = 80\n", "belongs to [proxy] of kamal-proxy.ini"},
		{"[service]\n", "[service]: no such section; use [rollout]"},
		{"list = a;b\n", "need quotes around the value"},
	};
	(void)state;
	assert_null(settings_load_rollout(tmp.dir, &err));
	assert_non_null(strstr(err.text, "rollout.ini: no such file"));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		put(&tmp, "rollout.ini", bad[i].text);
		assert_null(settings_load_rollout(tmp.dir, &err));
		if (strstr(err.text, bad[i].message) == NULL)
			fail_msg("got \"%s\", want \"%s\"", err.text, bad[i].message);
	}
	assert_int_equal(unlink(at(&tmp, "rollout.ini")), 0);
	assert_int_equal(symlink("kamal-proxy.ini", at(&tmp, "rollout.ini")), 0);
	assert_null(settings_load_rollout(tmp.dir, &err));
	assert_non_null(strstr(err.text, "a symbolic link"));
}

static void test_set(void **state)
{
	(void)state;
	set("--percent 10", NULL);
	holds("rollout.ini", "[rollout]\npercent = 10\n");
	set("--list a,b --list c", NULL);
	holds("rollout.ini", "[rollout]\npercent = 10\nlist = a,b, c\n");
	set("--percent=0 --list=", NULL);
	holds("rollout.ini", "[rollout]\npercent = 0\nlist =\n");
	assert_false(is_there("service.ini"));
	set("--percent 101", "--percent 101: out of range; use 0 to 100");
	set("--target-timeout 1s", "an option of the service; set it without --rollout");
	set("--http-port 1", "an option of the proxy");
	set("--percnt 1", "did you mean --percent?");
	set("--percent", "--percent needs a value");
	holds("rollout.ini", "[rollout]\npercent = 0\nlist =\n");
	put(&tmp, "rollout.ini", "percent = many\n");
	set("--list a", "rollout.ini: [rollout] percent = many");
}

static void test_preview(void **state)
{
	(void)state;
	const char *text = preview(at(&tmp, "none"), SETTINGS_SERVICE, "", NULL);
	assert_int_equal(strncmp(text, "hosts =\npath_prefix =\nstrip_path_prefix = true\n", 47),
			 0);
	has_line(text, "drain_timeout = 7000ms");
	has_line(text, "max_held = 10000");
	has_line(text, "health_check_path = /up");
	has_line(text, "buffer_memory = 1048576");
	has_line(text, "tls = false");
	has_line(text, "log_request_header = x-a");
	assert_false(is_there("none"));
	put(&tmp, "service.ini", "hosts = A.example\nmax_pause = 2m\n");
	put(&tmp, "hosts", "b.example\na.example\n");
	text = preview(tmp.dir, SETTINGS_SERVICE, "--max-held 5 --path-prefix /a --path-prefix /b",
		       NULL);
	has_line(text, "hosts = a.example, b.example");
	has_line(text, "path_prefix = /a, /b");
	has_line(text, "max_pause = 120000ms");
	has_line(text, "max_held = 5");
	holds("service.ini", "hosts = A.example\nmax_pause = 2m\n");
	assert_string_equal(
		preview(tmp.dir, SETTINGS_SERVICE, "--max-held x", "--max-held x: not a number"),
		"");
	put(&tmp, "hosts", "not/one\n");
	assert_string_equal(preview(tmp.dir, SETTINGS_SERVICE, "", "hosts: line 1: not/one"), "");
	put(&tmp, "service.ini", "max_held = x\n");
	preview(tmp.dir, SETTINGS_SERVICE, "--max-pause 1s", "service.ini: [service] max_held = x");
}

static void test_preview_of_canary(void **state)
{
	(void)state;
	put(&tmp, "rollout.ini", "list = a, b\n");
	assert_string_equal(preview(tmp.dir, SETTINGS_CANARY, "--percent 3", NULL),
			    "percent = 3\nlist = a, b\n");
	holds("rollout.ini", "list = a, b\n");
	assert_string_equal(preview(at(&tmp, "none"), SETTINGS_CANARY, "", NULL),
			    "percent = 0\nlist =\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_load, setup, teardown),
		cmocka_unit_test_setup_teardown(test_load_refuses, setup, teardown),
		cmocka_unit_test_setup_teardown(test_set, setup, teardown),
		cmocka_unit_test_setup_teardown(test_preview, setup, teardown),
		cmocka_unit_test_setup_teardown(test_preview_of_canary, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
