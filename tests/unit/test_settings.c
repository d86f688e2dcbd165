/* The proxy's settings: defaults, file, environment, flags, their order, their limits, their
 * messages. */
#include "scratch.h"

#include "files/settings.h"

static struct scratch tmp;
static struct settings_error err;

static int setup(void **state)
{
	(void)state;
	clearenv();
	scratch_init(&tmp);
	put(&tmp, "kamal-proxy.ini", ""); /* not this machine's own */
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	scratch_fini(&tmp);
	return 0;
}

/* Flags in one text, parted by blanks. */
static struct settings *load_rest(const char *flags, int *rest)
{
	static char room[1024];
	char *argv[64];
	int argc = 0;
	snprintf(room, sizeof(room), "%s", flags);
	setenv("KAMAL_PROXY_CONFIG", at(&tmp, "kamal-proxy.ini"), 1);
	for (char *word = strtok(room, " "); word != NULL; word = strtok(NULL, " "))
		argv[argc++] = word;
	argv[argc] = NULL;
	strcpy(err.text, "");
	return settings_load(argc, argv, rest, &err);
}

static struct settings *load(const char *flags)
{
	int rest;
	struct settings *s = load_rest(flags, &rest);
	if (s == NULL)
		print_message("%s\n", err.text);
	assert_non_null(s);
	return s;
}

static void refuse(const char *flags, const char *message)
{
	int rest;
	struct settings *s = load_rest(flags, &rest);
	assert_null(s);
	if (strstr(err.text, message) == NULL)
		fail_msg("%s: got \"%s\", want \"%s\"", flags, err.text, message);
}

static void test_defaults(void **state)
{
	struct settings *s = load("");
	(void)state;
	assert_string_equal(s->proxy.services_dir, "/var/lib/kamal-proxy/services");
	assert_string_equal(s->proxy.user, "");
	assert_int_equal(s->proxy.http_port, 80);
	assert_int_equal(s->proxy.https_port, 443);
	assert_int_equal(s->proxy.bind.count, 0);
	assert_int_equal(s->proxy.shutdown_timeout, 30000);
	assert_int_equal(s->proxy.max_request_head, 32768);
	assert_false(s->proxy.debug);
	assert_in_range(s->proxy.worker_count, 1, 16);
	assert_int_equal(s->service.socket_timeout, 5000);
	assert_true(s->service.strip_path_prefix);
	assert_int_equal(s->service.set, 0);
	settings_free(s);
}

static void test_layers(void **state)
{
	(void)state;
	put(&tmp, "kamal-proxy.ini",
	    "[proxy]\nhttp_port = 1001\nmax_headers = 50\nworkers=3\n"
	    "trusted_proxies = 10.0.0.0/8, ::1\n[service]\n"
	    "socket_timeout = 500ms\n");
	setenv("HTTP_PORT", "1002", 1);
	struct settings *s = load("");
	assert_string_equal(s->file, at(&tmp, "kamal-proxy.ini"));
	assert_int_equal(s->proxy.http_port, 1002);
	assert_int_equal(s->proxy.max_headers, 50);
	assert_int_equal(s->proxy.worker_count, 3);
	assert_int_equal(s->proxy.trusted_proxies.count, 2);
	assert_int_equal(s->service.socket_timeout, 500);
	assert_int_not_equal(s->service.set, 0);
	settings_free(s);
	setenv("KAMAL_PROXY_HTTP_PORT", "1003", 1);
	setenv("KAMAL_PROXY_MAX_HEADERS", "", 1); /* empty: none */
	setenv("DEBUG", "1", 1);
	s = load("");
	assert_int_equal(s->proxy.http_port, 1003);
	assert_int_equal(s->proxy.max_headers, 50);
	assert_true(s->proxy.debug);
	settings_free(s);
	s = load("--http-port 1004 --debug false --trusted-proxies 1.2.3.4 --trusted-proxies=::/0");
	assert_int_equal(s->proxy.http_port, 1004);
	assert_false(s->proxy.debug);
	assert_int_equal(s->proxy.trusted_proxies.count, 2);
	assert_string_equal(s->proxy.trusted_proxies.item[1], "::/0");
	settings_free(s);
}

