/* Compares a fresh look at a directory with what was known, takes over what is whole, and tells the
 * differences. */
#include <errno.h>
#include <unistd.h>

#include "base/mem.h"
#include "tree_internal.h"

#define SETTLE_NS INT64_C(1000000000)
/* A change within a clock tick of a look may leave the directory's mtime as that look saw it. */
#define RACY_NS INT64_C(50000000)
/* Between `mv web web.old` and `mv web.new web` there is no web. */
#define GRACE 0.2

static struct file_id *settings_id(struct node *n, int which)
{
	return which == SETTINGS_INI ? &n->site.ini : &n->site.hosts;
}

/* Seconds until the file may be taken as it is: 0 when it is whole. */
static double draft_wait(struct node *n, int which, const struct snapshot *s)
{
	const struct file_id *now = &s->settings[which], *before = settings_id(n, which);
	struct draft *d = &n->drafts[which];
	if (s->refused[which] || now->ino == 0 || file_id_equal(now, before) || !n->known)
		return 0;
	bool same_file = now->ino == before->ino && now->dev == before->dev;
	if (same_file ? d->closed || s->mtime_ns[which] == d->mtime_ns : !d->writing)
		return 0;
	if (d->seen_mtime_ns != s->mtime_ns[which]) {
		d->seen_mtime_ns = s->mtime_ns[which];
		d->seen_at = tree_now();
	}
	/* By its own time, or, when clocks disagree, by how long it has not changed before our eyes. */
	int64_t age = tree_real_ns() - s->mtime_ns[which];
	int64_t watched = (int64_t)((tree_now() - d->seen_at) * 1e9);
	int64_t quiet = age > watched ? age : watched;
	return quiet >= SETTLE_NS ? 0 : (double)(SETTLE_NS - quiet) / 1e9;
}

/* Both files or none: whoever reads the one now reads the other as well. */
static unsigned merge_settings(struct node *n, const struct snapshot *s)
{
	bool unread = (!n->known || n->site.unread) && (s->refused[0] || s->refused[1]);
	unsigned what = n->site.unread && !unread ? TREE_SETTINGS : 0;
	double wait = 0;
	for (int i = 0; i < SETTINGS_FILES; i++) {
		double w = draft_wait(n, i, s);
		wait = w > wait ? w : wait;
	}
	n->moving = wait > 0;
	n->due = tree_now() + wait;
	if (n->moving)
		return 0;
	n->site.unread = unread;
	for (int i = 0; i < SETTINGS_FILES; i++) {
		struct draft *d = &n->drafts[i];
		struct file_id *id = settings_id(n, i);
		d->writing &= s->settings[i].ino == 0;
		d->closed = false;
		if (s->refused[i])
			continue;
		if (!file_id_equal(id, &s->settings[i]))
			what = TREE_SETTINGS;
		*id = s->settings[i];
		d->mtime_ns = s->mtime_ns[i];
	}
	n->site.claim_ns = n->site.ini.ino != 0 ? n->drafts[SETTINGS_INI].mtime_ns
						: n->site.birth_ns;
	return what;
}

static unsigned merge_sockets(struct site *site, struct snapshot *s)
{
	bool same = site->nsockets == s->nsockets;
	for (size_t i = 0; same && i < s->nsockets; i++) {
		const struct tree_socket *a = &site->sockets[i], *b = &s->sockets[i];
		same = strcmp(a->name, b->name) == 0 && a->id.ino == b->id.ino &&
		       a->id.dev == b->id.dev;
	}
	mem_free(site->sockets);
	site->sockets = s->sockets;
	site->nsockets = s->nsockets;
	s->sockets = NULL;
	return same ? 0 : TREE_SOCKETS;
}

static unsigned merge_state(struct file_id *id, const struct file_id *now)
{
	bool same = file_id_equal(id, now);
	*id = *now;
	return same ? 0 : TREE_STATE;
}

