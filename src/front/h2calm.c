/* h2calm: frames that cost the sender nothing and us something are paid for from a budget that fills slowly. Who
   has used it up is told to calm down, by GOAWAY, and is closed. */
#include "base/log.h"
#include "h2front_internal.h"

#define BUDGET 10000
#define BUDGET_PER_SECOND 1000
#define PRICE_RESET 100 /* 100 at once, then 10 a second (CVE-2023-44487) */
#define PRICE_SETTINGS 100
#define PRICE_SMALL 10 /* an answer to a ping, a look into a table, nothing at all */

void h2_calm_init(struct h2_conn *c)
{
	c->calm = (struct h2_calm){.left = BUDGET, .filled = ev_now(c->hub->proxy->loop)};
}

static void pay(struct h2_conn *c, int64_t price)
{
	struct h2_calm *calm = &c->calm;
	ev_tstamp now = ev_now(c->hub->proxy->loop);
	double fill = (now - calm->filled) * BUDGET_PER_SECOND;
	if (calm->left < 0) /* told already */
		return;
	if (fill >= 1) {
		calm->left = fill >= BUDGET ? BUDGET : calm->left + (int64_t)fill;
		calm->left = calm->left > BUDGET ? BUDGET : calm->left;
		calm->filled = now;
	}
	calm->left -= price;
	if (calm->left >= 0)
		return;
	log_info("%s floods its HTTP/2 connection; closing it", c->client.client_ip);
	(void)nghttp2_session_terminate_session(c->session, NGHTTP2_ENHANCE_YOUR_CALM);
}

void h2_calm_frame(struct h2_conn *c, const nghttp2_frame_hd *hd)
{
	switch (hd->type) {
	case NGHTTP2_HEADERS:
	case NGHTTP2_WINDOW_UPDATE: break;
	case NGHTTP2_DATA:
		if (hd->length == 0 && (hd->flags & NGHTTP2_FLAG_END_STREAM) == 0)
			pay(c, PRICE_SMALL);
		break;
	case NGHTTP2_RST_STREAM: pay(c, PRICE_RESET); break;
	case NGHTTP2_SETTINGS:
		if ((hd->flags & NGHTTP2_FLAG_ACK) == 0)
			pay(c, PRICE_SETTINGS);
		break;
	default: pay(c, PRICE_SMALL);
	}
}

void h2_calm_reset(struct h2_conn *c, uint32_t error)
{
	switch (error) {
	case NGHTTP2_PROTOCOL_ERROR:
	case NGHTTP2_FLOW_CONTROL_ERROR:
	case NGHTTP2_STREAM_CLOSED:
	case NGHTTP2_FRAME_SIZE_ERROR:
	case NGHTTP2_REFUSED_STREAM: pay(c, PRICE_RESET); break;
	default: break;
	}
}
