/* page: one plain page, readable on a phone and in the dark, with nothing loaded from elsewhere. */
#include "proxy/page.h"

#include "http/message.h"

struct str page_message(int status)
{
	switch (status) {
	case 400: return STR("The request could not be understood.");
	case 404: return STR("There is no site at this address.");
	case 408: return STR("The request took too long to arrive.");
	case 414: return STR("The address is too long.");
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

void page_write(struct text *out, int status, struct str message)
{
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
