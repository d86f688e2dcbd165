/* A peer over real sockets: pinning, the pool, the counts, ways to fail, and the end of a drain. */
#include "service_stage.h"

#include "service/peer_internal.h"

static struct site *site;
static struct service *service;

static int set_up(void **state)
{
	stage_up(state);
	site = site_new("blog", 1);
	return 0;
}

static int tear_down(void **state)
{
	site_gone(site);
	return stage_down(state);
}

static struct peer *first_peer(void)
{
	service = site_changed(site, TREE_NEW | TREE_SOCKETS);
	return service_pick(service, false);
}

static size_t open_files(void)
{
	DIR *d = opendir("/proc/self/fd");
	size_t n = 0;

	while (readdir(d) != NULL)
		n++;
	closedir(d);
	return n;
}

static void connects_to_the_inode_not_to_the_name(void **state)
{
	int old = listen_at("blog/app.sock"), new = listen_at("blog/app.sock.new");
	struct peer *p = first_peer();
	struct tie a, b;

	(void)state;
	assert_int_equal(tie_connect(&a, p), PEER_CONNECTED);
	assert_true(was_reached(old));
	stage_rename("blog/app.sock.new", "blog/app.sock");
	/* Not yet seen: a connection still pins the old one, which is what this peer stands for. */
	assert_int_equal(tie_connect(&b, p), PEER_CONNECTED);
	assert_true(was_reached(old));
	assert_false(was_reached(new));
	tie_end(&b);
	tie_end(&a);
	/* Nothing pins it any more, and the name has changed hands. */
	assert_int_equal(tie_connect(&a, p), PEER_NOT_LISTENING);
	assert_int_equal(a.fd, -1);
	assert_false(was_reached(new));
	stage_run(0.01);
	assert_int_equal(stage.looks, 1);
	assert_ptr_equal(stage.looked, site);
	close(old);
	close(new);
}

static void an_unused_peer_holds_no_descriptor(void **state)
{
	int listener = listen_at("blog/app.sock");
	struct peer *p = first_peer();
	size_t before = open_files();
	struct tie a;

	(void)state;
	assert_int_equal(tie_connect(&a, p), PEER_CONNECTED);
	assert_int_equal(open_files(), before + 2);
	assert_true(lease_park(&a.lease));
	assert_int_equal(open_files(), before + 2);
	tie_end(&a);
	assert_int_equal(open_files(), before);
	close(listener);
	assert_int_equal(tie_connect(&a, p), PEER_NOT_LISTENING);
	assert_int_equal(open_files(), before - 1);
}

static void counts_what_each_lease_does(void **state)
{
	int listener = listen_at("blog/app.sock");
	struct peer *p = first_peer();
	struct board_service *b = service_board(service);
	struct tie a, t;

	(void)state;
	assert_int_equal(b->npeers, 1);
	assert_int_equal(b->peers[0].ino, site->sockets[0].id.ino);
	assert_int_equal(b->peers[0].state, PEER_UNTRIED);
	stage.news = 0;
	tie_connect(&a, p);
	assert_int_equal(b->peers[0].state, PEER_READY);
	assert_int_equal(stage.news, 1);
	tie_connect(&t, p);
	assert_int_equal(b->in_flight, 2);
	assert_int_equal(b->peers[0].in_flight, 2);
	lease_to_tunnel(&t.lease);
	assert_int_equal(b->in_flight, 1);
	assert_int_equal(b->tunnels, 1);
	assert_true(lease_park(&a.lease));
	assert_int_equal(b->in_flight, 0);
	assert_int_equal(b->peers[0].in_flight, 0);
	assert_ptr_equal(peer_take_idle(p, 0), &a.lease);
	assert_null(peer_take_idle(p, 0));
	assert_int_equal(b->in_flight, 1);
	assert_int_equal(stage.news, 1);
	tie_end(&t);
	assert_int_equal(b->tunnels, 0);
	assert_int_equal(stage.news, 2);
	tie_end(&a);
	lease_end(&a.lease);
	assert_int_equal(b->in_flight, 0);
	close(listener);
}

