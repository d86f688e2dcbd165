/* One service, looked at once: for commands that must not read ten thousand directories to know
 * one. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/mem.h"
#include "tree_internal.h"

struct site *tree_scan_service(const char *services_dir, const char *name)
{
	struct snapshot s;
	int root = open(services_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return NULL;
	int rc = snapshot_take(&s, root, name);
	close(root);
	if (rc != 0) {
		snapshot_fini(&s);
		errno = rc;
		return NULL;
	}
	struct site *site = mem_new(struct site);
	struct buf path = {0};
	buf_printf(&path, "%s/%s", services_dir, name);
	str_copy(site->name, sizeof(site->name), str_of(name));
	site->path = str_dup(buf_str(&path));
	buf_free(&path);
	site->dir = s.dir;
	site->ini = s.settings[SETTINGS_INI];
	site->hosts = s.settings[SETTINGS_HOSTS];
	site->pause = s.pause;
	site->stop = s.stop;
	site->sockets = s.sockets;
	site->nsockets = s.nsockets;
	s.sockets = NULL;
	if (buf_used(&s.error) > 0)
		site->error = str_dup(buf_str(&s.error));
	snapshot_fini(&s);
	return site;
}

void tree_free_site(struct site *site)
{
	if (site == NULL)
		return;
	mem_free(site->path);
	mem_free(site->sockets);
	mem_free(site->error);
	mem_free(site);
}