static void test_flag_forms(void **state)
{
	int rest;
	struct settings *s = load_rest("--debug --http-port=81 blog --user x", &rest);
	(void)state;
	assert_non_null(s);
	assert_true(s->proxy.debug);
	assert_int_equal(s->proxy.http_port, 81);
	assert_int_equal(rest, 2);
	settings_free(s);
	s = load_rest("--http-port 82 --", &rest);
	assert_int_equal(rest, 3);
	settings_free(s);
	put(&tmp, "other.ini", "[proxy]\nhttp_port = 83\n");
	char flags[SCRATCH_PATH + 8];
	snprintf(flags, sizeof(flags), "-c %s", at(&tmp, "other.ini"));
	s = load_rest(flags, &rest);
	assert_non_null(s);
	assert_int_equal(s->proxy.http_port, 83);
	assert_int_equal(rest, 2);
	settings_free(s);
	refuse("-c", "-c needs a file");
	refuse("-c /nowhere/x.ini", "/nowhere/x.ini: no such file");
	refuse("-x", "-x: no such flag");
	refuse("--http-port", "--http-port needs a value");
	refuse("--htp-port 80", "--htp-port: no such flag; did you mean --http-port?");
	refuse("--http_port 80", "did you mean --http-port?");
	refuse("--quite-another 80", "--quite-another: no such flag");
	refuse("--socket-timeout 5s", "an option of services");
}

static void test_limits(void **state)
{
	static const struct {
		const char *flags, *message;
	} bad[] = {
		{"--http-port 99999", "--http-port 99999: not a port; use 1 to 65535"},
		{"--http-port=0", "--http-port 0: not a port"},
		{"--http-port x", "not a number"},
		{"--workers 17", "use auto or 1 to 16"},
		{"--workers 0", "use auto or 1 to 16"},
		{"--bind localhost", "localhost: not a numeric address"},
		{"--bind unix:run/x", "not unix:/path"},
		{"--max-headers 257", "use 1 to 256"},
		{"--max-request-head 65k", "use 1k to 64k"},
		{"--max-request-head 4k",
		 "max_request_line (8192) is more than max_request_head (4096)"},
		{"--trusted-proxies 10.0.0.0/33", "10.0.0.0/33: not a network"},
		{"--trusted-proxies ::1,10.0.0", "10.0.0: not a network"},
		{"--access-log log.txt", "use stdout, off or"},
		{"--log-format text", "not built yet"},
		{"--log-format xml", "use json"},
		{"--log-level loud", "use debug, info, warn or error"},
		{"--user root", "refused"},
		{"--services-dir=", "name a directory"},
		{"--head-timeout 10", "not a duration; use 500ms"},
		{"--head-timeout 9999h", "use at most 8760h"},
		{"--max-request-line lots", "not a size"},
		{"--debug=maybe", "use true or false"},
		{"--https-port 70000", "not a port; use 1 to 65535, or 0 for none"},
		{"--h2c=maybe", "use true or false"},
		{"--max-streams 0", "use 1 to 10000"},
		{"--acme-email=me@example.com", "acme_email is not built yet"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		refuse(bad[i].flags, bad[i].message);
	settings_free(load("--https-port 0 --h2c false --proxy-protocol off --acme-email= "
			   "--max-streams 100 --metrics-port 0 --https-port 443"));
	struct settings *s = load(
		"--bind 127.0.0.1,[::1] --access-log /var/log/x --workers 16 "
		"--max-request-head 64k --max-request-line 64k --max-headers 256");
	assert_string_equal(s->proxy.bind.item[1], "::1");
	assert_int_equal(s->proxy.worker_count, 16);
	settings_free(s);
}

static void test_messages_name_the_place(void **state)
{
	(void)state;
	put(&tmp, "kamal-proxy.ini", "[proxy]\nhttp_port = 99999\n");
	refuse("", "kamal-proxy.ini: [proxy] http_port = 99999: not a port; use 1 to 65535");
	put(&tmp, "kamal-proxy.ini", "[proxy]\nhttp_prt = 80\n");
	refuse("",
	       "kamal-proxy.ini: [proxy] http_prt = 80: no such option; did you mean http_port?");
	put(&tmp, "kamal-proxy.ini", "[proxy]\nhosts = a.example\n");
	refuse("", "[proxy] hosts = a.example: belongs to [service]");
	put(&tmp, "kamal-proxy.ini", "[service]\nbuffer_requests = true\n");
	refuse("", "kamal-proxy.ini: [service] buffer_requests = true: buffer_requests is not "
		   "built yet");
	put(&tmp, "kamal-proxy.ini", "");
	setenv("HTTP_PORT", "http", 1);
	refuse("", "HTTP_PORT=http: not a number");
	setenv("KAMAL_PROXY_HTTP_PORT", "70000", 1);
	refuse("", "KAMAL_PROXY_HTTP_PORT=70000: not a port");
	setenv("KAMAL_PROXY_HTTP_PORT", "8\x01", 1);
	refuse("", "KAMAL_PROXY_HTTP_PORT=: a control character");
}

static void test_kinds_of_file(void **state)
{
	(void)state;
	put(&tmp, "real.ini", "[proxy]\nhttp_port = 8123\n");
	assert_int_equal(unlink(at(&tmp, "kamal-proxy.ini")), 0);
	assert_int_equal(symlink("real.ini", at(&tmp, "kamal-proxy.ini")), 0);
	struct settings *linked = load("");
	assert_int_equal(linked->proxy.http_port, 8123);
	settings_free(linked);
	assert_int_equal(unlink(at(&tmp, "kamal-proxy.ini")), 0);
	assert_int_equal(mkfifo(at(&tmp, "kamal-proxy.ini"), 0644), 0);
	refuse("", "kamal-proxy.ini: not a regular file");
	assert_int_equal(unlink(at(&tmp, "kamal-proxy.ini")), 0);
	put(&tmp, "kamal-proxy.ini", "");
	assert_int_equal(truncate(at(&tmp, "kamal-proxy.ini"), 65537), 0);
	refuse("", "kamal-proxy.ini: larger than 64 kB");
}

static void test_service_names(void **state)
{
	char name[65];
	(void)state;
	memset(name, 'a', sizeof(name));
	assert_true(settings_is_service_name(STR("a")));
	assert_true(settings_is_service_name(STR("www.example.com_2-b")));
	assert_true(settings_is_service_name(STR("-")));
	assert_true(settings_is_service_name(str_make(name, 63)));
	assert_false(settings_is_service_name(str_make(name, 64)));
	assert_false(settings_is_service_name(STR("")));
	assert_false(settings_is_service_name(STR(".a")));
	assert_false(settings_is_service_name(STR("A")));
	assert_false(settings_is_service_name(STR("a/b")));
	assert_false(settings_is_service_name(STR("a b")));
	assert_false(settings_is_service_name(STR("a\xc3\xa4")));
}

static char *printed(void (*print)(FILE *))
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);
	print(f);
	fclose(f);
	return text;
}

