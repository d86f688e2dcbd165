/* `set`: writes a service.ini, or a rollout.ini. The running proxy sees the rename, as it sees
 * everything else. */
#include "run/set.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "run/args.h"

struct request {
	const char *service;
	enum settings_file file;
	bool rollout, dry_run;
	struct args args;
};

/* A flag that is wrong is wrong usage; a file that was wrong before is not. */
static int refused(const struct settings_error *err)
{
	return args_fail(err->text[0] == '-' ? EXIT_USAGE : EXIT_FAILED, "%s", err->text);
}

/* Made under a name that the proxy does not see, and renamed once its options are in it: a
   service without them, if only for a moment, might claim every host. */
static int set_new(const char *services_dir, const char *dir, const struct request *r)
{
	char hidden[PATH_MAX], ini[PATH_MAX + 16];
	struct settings_error err;
	int n = snprintf(hidden, sizeof(hidden), "%s/.%s.set.%d", services_dir, r->service,
			 (int)getpid());
	if (n < 0 || (size_t)n >= sizeof(hidden))
		return args_fail(EXIT_USAGE, "services_dir is too long");
	if (mkdir(hidden, 0755) < 0)
		return args_fail(EXIT_FAILED,
				 "cannot make %s: %s; is %s there, and yours to write?", dir,
				 strerror(errno), services_dir);
	int code = EXIT_DONE;
	if (settings_set(hidden, SETTINGS_SERVICE, r->args.nother, r->args.other, &err) < 0)
		code = refused(&err);
	else if (rename(hidden, dir) < 0)
		code = args_fail(EXIT_FAILED, "cannot make %s: %s", dir, strerror(errno));
	if (code == EXIT_DONE) {
		printf("%s: a new service, in %s\n", r->service, dir);
		return code;
	}
	snprintf(ini, sizeof(ini), "%s/service.ini", hidden);
	unlink(ini);
	rmdir(hidden);
	return code;
}

static int preview(const struct settings *settings, const char *dir, const struct request *r)
{
	struct settings_error err;
	if (settings_preview(stdout, dir, r->file, &settings->service, r->args.nother,
			     r->args.other, &err) < 0)
		return refused(&err);
	if (fflush(stdout) != 0)
		return args_fail(EXIT_FAILED, "cannot write: %s", strerror(errno));
	return EXIT_DONE;
}

static int set(const struct settings *settings, const struct request *r)
{
	char dir[PATH_MAX];
	struct settings_error err;
	int n = snprintf(dir, sizeof(dir), "%s/%s", settings->proxy.services_dir, r->service);
	if (n < 0 || (size_t)n >= sizeof(dir))
		return args_fail(EXIT_USAGE, "services_dir is too long");
	bool absent = access(dir, F_OK) < 0 && errno == ENOENT;
	if (absent && r->rollout)
		return args_fail(EXIT_FAILED, "there is no service %s: %s: %s", r->service, dir,
				 strerror(ENOENT));
	if (r->dry_run)
		return preview(settings, dir, r);
	if (absent)
		return set_new(settings->proxy.services_dir, dir, r);
	if (settings_set(dir, r->file, r->args.nother, r->args.other, &err) < 0)
		return refused(&err);
	return EXIT_DONE;
}

/* A flag of the proxy's own that says nothing of where the service is; NULL: none. */
static const char *misplaced(const struct args *args)
{
	static const char *const places[] = {"--services-dir", "--runtime-dir", "--state-dir"};
	for (int i = 0; i < args->nproxy; i++) {
		bool is_place = args->proxy[i][0] != '-' || args->proxy[i][1] != '-';
		for (size_t k = 0; k < sizeof(places) / sizeof(places[0]); k++)
			is_place |= strncmp(args->proxy[i], places[k], strlen(places[k])) == 0;
		if (!is_place)
			return args->proxy[i];
	}
	return NULL;
}

static int run(struct request *r)
{
	const struct args *args = &r->args;
	const char *flag = misplaced(args);
	r->service = args_service(args);
	r->file = r->rollout ? SETTINGS_CANARY : SETTINGS_SERVICE;
	if (r->service == NULL)
		return EXIT_USAGE;
	if (flag != NULL)
		return args_fail(EXIT_USAGE,
				 "set: %s is the proxy's, no service has it; it belongs in [proxy]",
				 flag);
	if (args->nother == 0 && !r->dry_run)
		return args_fail(EXIT_USAGE, "set: nothing to set; as in: kamal-proxy set %s %s",
				 r->service,
				 r->rollout ? "--rollout --percent 10" : "--host www.example.com");
	struct settings *settings = args_settings(args);
	int code = settings != NULL ? set(settings, r) : EXIT_USAGE;
	settings_free(settings);
	return code;
}

int set_main(int argc, char **argv)
{
	struct request r = {0};
	const struct args_flag flags[] = {
		{.name = "--rollout", .flag = &r.rollout},
		{.name = "--dry-run", .flag = &r.dry_run},
	};
	if (!args_split(argc, argv, flags, sizeof(flags) / sizeof(flags[0]), true, &r.args))
		return EXIT_USAGE;
	int code = run(&r);
	args_free(&r.args);
	return code;
}