static void the_pool_gives_the_youngest_if_it_is_young_enough(void **state)
{
	int listener = listen_at("blog/app.sock");
	struct peer *p = first_peer();
	struct tie t[3];

	(void)state;
	for (size_t i = 0; i < 3; i++)
		tie_connect(&t[i], p);
	assert_true(lease_park(&t[0].lease));
	assert_true(lease_park(&t[1].lease));
	/* max_idle_upstream is 2 here. */
	assert_false(lease_park(&t[2].lease));
	assert_int_equal(t[2].lease.state, LEASE_NONE);
	close(t[2].fd);
	t[1].lease.since -= 0.4;
	assert_null(peer_take_idle(p, 300));
	assert_ptr_equal(peer_take_idle(p, 500), &t[1].lease);
	t[0].lease.since += 3600.; /* the clock was set back */
	assert_null(peer_take_idle(p, 500));
	assert_ptr_equal(peer_take_idle(p, 0), &t[0].lease);
	tie_end(&t[0]);
	tie_end(&t[1]);
	close(listener);
}

static void idle_connections_grow_old(void **state)
{
	int listener = listen_at("blog/app.sock");
	struct peer *p = first_peer();
	struct tie a, b;

	(void)state;
	tie_connect(&a, p);
	tie_connect(&b, p);
	lease_park(&a.lease);
	lease_park(&b.lease);
	assert_true(deadline_is_set(&p->deadline));
	a.lease.since -= PEER_IDLE_MS / 1000. + 1.;
	deadline_clear(&p->deadline);
	p->deadline.cb(&p->deadline);
	assert_int_equal(a.closed, 1);
	assert_int_equal(b.closed, 0);
	assert_true(deadline_is_set(&p->deadline));
	tie_end(&b);
	close(listener);
}

/* A slow machine must not see its end. */
static void stretch_backoff(struct peer *p)
{
	assert_true(p->try_at > 0);
	p->try_at += 60000000;
}

static bool was_refused(const struct peer *p)
{
	struct board_peer entry;
	peer_tell(p, &entry);
	return entry.state == PEER_REFUSED;
}

static void a_full_backlog_is_told_from_a_refusal(void **state)
{
	int listener = bind_at("blog/app.sock");
	struct tie t[3];
	struct peer *p;

	(void)state;
	listen(listener, 0);
	p = first_peer();
	assert_int_equal(tie_connect(&t[0], p), PEER_CONNECTED);
	assert_int_equal(tie_connect(&t[1], p), PEER_BACKLOG_FULL);
	assert_false(was_refused(p));
	assert_int_equal(p->backoff_ms, 1);
	for (uint32_t ms = 2; ms <= 64; ms *= 2) {
		assert_int_equal(tie_connect(&t[1], p), PEER_BACKLOG_FULL);
		assert_int_equal(p->backoff_ms, ms < 20 ? ms : 20);
	}
	stretch_backoff(p);
	assert_null(service_pick(service, false));
	close(accept(listener, NULL, NULL));
	assert_int_equal(tie_connect(&t[1], p), PEER_CONNECTED);
	assert_int_equal(p->backoff_ms, 0);
	assert_ptr_equal(service_pick(service, false), p);
	tie_end(&t[0]);
	tie_end(&t[1]);
	close(listener);
}

static void a_refusal_backs_off_up_to_50_ms_and_the_tree_forgives(void **state)
{
	int listener = bind_at("blog/app.sock");
	struct peer *p = first_peer();
	struct tie t;

	(void)state;
	for (uint32_t ms = 1; ms <= 128; ms *= 2) {
		assert_int_equal(tie_connect(&t, p), PEER_NOT_LISTENING);
		assert_int_equal(p->backoff_ms, ms < 50 ? ms : 50);
	}
	assert_true(was_refused(p));
	assert_int_equal(service_board(service)->peers[0].state, PEER_REFUSED);
	stretch_backoff(p);
	assert_null(service_pick(service, false));
	site_changed(site, TREE_STATE);
	assert_ptr_equal(service_pick(service, false), p);
	listen(listener, 8);
	assert_int_equal(tie_connect(&t, p), PEER_CONNECTED);
	assert_false(was_refused(p));
	tie_end(&t);
	close(listener);
}

