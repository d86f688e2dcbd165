/* A service's settings: defaults, service.ini, hosts; and `set`, which writes service.ini anew. */
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
	put(&tmp, "kamal-proxy.ini", ""); /* not this machine's own */
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

static struct service_settings *load(void)
{
	struct service_settings *s = settings_load_service(tmp.dir, &base->service, &err);
	if (s == NULL)
		print_message("%s\n", err.text);
	assert_non_null(s);
	return s;
}

static void refuse(const char *file, const char *text, const char *message)
{
	put(&tmp, file, text);
	assert_null(settings_load_service(tmp.dir, &base->service, &err));
	if (strstr(err.text, message) == NULL)
		fail_msg("got \"%s\", want \"%s\"", err.text, message);
}

static void test_layers(void **state)
{
	(void)state;
	base->service.drain_timeout = 7;
	struct service_settings *s = load();
	assert_int_equal(s->drain_timeout, 7);
	assert_int_equal(s->hosts.count, 0);
	assert_int_equal(s->set, 0);
	settings_free_service(s);
	put(&tmp, "service.ini",
	    "hosts = A.example, *.B.example.\nsocket_timeout = 1s\n"
	    "path_prefix = /api/, /\nstrip_path_prefix = false\n");
	put(&tmp, "hosts", "# customers\n\nc.example # the third\r\na.EXAMPLE\n  d.example");
	s = load();
	assert_int_equal(s->hosts.count, 4);
	assert_string_equal(s->hosts.item[0], "a.example");
	assert_string_equal(s->hosts.item[1], "*.b.example");
	assert_string_equal(s->hosts.item[2], "c.example");
	assert_string_equal(s->hosts.item[3], "d.example");
	assert_string_equal(s->path_prefix.item[0], "/api");
	assert_string_equal(s->path_prefix.item[1], "/");
	assert_int_equal(s->socket_timeout, 1000);
	assert_int_equal(s->drain_timeout, 7);
	assert_false(s->strip_path_prefix);
	settings_free_service(s);
}