static unsigned merge_error(struct site *site, struct str now)
{
	struct str before = str_of(site->error);
	if (str_eq(before, now))
		return 0;
	char *text = now.n > 0 ? str_dup(now) : NULL;
	mem_free(site->error);
	site->error = text;
	return TREE_ERROR;
}

static unsigned merge(struct node *n, struct snapshot *s, int64_t looked_at)
{
	struct site *site = &n->site;
	if (site->dir.ino != s->dir.ino || site->dir.dev != s->dir.dev) {
		for (int i = 0; i < SETTINGS_FILES;
		     i++) /* they told of another directory's files */
			n->drafts[i].writing = n->drafts[i].closed = false;
	}
	site->dir = s->dir;
	site->birth_ns = s->birth_ns;
	n->dir_mtime_ns = s->dir_mtime_ns;
	n->links = s->links;
	unsigned what = merge_settings(n, s);
	n->settled = !s->unsettled && !n->moving && looked_at - s->dir_mtime_ns > RACY_NS;
	return what | merge_sockets(site, s) | merge_state(&site->pause, &s->pause) |
	       merge_state(&site->stop, &s->stop) | merge_error(site, buf_str(&s->error));
}

/* What was known stays in force while a directory cannot be read; every round tries again. */
static unsigned merge_failure(struct node *n, int why)
{
	const char *path = n->site.path;
	struct buf text = {0};
	struct stat st;
	n->settled = false;
	n->moving = false;
	n->site.unread |= !n->known;
	if (why == EACCES && stat(path, &st) == 0)
		buf_printf(&text, "%s: not readable by uid %u (mode %04o, owner %u); chmod o+rx %s",
			   path, (unsigned)geteuid(), (unsigned)st.st_mode & 07777,
			   (unsigned)st.st_uid, path);
	else
		buf_printf(&text, "%s: cannot be read: %s", path, strerror(why));
	unsigned what = merge_error(&n->site, buf_str(&text));
	buf_free(&text);
	return what;
}

static void tell(struct tree *t, struct node *n, unsigned what)
{
	if (!n->known)
		what |= TREE_NEW;
	n->known = true;
	if (what == 0)
		return;
	t->busy = true;
	t->events->changed(t->user, &n->site, what);
	t->busy = false;
}

/* Is it gone for good? Meanwhile what was known stays in force. */
static bool is_gone(const struct tree *t, struct node *n)
{
	double now = tree_now();
	if (t->loop == NULL || !n->known)
		return true;
	if (n->vanished_at == 0)
		n->vanished_at = now;
	n->due = n->vanished_at + GRACE;
	n->moving = now < n->due;
	n->settled = false;
	return !n->moving;
}

bool tree_look_at(struct tree *t, struct node *n)
{
	struct snapshot s;
	t->stats.scans++;
	tree_watch_site(t, n); /* first: what changes from here on gives an event */
	int64_t now = tree_real_ns();
	int rc = snapshot_take(&s, t->root, n->site.name);
	bool gone = false;
	if (rc == ENOENT || rc == ENOTDIR) {
		gone = is_gone(t, n);
		if (gone)
			tree_drop_node(t, n);
	} else {
		n->vanished_at = 0;
		tell(t, n, rc == 0 ? merge(n, &s, now) : merge_failure(n, rc));
	}
	snapshot_fini(&s);
	return !gone;
}

uint64_t settings_stamp(const struct site *site)
{
	const struct file_id *ids[] = {&site->ini, &site->hosts, &site->rollout_ini};
	uint64_t facts[9];
	for (size_t i = 0; i < 3; i++) {
		facts[3 * i] = ids[i]->dev;
		facts[3 * i + 1] = ids[i]->ino;
		facts[3 * i + 2] = (uint64_t)ids[i]->ctime_ns;
	}
	uint64_t hash = str_hash(str_make((const char *)facts, sizeof(facts)));
	return hash != 0 ? hash : 1;
}
