/* `check`: settings, directories, every service, as the proxy's user meets them. As root it
 * becomes that user first: mode bits alone would not tell of access control lists. */
#include "run/check.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "run/access.h"
#include "run/account.h"
#include "run/args.h"
#include "run/listen.h"
#include "run/upgrade.h"
#include "service/registry.h"

static unsigned problems;

static void problem(const char *what, const char *why)
{
	problems++;
	fprintf(stderr, "kamal-proxy: %s: %s\n", what, why);
}

static void check_addresses(const struct settings *s)
{
	struct listen_plan plan;
	char why[512];
	const char *in_force = getenv(UPGRADE_IN_FORCE_ENV);
	if (!listen_plan(&s->proxy, &plan, why, sizeof(why))) {
		problem("addresses", why);
		return;
	}
	listen_plan_free(&plan);
	if (in_force != NULL && !upgrade_is_possible(s, in_force, why, sizeof(why)))
		problem("reload", why);
}

/* A directory that `run` makes itself may be missing, if it can be made. */
static void check_made_dir(const char *option, const char *path, const struct account *a)
{
	char why[ACCESS_TEXT], parent[PATH_MAX];
	if (access(path, F_OK) == 0 || errno != ENOENT) {
		if (!access_check(path, W_OK | X_OK, why, sizeof(why)))
			problem(option, why);
		return;
	}
	if (a->change)
		return; /* root makes it at the start */
	snprintf(parent, sizeof(parent), "%s", path);
	while (access(parent, F_OK) != 0 && strrchr(parent, '/') != parent)
		*strrchr(parent, '/') = '\0';
	if (!access_check(parent, W_OK | X_OK, why, sizeof(why)))
		problem(option, why);
}

static void check_site(const struct service_view *v)
{
	char path[PATH_MAX], why[ACCESS_TEXT];
	const struct site *site = v->site;
	if (v->error != NULL)
		problem(site->name, v->error);
	if (site->error != NULL && (v->error == NULL || strcmp(site->error, v->error) != 0))
		problem(site->name, site->error);
	if (!access_check(site->path, R_OK | X_OK, why, sizeof(why)))
		problem(site->name, why);
	for (size_t i = 0; i < site->nsockets; i++) {
		snprintf(path, sizeof(path), "%s/%s", site->path, site->sockets[i].name);
		if (!access_check(path, W_OK, why, sizeof(why)))
			problem(site->name, why);
	}
}

/* Directories that the proxy passes over, because no service can have that name. */
static void check_names(const char *services_dir)
{
	char path[PATH_MAX];
	struct stat st;
	DIR *d = opendir(services_dir);
	if (d == NULL)
		return; /* said by whoever reads the services */
	for (struct dirent *e; (e = readdir(d)) != NULL;) {
		if (e->d_name[0] == '.' || settings_is_service_name(str_of(e->d_name)))
			continue;
		snprintf(path, sizeof(path), "%s/%s", services_dir, e->d_name);
		if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
			problem(path, "no legal name of a service, ignored; use 1 to 63 of "
				      "a-z 0-9 . _ -");
	}
	closedir(d);
}

static size_t check_services(const struct settings *s)
{
	struct tls *tls = tls_new(NULL, false);
	const struct service_env env = {.settings = s, .tls = tls};
	char why[ACCESS_TEXT];
	size_t count = 0;
	struct service *one;
	struct service_view view;
	if (!access_check(s->proxy.services_dir, R_OK | X_OK, why, sizeof(why))) {
		problem("services_dir", why);
		tls_free(tls);
		return 0;
	}
	check_names(s->proxy.services_dir);
	struct registry *r = registry_new(&env, NULL);
	struct tree *t = tree_open(NULL, s->proxy.services_dir, &registry_tree_events, r);
	if (t == NULL)
		problem("services_dir", strerror(errno));
	const char *first = s->proxy.default_certificate;
	if (t != NULL && first[0] != '\0' && registry_find(r, first) == NULL)
		problem("default_certificate", "there is no service of that name");
	for (size_t i = 0; t != NULL && (one = registry_next(r, &i)) != NULL; count++) {
		service_view(one, &view);
		check_site(&view);
	}
	if (t != NULL)
		tree_close(t);
	registry_free(r);
	tls_free(tls);
	return count;
}

/* As whoever we are still: the log is opened before rights are given up. */
static void check_access_log(const struct proxy_settings *p)
{
	char why[ACCESS_TEXT], parent[PATH_MAX];
	if (p->access_log[0] != '/')
		return;
	snprintf(parent, sizeof(parent), "%s", p->access_log);
	*(strrchr(parent, '/') + 1) = '\0'; /* "/" stays one */
	bool there = access(p->access_log, F_OK) == 0;
	if (!access_check(there ? p->access_log : parent, there ? W_OK : W_OK | X_OK, why,
			  sizeof(why)))
		problem("access_log", why);
}

static int check(const struct settings *s)
{
	struct account a;
	char why[512];
	log_set_level(LOG_ERROR); /* what is wrong is said here, once */
	check_addresses(s);
	check_access_log(&s->proxy);
	if (!account_resolve(s->proxy.user, &a, why, sizeof(why)))
		problem(getenv(UPGRADE_IN_FORCE_ENV) != NULL ? "restart needed" : "user", why);
	else if (!account_become(&a))
		problem("user", strerror(errno));
	check_made_dir("runtime_dir", s->proxy.runtime_dir, &a);
	check_made_dir("state_dir", s->proxy.state_dir, &a);
	size_t count = check_services(s);
	if (problems > 0)
		return EXIT_FAILED;
	printf("configuration is good: %zu service%s\n", count, count == 1 ? "" : "s");
	return EXIT_DONE;
}

int check_main(int argc, char **argv)
{
	struct args args;
	struct settings *settings = NULL;
	int code = EXIT_USAGE;
	if (!args_split(argc, argv, NULL, 0, false, &args))
		return EXIT_USAGE;
	if (args.nwords > 0)
		args_fail(EXIT_USAGE, "check: what is '%s'? check takes flags only", args.word[0]);
	else if ((settings = args_settings(&args)) != NULL)
		code = check(settings);
	else
		code = EXIT_FAILED;
	settings_free(settings);
	args_free(&args);
	return code;
}
