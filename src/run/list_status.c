/* `status SERVICE`, and a status as JSON. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "list_internal.h"
#include "run/args.h"
#include "run/list.h"
#include "run/lock.h"

static void json_text(const char *key, const char *value)
{
	struct str s = str_of(value);
	size_t room = s.n * 6 + 2;
	char *p = mem_alloc(room);
	struct text t = text_in(p, room);
	text_json(&t, s);
	printf("\"%s\":%.*s,", key, STR_ARG(text_str(&t)));
	mem_free(p);
}

static void json_number(const char *key, uint64_t value)
{
	printf("\"%s\":%" PRIu64 ",", key, value);
}

/* "-" is the status file's way to say nothing. */
static void json_text_or_null(const char *key, const char *value)
{
	if (strcmp(value, "-") == 0)
		printf("\"%s\":null,", key);
	else
		json_text(key, value);
}

static void json_file(const char *key, struct file_id id)
{
	if (id.ino == 0)
		printf("\"%s\":null,", key);
	else
		printf("\"%s\":{\"inode\":%" PRIu64 ",\"ctime_ns\":%" PRId64 "},", key, id.ino,
		       id.ctime_ns);
}

static void time_text(int64_t unix_ms, char out[32])
{
	struct text t = text_in(out, 31);
	text_time(&t, unix_ms);
	out[t.n] = '\0';
}

static void json_counters(const struct status *s)
{
	json_number("generation", s->generation);
	json_number("in_flight", s->in_flight);
	json_number("draining", s->draining);
	json_number("tunnels", s->tunnels);
	json_number("held", s->held);
	json_number("requests", s->requests);
	json_number("errors", s->errors);
	json_number("cut_off", s->cut_off);
}

void list_print_json(const struct status *s, bool down)
{
	char since[32];
	time_text(s->since_ms, since);
	printf("{");
	json_text("service", s->service);
	json_text_or_null("state", down ? "-" : service_state_name(s->state));
	json_file("pause", s->pause);
	json_file("stop", s->stop);
	json_text("hosts", s->hosts);
	json_text("path", s->path);
	printf("\"tls\":%s,", s->tls ? "true" : "false");
	json_text_or_null("certificate", s->certificate);
	json_counters(s);
	json_text_or_null("since", down ? "-" : since);
	json_text_or_null("error", s->error);
	printf("\"targets\":[");
	for (size_t i = 0; i < s->ntargets; i++) {
		const struct status_target *t = &s->targets[i];
		printf("%s{", i == 0 ? "" : ",");
		json_text("name", t->name);
		json_number("inode", t->inode);
		json_text_or_null("state", down ? "-" : target_state_name(t->state));
		printf("\"in_flight\":%" PRIu64 "}", t->in_flight);
	}
	printf("]}");
}

static void line(const char *key, const char *value)
{
	printf("%-12s %s\n", key, value);
}

static void line_number(const char *key, uint64_t value)
{
	printf("%-12s %" PRIu64 "\n", key, value);
}

static void line_file(const char *key, struct file_id id)
{
	char since[32];
	if (id.ino == 0) {
		line(key, "-");
		return;
	}
	time_text(id.ctime_ns / 1000000, since);
	printf("%-12s since %s, inode %" PRIu64 "\n", key, since, id.ino);
}

static void line_held(const struct status *s)
{
	const char *why = s->state == SERVICE_PAUSED    ? "until the pause ends"
			  : s->state == SERVICE_STOPPED ? "to be answered 503"
							: "for a socket that listens";
	if (s->held == 0)
		line_number("held", 0);
	else
		printf("%-12s %" PRIu64 " request%s waiting %s\n", "held", s->held,
		       s->held == 1 ? "" : "s", why);
}

static void print_lines(const struct status *s)
{
	char since[32];
	time_text(s->since_ms, since);
	line("service", s->service);
	line("state", service_state_name(s->state));
	line_file("pause", s->pause);
	line_file("stop", s->stop);
	line_number("generation", s->generation);
	line("hosts", s->hosts);
	line("path", s->path);
	line("tls", s->tls ? "true" : "false");
	line("certificate", s->certificate);
	line_number("in_flight", s->in_flight);
	line_number("draining", s->draining);
	line_number("tunnels", s->tunnels);
	line_held(s);
	line_number("requests", s->requests);
	line_number("errors", s->errors);
	line_number("cut_off", s->cut_off);
	line("since", since);
	line("error", s->error);
	for (size_t i = 0; i < s->ntargets; i++) {
		const struct status_target *t = &s->targets[i];
		printf("%-12s %s  inode %" PRIu64 "  %s  %" PRIu64 " in flight\n", "target",
		       t->name, t->inode, target_state_name(t->state), t->in_flight);
	}
}

static int show(const struct settings *settings, const char *service, bool json)
{
	struct status s;
	const char *runtime_dir = settings->proxy.runtime_dir;
	if (!lock_is_held(runtime_dir))
		return args_fail(EXIT_FAILED, "kamal-proxy is not running (nobody holds %s/lock)",
				 runtime_dir);
	if (!status_read(runtime_dir, service, &s)) {
		int err = errno;
		status_fini(&s);
		return args_fail(EXIT_FAILED, "there is no service %s: %s/status/%s: %s", service,
				 runtime_dir, service, strerror(err));
	}
	if (json) {
		list_print_json(&s, false);
		printf("\n");
	} else {
		print_lines(&s);
	}
	status_fini(&s);
	return EXIT_DONE;
}

int status_main(int argc, char **argv)
{
	bool json = false;
	const struct args_flag flags[] = {{.name = "--json", .flag = &json}};
	struct args args;
	struct settings *settings = NULL;
	const char *service;
	int code = EXIT_USAGE;
	if (!args_split(argc, argv, flags, 1, false, &args))
		return EXIT_USAGE;
	if ((service = args_service(&args)) != NULL && (settings = args_settings(&args)) != NULL)
		code = show(settings, service, json);
	settings_free(settings);
	args_free(&args);
	return code;
}
