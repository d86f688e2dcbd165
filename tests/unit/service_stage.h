/* A stage for tests of services: a directory below /tmp with real sockets, a loop, a scoreboard,
 * and sites made by looking at the directory as the tree would. */
#ifndef KP_TESTS_SERVICE_STAGE_H
#define KP_TESTS_SERVICE_STAGE_H

#include "unit.h"

#include <dirent.h>
#include <errno.h>
#include <ev.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "service/registry.h"

#define TIES_MAX 64

/* What owns a connection to an app: a lease and its descriptor. */
struct tie {
	struct lease lease;
	int fd;
	int closed, cut;
};

struct ask;

struct stage {
	char dir[64];
	struct ev_loop *loop;
	struct timers *timers;
	struct settings *settings;
	struct board *board;
	struct service_env env;
	struct registry *registry;
	int news, looks;
	struct site *looked;
	struct ask *order[TIES_MAX]; /* of service_ask.h: sent, in this order */
	size_t sent;
};

static struct stage stage;

static inline void on_news(void *user, const char *service)
{
	(void)service;
	((struct stage *)user)->news++;
}

static inline void on_look(void *user, struct site *site)
{
	((struct stage *)user)->looks++;
	((struct stage *)user)->looked = site;
}

static inline struct settings *stage_settings(void)
{
	char none[96], idle[] = "--max-idle-upstream", two[] = "2", c[] = "-c";
	char *args[] = {c, none, idle, two, NULL};
	struct settings_error err;
	struct settings *s;
	int rest;

	snprintf(none, sizeof(none), "%s/.none.ini", stage.dir);
	fclose(fopen(none, "w"));
	s = settings_load(4, args, &rest, &err);
	if (s == NULL)
		fail_msg("%s", err.text);
	return s;
}

static inline int stage_up(void **state)
{
	(void)state;
	stage = (struct stage){.looks = 0};
	snprintf(stage.dir, sizeof(stage.dir), "/tmp/kp-service-%d", (int)getpid());
	assert_int_equal(mkdir(stage.dir, 0755), 0);
	log_set_level(LOG_ERROR);
	stage.loop = ev_loop_new(EVFLAG_AUTO);
	stage.timers = timers_new(stage.loop);
	stage.settings = stage_settings();
	stage.board = board_new();
	stage.env = (struct service_env){
		.loop = stage.loop,
		.timers = stage.timers,
		.settings = stage.settings,
		.board = stage.board,
		.region = board_region(stage.board, 0),
		.news = on_news,
		.look = on_look,
		.user = &stage,
	};
	stage.registry = registry_new(&stage.env, NULL);
	return 0;
}

static inline int stage_down(void **state)
{
	char command[96];

	(void)state;
	registry_free(stage.registry);
	timers_free(stage.timers);
	settings_free(stage.settings);
	board_free(stage.board);
	ev_loop_destroy(stage.loop);
	snprintf(command, sizeof(command), "rm -rf %s", stage.dir);
	return system(command);
}

static inline const char *in_stage(const char *name)
{
	static char path[4][PATH_MAX];
	static unsigned turn;

	turn = (turn + 1) % 4;
	snprintf(path[turn], PATH_MAX, "%s/%s", stage.dir, name);
	return path[turn];
}

static inline void stage_rename(const char *from, const char *to)
{
	assert_int_equal(rename(in_stage(from), in_stage(to)), 0);
}

