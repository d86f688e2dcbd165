/* `set`: writes a service.ini. The running proxy sees the rename, as it sees everything else. */
#include "run/set.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "run/args.h"

/* A flag that is wrong is wrong usage; a service.ini that was wrong before is not. */
static int refused(const struct settings_error *err)
{
	return args_fail(strncmp(err->text, "--", 2) == 0 ? EXIT_USAGE : EXIT_FAILED, "%s",
			 err->text);
}

/* Made under a name that the proxy does not see, and renamed once its options are in it: a
   service without them, if only for a moment, might claim every host. */
static int set_new(const char *services_dir, const char *dir, const struct args *args)
{
	char hidden[PATH_MAX], ini[PATH_MAX + 16];
	struct settings_error err;
	int n = snprintf(hidden, sizeof(hidden), "%s/.%s.set.%d", services_dir, args->word[0],
			 (int)getpid());
	if (n < 0 || (size_t)n >= sizeof(hidden))
		return args_fail(EXIT_USAGE, "services_dir is too long");
	if (mkdir(hidden, 0755) < 0)
		return args_fail(EXIT_FAILED,
				 "cannot make %s: %s; is %s there, and yours to write?", dir,
				 strerror(errno), services_dir);
	int code = EXIT_DONE;
	if (settings_set_service(hidden, args->nother, args->other, &err) < 0)
		code = refused(&err);
	else if (rename(hidden, dir) < 0)
		code = args_fail(EXIT_FAILED, "cannot make %s: %s", dir, strerror(errno));
	if (code == EXIT_DONE) {
		printf("%s: a new service, in %s\n", args->word[0], dir);
		return code;
	}
	snprintf(ini, sizeof(ini), "%s/service.ini", hidden);
	unlink(ini);
	rmdir(hidden);
	return code;
}

static int set(const struct settings *settings, const char *service, const struct args *args)
{
	char dir[PATH_MAX];
	struct settings_error err;
	int n = snprintf(dir, sizeof(dir), "%s/%s", settings->proxy.services_dir, service);
	if (n < 0 || (size_t)n >= sizeof(dir))
		return args_fail(EXIT_USAGE, "services_dir is too long");
	if (access(dir, F_OK) < 0 && errno == ENOENT)
		return set_new(settings->proxy.services_dir, dir, args);
	if (settings_set_service(dir, args->nother, args->other, &err) < 0)
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

int set_main(int argc, char **argv)
{
	struct args args;
	struct settings *settings = NULL;
	const char *service;
	int code = EXIT_USAGE;
	if (!args_split(argc, argv, NULL, 0, true, &args))
		return EXIT_USAGE;
	service = args_service(&args);
	const char *flag = misplaced(&args);
	if (service != NULL && flag != NULL)
		args_fail(EXIT_USAGE,
			  "set: %s is the proxy's, no service has it; it belongs in [proxy]", flag);
	else if (service != NULL && args.nother == 0)
		args_fail(EXIT_USAGE,
			  "set: nothing to set; as in: kamal-proxy set %s --host www.example.com",
			  service);
	else if (service != NULL && (settings = args_settings(&args)) != NULL)
		code = set(settings, service, &args);
	settings_free(settings);
	args_free(&args);
	return code;
}