static void test_refused(void **state)
{
	static const struct {
		const char *text, *message;
	} bad[] = {
		{"socket_timeout = 5\n",
		 "service.ini: [service] socket_timeout = 5: not a duration"},
		{"http_port = 80\n", "belongs to [proxy] of kamal-proxy.ini"},
		{"sockt_timeout = 5s\n", "did you mean socket_timeout?"},
		{"[proxy]\n", "[proxy]: no such section; use [service]"},
		{"hosts = a_b.example\n", "a_b.example: not a host name"},
		{"hosts = a.*.example\n", "not a host name"},
		{"hosts = -a.example\n", "not a host name"},
		{"hosts = a..example\n", "not a host name"},
		{"hosts = example.com:80\n", "without scheme and port"},
		{"path_prefix = api\n", "api: a path begins with /"},
		{"path_prefix = /a//b\n", "remove the empty"},
		{"path_prefix = /a/../b\n", "remove the empty, . and .."},
		{"path_prefix = /a?b\n", "percent-encoded"},
		{"log_request_header = a b\n", "a b: not a header's name"},
		{"max_held = 1000001\n", "use 0 to 1000000"},
		{"health_check_path = up\n", "health_check_path = up: not a path; write one"},
		{"health_check_path =\n", "not a path; write one that begins with /"},
		{"health_check_path = /a b\n", "a blank in a path"},
		{"health_check_host = http://x\n", "not a Host; write example.com"},
		{"health_check_host = a b\n", "not a Host"},
		{"percent = 5\n", "percent = 5: belongs to [rollout] of rollout.ini"},
		{"tls = true\npath_prefix = /api\n", "the service with the host's root"},
		{"tls_certificate_path = /a.pem\n", "go together"},
		{"tls_client_ca = ca.pem\n", "write the whole path"},
		{"hsts = yes\n", "max-age"},
		{"max_request_body = 1m\n", "max_request_body is not built yet"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		refuse("service.ini", bad[i].text, bad[i].message);
	put(&tmp, "service.ini",
	    "tls = false\nmax_request_body = 0\nhealth_check_path = /up?deep=1\n"
	    "max_pause = 1m\nlease_timeout = 0\ndeploy_timeout = 2m\n"
	    "health_check_host = a.example:8080\n");
	struct service_settings *s = load();
	assert_int_equal(s->max_pause, 60000);
	assert_int_equal(s->lease_timeout, 0);
	assert_string_equal(s->health_check_path, "/up?deep=1");
	settings_free_service(s);
	refuse("hosts", "a.example\nnot/one\n", "hosts: line 2: not/one: not a host name");
}

static void test_links_refused(void **state)
{
	(void)state;
	put(&tmp, "elsewhere", "hosts = a.example\n");
	assert_int_equal(symlink("elsewhere", at(&tmp, "service.ini")), 0);
	assert_null(settings_load_service(tmp.dir, &base->service, &err));
	assert_non_null(strstr(err.text, "service.ini: a symbolic link"));
}

static void test_many_hosts(void **state)
{
	FILE *f = fopen(at(&tmp, "hosts"), "w");
	(void)state;
	for (int i = 0; i < 20000; i++)
		fprintf(f, "customer-%d.example.com\n", i % 10000);
	fclose(f);
	struct service_settings *s = load();
	assert_int_equal(s->hosts.count, 10000);
	settings_free_service(s);
}

static void set(const char *flags, const char *message)
{
	static char room[1024];
	char *argv[64];
	int argc = 0;
	snprintf(room, sizeof(room), "%s", flags);
	for (char *word = strtok(room, " "); word != NULL; word = strtok(NULL, " "))
		argv[argc++] = word;
	int rc = settings_set(tmp.dir, SETTINGS_SERVICE, argc, argv, &err);
	if (message == NULL && rc != 0)
		fail_msg("%s: %s", flags, err.text);
	if (message != NULL && (rc != -1 || strstr(err.text, message) == NULL))
		fail_msg("%s: got \"%s\", want \"%s\"", flags, err.text, message);
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

static void test_set(void **state)
{
	(void)state;
	set("--socket-timeout 2s --host b.example --host a.example,c.example", NULL);
	holds("service.ini", "[service]\nhosts = b.example, a.example,c.example\n"
			     "socket_timeout = 2s\n");
	set("--strip-path-prefix=false --socket-timeout=3s --path-prefix /x;y", NULL);
	holds("service.ini", "[service]\nhosts = b.example, a.example,c.example\n"
			     "path_prefix = \"/x;y\"\nstrip_path_prefix = false\n"
			     "socket_timeout = 3s\n");
	set("--hosts= --strip-path-prefix --path-prefix /z", NULL);
	holds("service.ini", "[service]\nhosts =\npath_prefix = /z\nstrip_path_prefix = true\n"
			     "socket_timeout = 3s\n");
	struct service_settings *s = load();
	assert_int_equal(s->hosts.count, 0);
	settings_free_service(s);
}

static void test_set_refuses(void **state)
{
	(void)state;
	put(&tmp, "service.ini", "socket_timeout = 2s\n");
	set("--socket-timeout soon", "--socket-timeout soon: not a duration");
	set("--http-port 80", "an option of the proxy");
	set("--percent 5", "--percent: an option of the canary; set it with --rollout");
	set("--tls --path-prefix /api", "the service with the host's root");
	set("--error-pages /x", "--error-pages is not built yet");
	set("--socket-timeout 1s blog", "blog: not a flag");
	set("-c x", "-c: no such flag");
	set("--path-prefix /\"';", "closing quote");
	holds("service.ini", "socket_timeout = 2s\n");
	put(&tmp, "service.ini", "socket_timeout = 2\n");
	set("--max-held 1", "socket_timeout = 2: not a duration");
	holds("service.ini", "socket_timeout = 2\n");
}

static struct timespec mtime_of(const char *name)
{
	struct stat st;
	assert_int_equal(stat(at(&tmp, name), &st), 0);
	return st.st_mtim;
}

/* The file's mtime dates the claim: it stays unless the claim changes. */
static void test_set_keeps_the_claim(void **state)
{
	const struct timespec old[2] = {{.tv_sec = 1000, .tv_nsec = 5},
					{.tv_sec = 1000, .tv_nsec = 5}};
	struct stat dir;
	(void)state;
	set("--max-held 5", NULL);
	stat(tmp.dir, &dir);
	assert_true(mtime_of("service.ini").tv_sec <=
		    dir.st_mtim.tv_sec); /* the directory's birth */
	put(&tmp, "service.ini", "hosts = a.example\n");
	assert_int_equal(chmod(at(&tmp, "service.ini"), 0640), 0);
	assert_int_equal(utimensat(AT_FDCWD, at(&tmp, "service.ini"), old, 0), 0);
	set("--max-held 5", NULL);
	assert_int_equal(mtime_of("service.ini").tv_sec, 1000);
	assert_int_equal(mtime_of("service.ini").tv_nsec, 5);
	set("--host A.example", NULL); /* the same host */
	assert_int_equal(mtime_of("service.ini").tv_sec, 1000);
	set("--host b.example", NULL);
	assert_int_not_equal(mtime_of("service.ini").tv_sec, 1000);
	struct stat st;
	stat(at(&tmp, "service.ini"), &st);
	assert_int_equal(st.st_mode & 07777, 0640);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_layers, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_links_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_many_hosts, setup, teardown),
		cmocka_unit_test_setup_teardown(test_set, setup, teardown),
		cmocka_unit_test_setup_teardown(test_set_refuses, setup, teardown),
		cmocka_unit_test_setup_teardown(test_set_keeps_the_claim, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
