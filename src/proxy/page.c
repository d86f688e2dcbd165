/* page: one plain page, readable on a phone and in the dark, with nothing loaded from elsewhere. */
#include "proxy/page.h"

#include "http/message.h"

#define BUILT_IN_MAX 1024 /* the page without its message */
#define ESCAPED_MAX 6     /* of one character: &quot; */

struct str page_message(int status)
{
	switch (status) {
	case 301: return STR("This site is served by https.");
	case 400: return STR("The request could not be understood.");
	case 404: return STR("There is no site at this address.");
	case 408: return STR("The request took too long to arrive.");
	case 414: return STR("The address is too long.");
	case 421: return STR("This connection is for another site; please open a new one.");
	case 431: return STR("The request's header fields are too large.");
	case 501: return STR("The request uses a transfer coding that is not supported.");
	case 502: return STR("The application did not give a proper answer.");
	case 503:
		return STR(
			"The application is not available at the moment. Please try again soon.");
	case 504: return STR("The application took too long to answer.");
	case 505: return STR("This version of HTTP is not supported.");
	default: return STR("");
	}
}

struct str page_maintenance(void)
{
	return STR("The site is down for maintenance. Please try again soon.");
}

struct str page_held(void)
{
	return STR("The site is being updated, which takes longer than expected. Please try "
		   "again soon.");
}

static size_t skip_blanks(struct str s, size_t at)
{
	while (at < s.n && s.p[at] == ' ')
		at++;
	return at;
}

static bool skip(struct str s, size_t *at, struct str what)
{
	if (!str_has_prefix(str_make(s.p + *at, s.n - *at), what))
		return false;
	*at = skip_blanks(s, *at + what.n);
	return true;
}

/* Cuts the page before its first {{ message }}. False: there is none, and `before` is all of it. */
static bool cut_at_message(struct str *page, struct str *before)
{
	for (size_t i = 0; i < page->n; i++) {
		size_t at = i;
		if (page->p[i] != '{' || !skip(*page, &at, STR("{{")) ||
		    !skip(*page, &at, STR("message")) ||
		    !str_has_prefix(str_make(page->p + at, page->n - at), STR("}}")))
			continue;
		at += 2;
		*before = str_make(page->p, i);
		*page = str_make(page->p + at, page->n - at);
		return true;
	}
	*before = *page;
	return false;
}

size_t page_room(struct str message, struct str own)
{
	size_t places = 1, fixed = own.n == 0 ? BUILT_IN_MAX : own.n;
	struct str before;

	while (own.n != 0 && cut_at_message(&own, &before))
		places++;
	return fixed + places * message.n * ESCAPED_MAX;
}

static void write_own(struct text *out, struct str page, struct str message)
{
	struct str before;

	while (cut_at_message(&page, &before)) {
		text_add(out, before);
		text_html(out, message);
	}
	text_add(out, before);
}

void page_write(struct text *out, int status, struct str message, struct str own)
{
	if (own.n != 0) {
		write_own(out, own, message);
		return;
	}

	struct str reason = str_of(status_reason(status));
	text_lit(out, "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n"
		      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
		      "<meta name=\"color-scheme\" content=\"light dark\">\n<title>");
	text_u64(out, (uint64_t)status);
	text_char(out, ' ');
	text_add(out, reason);
	text_lit(out, "</title>\n<style>body{font:1.1rem/1.6 system-ui,sans-serif;max-width:36rem;"
		      "margin:20vh auto;padding:0 1.5rem}h1{font-size:1.5rem}</style>\n<h1>");
	text_add(out, reason);
	text_lit(out, "</h1>\n<p>");
	text_html(out, message);
	text_lit(out, "</p>\n</html>\n");
}