static void lack_of_permission_is_its_own_state(void **state)
{
	int listener = listen_at("blog/app.sock");
	struct peer *p = first_peer();
	struct tie t;

	(void)state;
	if (geteuid() != 0)
		skip();
	assert_int_equal(chmod(in_stage("blog/app.sock"), 0700), 0);
	assert_int_equal(chmod(stage.dir, 0755), 0);
	assert_int_equal(seteuid(65534), 0);
	assert_int_equal(tie_connect(&t, p), PEER_NO_PERMISSION);
	assert_int_equal(seteuid(0), 0);
	assert_int_equal(service_board(service)->peers[0].state, PEER_DENIED);
	assert_null(service_pick(service, false));
	assert_int_equal(stage.looks, 0);
	close(listener);
}

/* Makes the peer a replaced one. */
static void take_away(void)
{
	unlink(in_stage("blog/app.sock"));
	site_changed(site, TREE_SOCKETS);
}

static void the_end_of_a_drain_cuts_and_counts(void **state)
{
	struct tie idle, a, b;
	struct board_service *line;
	struct peer *p;
	int listener = listen_at("blog/app.sock");

	(void)state;
	stage_write("blog/service.ini", "drain_timeout = 300ms\n");
	p = first_peer();
	line = service_board(service);
	tie_connect(&idle, p);
	tie_connect(&a, p);
	tie_connect(&b, p);
	lease_park(&idle.lease);
	take_away();
	assert_int_equal(idle.closed, 1);
	assert_int_equal(line->draining, 2);
	assert_int_equal(line->in_flight, 0);
	assert_int_equal(line->npeers, 0);
	assert_false(peer_is_current(p));
	assert_false(lease_park(&b.lease));
	close(b.fd);
	assert_int_equal(line->draining, 1);
	stage.news = 0;
	stage_run(0.01);
	assert_int_equal(a.cut, 0);
	stage_run(0.5);
	assert_int_equal(a.cut, 1);
	assert_int_equal(line->cut_off, 1);
	assert_int_equal(line->draining, 0);
	assert_int_equal(stage.news, 1);
	close(listener);
}

static size_t closed_tunnels(const struct tie *t, size_t n)
{
	size_t closed = 0;

	for (size_t i = 0; i < n; i++)
		closed += t[i].cut == 1;
	return closed;
}

static void tunnels_end_evenly_over_three_seconds(void **state)
{
	int listener = listen_at("blog/app.sock");
	struct peer *p = first_peer();
	struct board_service *line = service_board(service);
	struct tie t[30];
	ev_tstamp begin;

	(void)state;
	for (size_t i = 0; i < 30; i++) {
		tie_connect(&t[i], p);
		lease_to_tunnel(&t[i].lease);
	}
	take_away();
	assert_int_equal(line->tunnels, 30);
	assert_int_equal(line->draining, 0);
	assert_true(deadline_is_set(&p->deadline));
	p->deadline.cb(&p->deadline);
	assert_int_equal(closed_tunnels(t, 30), 0);
	begin = p->tunnels_since;
	for (size_t i = 1; i < 30; i++) {
		p->tunnels_since = begin - 0.1 * (double)i - 0.001;
		p->deadline.cb(&p->deadline);
		assert_int_equal(closed_tunnels(t, 30), i);
	}
	p->tunnels_since = begin - 3.1;
	stage_run(0.3);
	assert_int_equal(closed_tunnels(t, 30), 30);
	assert_int_equal(line->tunnels, 0);
	assert_int_equal(line->cut_off, 0);
	close(listener);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
		T(connects_to_the_inode_not_to_the_name),
		T(an_unused_peer_holds_no_descriptor),
		T(counts_what_each_lease_does),
		T(the_pool_gives_the_youngest_if_it_is_young_enough),
		T(idle_connections_grow_old),
		T(a_full_backlog_is_told_from_a_refusal),
		T(a_refusal_backs_off_up_to_50_ms_and_the_tree_forgives),
		T(lack_of_permission_is_its_own_state),
		T(the_end_of_a_drain_cuts_and_counts),
		T(tunnels_end_evenly_over_three_seconds),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
