/* Error pages: a service's own files, what is put into them, and what is no page. */
#include "service_stage.h"

#include "proxy/page.h"
#include "service/errorpage.h"

static struct errorpages *pages;
static char dir[PATH_MAX];

static int set_up(void **state)
{
	stage_up(state);
	mkdir(in_stage("blog"), 0755);
	snprintf(dir, sizeof(dir), "%s", in_stage("blog"));
	log_set_level(LOG_ERROR);
	return 0;
}

static int tear_down(void **state)
{
	errorpages_free(pages);
	pages = NULL;
	return stage_down(state);
}

static struct str get(int status)
{
	return errorpage_get(&pages, "blog", dir, status);
}

static void assert_page(int status, const char *text)
{
	struct str page = get(status);

	assert_int_equal(page.n, strlen(text));
	assert_true(str_eq(page, str_of(text)));
}

/* As if a second had passed. */
static void forget_when_it_was_looked_at(void)
{
	errorpages_free(pages);
	pages = NULL;
}

static void a_page_is_read_when_wanted_and_kept_for_a_second(void **state)
{
	(void)state;
	assert_page(503, "");
	mkdir(in_stage("blog/errors"), 0755);
	stage_write("blog/errors/503.html", "one");
	assert_page(503, "");
	forget_when_it_was_looked_at();
	assert_page(503, "one");
	assert_page(404, "");
	assert_page(500, "");
	stage_write("blog/errors/503.html", "two");
	assert_page(503, "one");
	usleep(1010000);
	assert_page(503, "two");
	unlink(in_stage("blog/errors/503.html"));
	usleep(1010000);
	assert_page(503, "");
	assert_int_equal(errorpage_get(&pages, "blog", NULL, 503).n, 0);
}

static void links_are_followed_and_what_is_no_file_is_no_page(void **state)
{
	(void)state;
	mkdir(in_stage("pages"), 0755);
	stage_write("pages/404.html", "linked");
	assert_int_equal(symlink("../pages", in_stage("blog/errors")), 0);
	assert_page(404, "linked");
	assert_int_equal(mkfifo(in_stage("pages/502.html"), 0644), 0);
	assert_page(502, "");
	mkdir(in_stage("pages/503.html"), 0755);
	assert_page(503, "");
	stage_write("pages/504.html", "");
	assert_int_equal(truncate(in_stage("pages/504.html"), ERRORPAGE_MAX + 1), 0);
	assert_page(504, "");
	stage_write("pages/413.html", "");
	assert_int_equal(truncate(in_stage("pages/413.html"), ERRORPAGE_MAX), 0);
	assert_int_equal(get(413).n, ERRORPAGE_MAX);
}

static const char *filled(const char *own, const char *message)
{
	static char memory[4096];
	size_t room = page_room(str_of(message), str_of(own));
	struct text t = text_in(memory, room);

	assert_in_range(room, 1, sizeof(memory) - 1);
	page_write(&t, 503, str_of(message), str_of(own));
	assert_false(t.full);
	memory[t.n] = '\0';
	return memory;
}

static void the_message_is_put_in_escaped(void **state)
{
	(void)state;
	assert_string_equal(filled("<p>{{ message }}</p>", "a <b> & \"c\""),
			    "<p>a &lt;b&gt; &amp; &quot;c&quot;</p>");
	assert_string_equal(filled("{{message}}{{  message }}", "x"), "xx");
	assert_string_equal(filled("{{ message }", "x"), "{{ message }");
	assert_string_equal(filled("{{{message}}}", "x"), "{x}");
	assert_string_equal(filled("{{ messages }} {{", "x"), "{{ messages }} {{");
	assert_string_equal(filled("no place", "x"), "no place");
	assert_string_equal(filled("{{message}}", "\"\"\"\""), "&quot;&quot;&quot;&quot;");
	assert_non_null(strstr(filled("", "\"'<>&"), "<p>&quot;&#39;&lt;&gt;&amp;</p>"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
		T(a_page_is_read_when_wanted_and_kept_for_a_second),
		T(links_are_followed_and_what_is_no_file_is_no_page),
		cmocka_unit_test(the_message_is_put_in_escaped),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
