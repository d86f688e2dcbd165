/* One service, looked at once: for commands that must not read ten thousand directories to know
 * one. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/mem.h"
#include "tree_internal.h"

static struct site *site_new(const char *services_dir, const char *name)
{
	struct site *site = mem_new(struct site);
	struct buf path = {0};
	buf_printf(&path, "%s/%s", services_dir, name);
	str_copy(site->name, sizeof(site->name), str_of(name));
	site->path = str_dup(buf_str(&path));
	buf_free(&path);
	return site;
}

/* A lease is the proxy's affair: what the caller could do with a FIFO decides nothing. */
static int scan(struct site *site, int root)
{
	struct snapshot s;
	struct holds holds;
	holds_init(&holds);
	holds.unchecked = true;
	int rc = snapshot_take(&s, root, site, &holds);
	if (rc == 0) {
		site->dir = s.dir;
		site->ini = s.settings[SETTINGS_INI];
		site->hosts = s.settings[SETTINGS_HOSTS];
		site->rollout_ini = s.settings[SETTINGS_ROLLOUT];
		site->tls_pem = s.tls_pem;
		tree_merge_holds(site, &s, &holds);
		site->sockets = s.sockets;
		site->nsockets = s.nsockets;
		s.sockets = NULL;
		if (buf_used(&s.error) > 0)
			site->error = str_dup(buf_str(&s.error));
	}
	snapshot_fini(&s);
	holds_fini(&holds);
	return rc;
}

struct site *tree_scan_service(const char *services_dir, const char *name)
{
	int root = open(services_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return NULL;
	struct site *site = site_new(services_dir, name);
	int rc = scan(site, root);
	close(root);
	if (rc == 0)
		return site;
	tree_free_site(site);
	errno = rc;
	return NULL;
}

void tree_free_site(struct site *site)
{
	if (site == NULL)
		return;
	mem_free(site->path);
	mem_free(site->sockets);
	mem_free(site->stop_message);
	mem_free(site->error);
	mem_free(site);
}