static inline void stage_write(const char *name, const char *text)
{
	char fresh[PATH_MAX];
	FILE *f;

	snprintf(fresh, sizeof(fresh), "%s.new", in_stage(name));
	f = fopen(fresh, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	assert_int_equal(rename(fresh, in_stage(name)), 0);
}

/* Bound, not listening. */
static inline int bind_at(const char *name)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_true(str_copy(sun.sun_path, sizeof(sun.sun_path), str_of(in_stage(name))));
	assert_int_equal(bind(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
	return fd;
}

static inline int listen_at(const char *name)
{
	int fd = bind_at(name);

	assert_int_equal(listen(fd, 64), 0);
	return fd;
}

/* Was exactly one connection made to this listener since the last time? */
static inline bool was_reached(int listener)
{
	int n = 0, fd;

	while ((fd = accept(listener, NULL, NULL)) >= 0) {
		close(fd);
		n++;
	}
	return n == 1;
}

/* ---- sites ---- */

static inline struct file_id id_of(const char *path, bool follow)
{
	struct stat st;

	if ((follow ? stat(path, &st) : lstat(path, &st)) < 0)
		return (struct file_id){0};
	return (struct file_id){
		.dev = st.st_dev,
		.ino = st.st_ino,
		.ctime_ns = (int64_t)st.st_ctim.tv_sec * 1000000000 + st.st_ctim.tv_nsec,
	};
}

static inline int by_name(const void *a, const void *b)
{
	return strcmp(((const struct tree_socket *)a)->name, ((const struct tree_socket *)b)->name);
}

/* folder: "" or "rollout/". */
static inline void site_scan_sockets(struct site *site, const char *folder, enum tree_group group)
{
	char path[PATH_MAX];
	size_t first = site->nsockets;
	struct dirent *e;
	DIR *d;

	snprintf(path, sizeof(path), "%s/%s", site->path, folder);
	d = opendir(path);
	while (d != NULL && (e = readdir(d)) != NULL) {
		struct tree_socket *t = &site->sockets[site->nsockets];
		if (e->d_name[0] == '.' || !str_has_suffix(str_of(e->d_name), STR(".sock")))
			continue;
		snprintf(t->name, sizeof(t->name), "%s%.200s", folder, e->d_name);
		snprintf(path, sizeof(path), "%s/%s", site->path, t->name);
		t->id = id_of(path, true);
		t->group = group;
		if (t->id.ino != 0)
			site->nsockets++;
	}
	if (d != NULL)
		closedir(d);
	qsort(&site->sockets[first], site->nsockets - first, sizeof(*site->sockets), by_name);
}

static inline struct file_id site_file(const struct site *site, const char *name)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", site->path, name);
	return id_of(path, false);
}

static inline void site_scan(struct site *site)
{
	site->nsockets = 0;
	site_scan_sockets(site, "", GROUP_MAIN);
	site_scan_sockets(site, "rollout/", GROUP_ROLLOUT);
	site->ini = site_file(site, "service.ini");
	site->hosts = site_file(site, "hosts");
	site->rollout_ini = site_file(site, "rollout.ini");
	site->pause = site_file(site, "pause");
	site->stop = site_file(site, "stop");
}

static inline struct site *site_new(const char *name, int64_t claim_ns)
{
	struct site *site = mem_new(struct site);

	str_copy(site->name, sizeof(site->name), str_of(name));
	site->path = str_dup(str_of(in_stage(name)));
	site->claim_ns = claim_ns;
	site->hold_ms = TREE_HOLD_UNSAID;
	site->sockets = mem_zero(TREE_SOCKETS_MAX * sizeof(*site->sockets));
	if (mkdir(site->path, 0755) < 0)
		assert_int_equal(errno, EEXIST);
	return site;
}

static inline void site_free(struct site *site)
{
	mem_free(site->sockets);
	mem_free(site->path);
	mem_free(site);
}

static inline struct service *site_changed(struct site *site, unsigned what)
{
	site_scan(site);
	registry_tree_events.changed(stage.registry, site, what);
	return site->owner;
}

static inline void site_gone(struct site *site)
{
	registry_tree_events.gone(stage.registry, site);
	site_free(site);
}

/* Makes `pause` or `stop`. */
static inline void shut(struct site *s, const char *file)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", s->name, file);
	stage_write(path, "");
	site_changed(s, TREE_STATE);
}

static inline void reopen(struct site *s, const char *file)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", s->name, file);
	unlink(in_stage(path));
	site_changed(s, TREE_STATE);
}

/* ---- connections and requests ---- */

static inline void tie_close_idle(struct lease *l)
{
	struct tie *t = container_of(l, struct tie, lease);

	assert_int_equal(l->state, LEASE_NONE);
	t->closed++;
	close(t->fd);
}

static inline void tie_cut(struct lease *l)
{
	struct tie *t = container_of(l, struct tie, lease);

	t->cut++;
	lease_end(l);
	close(t->fd);
}

static const struct lease_ops tie_ops = {.close_idle = tie_close_idle, .cut = tie_cut};

static inline enum peer_connect tie_connect(struct tie *t, struct peer *p)
{
	enum peer_connect result;

	*t = (struct tie){.fd = -1};
	result = peer_connect(p, &t->fd);
	lease_init(&t->lease, &tie_ops);
	if (result == PEER_CONNECTED)
		lease_begin(&t->lease, p);
	return result;
}

/* As a request does: peer after peer until one takes it. */
static inline bool tie_send(struct tie *t, struct service *s)
{
	struct peer *p;

	while ((p = service_pick(s, false)) != NULL) {
		if (tie_connect(t, p) == PEER_CONNECTED)
			return true;
	}
	return false;
}

static inline void tie_end(struct tie *t)
{
	lease_end(&t->lease);
	close(t->fd);
}

/* Runs the loop for this long. */
static inline void on_run_end(struct ev_loop *l, ev_timer *w, int revents)
{
	(void)w;
	(void)revents;
	ev_break(l, EVBREAK_ALL);
}

static inline void stage_run(double seconds)
{
	ev_timer end;

	ev_now_update(stage.loop);
	ev_timer_init(&end, on_run_end, seconds, 0.);
	ev_timer_start(stage.loop, &end);
	ev_run(stage.loop, 0);
	ev_timer_stop(stage.loop, &end);
}

#endif
