/* Compares a fresh look at a directory with what was known, takes over what is whole, and tells the
 * differences. */
#include <errno.h>
#include <unistd.h>

#include "base/mem.h"
#include "tree_internal.h"

/* Between `mv web web.old` and `mv web.new web` there is no web. */
#define GRACE 0.2

static struct file_id *settings_id(struct node *n, int which)
{
	struct site *s = &n->site;
	return which == SETTINGS_INI     ? &s->ini
	       : which == SETTINGS_HOSTS ? &s->hosts
					 : &s->rollout_ini;
}

/* Seconds until the file may be taken as it is: 0 when it is whole. */
static double draft_wait(struct draft *d, const struct file_id *before, const struct file_id *now,
			 int64_t mtime_ns)
{
	if (now->ino == 0 || file_id_equal(now, before))
		return 0;
	bool same_file = now->ino == before->ino && now->dev == before->dev;
	if (same_file ? d->closed || mtime_ns == d->mtime_ns : !d->writing)
		return 0;
	if (d->seen_mtime_ns != mtime_ns) {
		d->seen_mtime_ns = mtime_ns;
		d->seen_at = tree_now();
	}
	/* By its own time, or, when clocks disagree, by how long it has not changed before our eyes. */
	int64_t age = tree_real_ns() - mtime_ns;
	int64_t watched = (int64_t)((tree_now() - d->seen_at) * 1e9);
	int64_t quiet = age > watched ? age : watched;
	return quiet >= TREE_SETTLE_NS ? 0 : (double)(TREE_SETTLE_NS - quiet) / 1e9;
}

/* All files or none: whoever reads the one now reads the others as well. */
static unsigned merge_settings(struct node *n, const struct snapshot *s)
{
	/* Without its rollout.ini a service is known well enough. */
	bool unread = (!n->known || n->site.unread) &&
		      (s->refused[SETTINGS_INI] || s->refused[SETTINGS_HOSTS]);
	unsigned what = n->site.unread && !unread ? TREE_SETTINGS : 0;
	double wait = 0;
	for (int i = 0; i < SETTINGS_FILES; i++) {
		if (s->refused[i] || !n->known)
			continue;
		double w = draft_wait(&n->drafts[i], settings_id(n, i), &s->settings[i],
				      s->mtime_ns[i]);
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

/* After merge_settings: what it still waits for must not be read for the certificate's sake. */
static unsigned merge_certificate(struct node *n, const struct snapshot *s)
{
	struct draft *d = &n->tls_pem;
	struct file_id *id = &n->site.tls_pem;
	if (n->moving)
		return 0;
	double wait = n->known ? draft_wait(d, id, &s->tls_pem, s->tls_pem_mtime_ns) : 0;
	if (wait > 0) {
		n->due = tree_now() + wait;
		n->moving = true;
		return 0;
	}
	bool same = file_id_equal(id, &s->tls_pem);
	d->writing &= s->tls_pem.ino == 0;
	d->closed = false;
	d->mtime_ns = s->tls_pem_mtime_ns;
	*id = s->tls_pem;
	return same ? 0 : TREE_SETTINGS;
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

static bool same_text(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static void set_holds(struct site *site, const struct snapshot *s, const struct holds *h)
{
	const char *message = h->of[HOLD_STOP].message;
	site->pause = s->holds[HOLD_PAUSE];
	site->stop = s->holds[HOLD_STOP];
	site->pause_leased = s->leased[HOLD_PAUSE];
	site->stop_leased = s->leased[HOLD_STOP];
	site->refused = s->hold_refused;
	site->hold_ms = h->of[HOLD_PAUSE].ms;
	mem_free(site->stop_message);
	site->stop_message = message != NULL ? str_dup(str_of(message)) : NULL;
}

unsigned tree_merge_holds(struct site *site, const struct snapshot *s, const struct holds *h)
{
	bool same = file_id_equal(&site->pause, &s->holds[HOLD_PAUSE]) &&
		    file_id_equal(&site->stop, &s->holds[HOLD_STOP]) &&
		    site->pause_leased == s->leased[HOLD_PAUSE] &&
		    site->stop_leased == s->leased[HOLD_STOP] && site->refused == s->hold_refused &&
		    site->hold_ms == h->of[HOLD_PAUSE].ms &&
		    same_text(site->stop_message, h->of[HOLD_STOP].message);
	if (same)
		return 0;
	set_holds(site, s, h);
	return TREE_STATE;
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

void tree_forget_drafts(struct node *n)
{
	for (int i = 0; i < SETTINGS_FILES; i++)
		n->drafts[i].writing = n->drafts[i].closed = false;
	n->tls_pem.writing = n->tls_pem.closed = false;
	for (int i = 0; i < HOLDS; i++)
		n->holds.of[i].writing = false;
}

/* The mtimes as they were read; true when they tell of every later change. */
static bool merge_mtimes(struct node *n, const struct snapshot *s, int64_t looked_at)
{
	bool settled = looked_at - s->dir_mtime_ns > TREE_RACY_NS;
	n->main.mtime_ns = s->dir_mtime_ns;
	for (int g = 0; g < GROUPS; g++) {
		if (n->groups[g] == NULL)
			continue;
		n->groups[g]->mtime_ns = s->group_mtime_ns[g];
		settled &= looked_at - s->group_mtime_ns[g] > TREE_RACY_NS;
	}
	return settled;
}

static unsigned merge(struct node *n, struct snapshot *s, int64_t looked_at)
{
	struct site *site = &n->site;
	if (site->dir.ino != s->dir.ino || site->dir.dev != s->dir.dev)
		tree_forget_drafts(n); /* they told of another directory's files */
	site->dir = s->dir;
	site->birth_ns = s->birth_ns;
	n->links = s->links;
	unsigned what = merge_settings(n, s);
	what |= merge_certificate(n, s);
	n->settled = merge_mtimes(n, s, looked_at) && !s->unsettled && !n->moving;
	return what | merge_sockets(site, s) | tree_merge_holds(site, s, &n->holds) |
	       merge_error(site, buf_str(&s->error));
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
	int rc = snapshot_take(&s, t->root, &n->site, &n->holds);
	if (rc == 0 && tree_watch_groups(t, n, &s)) {
		snapshot_fini(&s);
		rc = snapshot_take(&s, t->root, &n->site, &n->holds);
	}
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
	const struct file_id *ids[] = {&site->ini, &site->hosts, &site->rollout_ini,
				       &site->tls_pem};
	uint64_t facts[12];
	for (size_t i = 0; i < 4; i++) {
		facts[3 * i] = ids[i]->dev;
		facts[3 * i + 1] = ids[i]->ino;
		facts[3 * i + 2] = (uint64_t)ids[i]->ctime_ns;
	}
	uint64_t hash = str_hash(str_make((const char *)facts, sizeof(facts)));
	return hash != 0 ? hash : 1;
}