/* The file in the tree is what the tables say, and reads as nothing but defaults. */
static void test_shipped_ini(void **state)
{
	static char shipped[65536];
	char *want = printed(settings_print_ini);
	FILE *f = fopen("kamal-proxy.ini", "r");
	(void)state;
	assert_non_null(f);
	shipped[fread(shipped, 1, sizeof(shipped) - 1, f)] = '\0';
	fclose(f);
	assert_string_equal(shipped, want);
	for (char *p = want; (p = strstr(p, "\n#")) != NULL; p++) {
		if (p[2] != ' ')
			p[1] = ' '; /* every option taken in, at its default */
	}
	put(&tmp, "kamal-proxy.ini", want);
	free(want);
	struct settings *s = load("");
	assert_int_equal(s->proxy.http_port, 80);
	assert_int_equal(s->proxy.body_timeout, 30000);
	settings_free(s);
}

static void print_service_flags(FILE *to)
{
	settings_print_flags(to, true);
}

static void print_proxy_flags(FILE *to)
{
	settings_print_flags(to, false);
}

static void test_help(void **state)
{
	char *proxy = printed(print_proxy_flags), *service = printed(print_service_flags);
	(void)state;
	assert_non_null(strstr(proxy, "  --http-port NUMBER "));
	assert_non_null(strstr(proxy, "[80]\n"));
	assert_non_null(strstr(service, "  --socket-timeout TIME "));
	assert_non_null(strstr(service, "(not built yet)"));
	free(proxy);
	free(service);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_defaults, setup, teardown),
		cmocka_unit_test_setup_teardown(test_layers, setup, teardown),
		cmocka_unit_test_setup_teardown(test_flag_forms, setup, teardown),
		cmocka_unit_test_setup_teardown(test_limits, setup, teardown),
		cmocka_unit_test_setup_teardown(test_messages_name_the_place, setup, teardown),
		cmocka_unit_test_setup_teardown(test_kinds_of_file, setup, teardown),
		cmocka_unit_test_setup_teardown(test_service_names, setup, teardown),
		cmocka_unit_test_setup_teardown(test_shipped_ini, setup, teardown),
		cmocka_unit_test_setup_teardown(test_help, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
