/* `list`: reads the status files when a proxy runs (they are then true), the services directory
 * when not. */
#include "run/list.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "list_internal.h"
#include "run/args.h"
#include "run/lock.h"
#include "service/registry.h"

#define HOSTS_SHOWN 60 /* bytes */

enum { COL_SERVICE, COL_HOST, COL_PATH, COL_TARGET, COL_STATE, COL_TLS, COLUMNS };
static const char *const titles[COLUMNS] = {"Service", "Host", "Path", "Target", "State", "TLS"};

struct listing {
	struct status *rows;
	size_t count;
	bool down;
};

static struct status *add_row(struct listing *l)
{
	if ((l->count & (l->count - 1)) == 0)
		l->rows = mem_grow(l->rows,
				   (l->count == 0 ? 1 : l->count * 2) * sizeof(l->rows[0]));
	return &l->rows[l->count++];
}

static bool read_running(struct listing *l, const char *runtime_dir)
{
	char dir[PATH_MAX];
	snprintf(dir, sizeof(dir), "%s/status", runtime_dir);
	DIR *d = opendir(dir);
	if (d == NULL) {
		args_fail(EXIT_FAILED, "%s: %s", dir, strerror(errno));
		return false;
	}
	for (struct dirent *e; (e = readdir(d)) != NULL;) {
		struct status s;
		if (e->d_name[0] == '.')
			continue;
		if (status_read(runtime_dir, e->d_name, &s))
			*add_row(l) = s;
		else
			status_fini(&s); /* gone in this moment */
	}
	closedir(d);
	return true;
}

static void join(const struct strings *list, const char *none, char **out)
{
	struct buf b = {0};
	for (size_t i = 0; i < list->count; i++)
		buf_printf(&b, "%s%s", i == 0 ? "" : ", ", list->item[i]);
	buf_printf(&b, "%s", list->count == 0 ? none : "");
	buf_append(&b, "", 1);
	status_set_text(out, b.data + b.head);
	buf_free(&b);
}

static void add_down(struct listing *l, const struct service *s, const struct service_view *v)
{
	const struct service_settings *set = service_settings(s);
	struct status *row = add_row(l);
	status_init(row);
	str_copy(row->service, sizeof(row->service), str_of(service_name(s)));
	join(&set->hosts, strchr(row->service, '.') != NULL ? row->service : "*", &row->hosts);
	join(&set->path_prefix, "/", &row->path);
	row->tls = set->tls;
	for (size_t i = 0; i < v->site->nsockets; i++)
		status_add_target(row, v->site->sockets[i].name, v->site->sockets[i].id.ino,
				  TARGET_READY, 0);
}

static bool read_down(struct listing *l, const struct settings *settings)
{
	const struct service_env env = {.settings = settings};
	struct registry *r = registry_new(&env, NULL);
	struct tree *t = tree_open(NULL, settings->proxy.services_dir, &registry_tree_events, r);
	struct service *s;
	struct service_view v;
	if (t == NULL)
		args_fail(EXIT_FAILED, "services_dir = %s: %s", settings->proxy.services_dir,
			  strerror(errno));
	for (size_t i = 0; t != NULL && (s = registry_next(r, &i)) != NULL;) {
		service_view(s, &v);
		add_down(l, s, &v);
	}
	if (t != NULL)
		tree_close(t);
	registry_free(r);
	return t != NULL;
}

static void targets_text(const struct status *s, struct buf *b)
{
	for (size_t i = 0; i < s->ntargets; i++) {
		const struct status_target *t = &s->targets[i];
		buf_printf(b, "%s%s", i == 0 ? "" : ", ", t->name);
		if (t->state != TARGET_READY)
			buf_printf(b, " (%s)", target_state_name(t->state));
	}
	if (s->ntargets == 0)
		buf_printf(b, "-");
	buf_append(b, "", 1);
}

static const char *colour(const struct listing *l, const struct status *s)
{
	if (!isatty(1) || getenv("NO_COLOR") != NULL)
		return NULL;
	if (l->down)
		return "\033[2m";
	if (s->state == SERVICE_PAUSED || s->state == SERVICE_STOPPED)
		return "\033[33m"; /* somebody means it so */
	return s->state == SERVICE_RUNNING ? "\033[32m" : "\033[31m";
}

static void print_cell(const char *text, size_t width, const char *paint, bool last)
{
	size_t n = strlen(text);
	printf("%s%s%s", paint == NULL ? "" : paint, text, paint == NULL ? "" : "\033[0m");
	printf("%*s", last ? 0 : (int)(width - n + 2), "");
}

static void row_cells(const struct listing *l, const struct status *s, struct buf *target,
		      const char *cell[COLUMNS])
{
	buf_clear(target);
	targets_text(s, target);
	cell[COL_SERVICE] = s->service;
	cell[COL_HOST] = s->hosts;
	cell[COL_PATH] = s->path;
	cell[COL_TARGET] = target->data + target->head;
	cell[COL_STATE] = l->down ? "down" : service_state_name(s->state);
	cell[COL_TLS] = s->tls ? "yes" : "no";
}

/* Customers' domains by the thousand would push all else off the screen; `status` has them whole. */
static void shorten(char *hosts)
{
	static const char more[] = " ...";
	size_t end = HOSTS_SHOWN;
	if (strlen(hosts) < HOSTS_SHOWN + sizeof(more))
		return;
	while (end > 0 && hosts[end - 1] != ',')
		end--;
	memcpy(hosts + (end > 0 ? end : HOSTS_SHOWN), more, sizeof(more));
}

static void print_table(const struct listing *l)
{
	size_t width[COLUMNS];
	const char *cell[COLUMNS];
	struct buf target = {0};
	for (int c = 0; c < COLUMNS; c++)
		width[c] = strlen(titles[c]);
	for (size_t i = 0; i < l->count; i++) {
		shorten(l->rows[i].hosts);
		row_cells(l, &l->rows[i], &target, cell);
		for (int c = 0; c < COLUMNS; c++) {
			if (strlen(cell[c]) > width[c])
				width[c] = strlen(cell[c]);
		}
	}
	for (int c = 0; c < COLUMNS; c++)
		print_cell(titles[c], width[c], NULL, c == COLUMNS - 1);
	printf("\n");
	for (size_t i = 0; i < l->count; i++) {
		row_cells(l, &l->rows[i], &target, cell);
		for (int c = 0; c < COLUMNS; c++)
			print_cell(cell[c], width[c],
				   c == COL_STATE ? colour(l, &l->rows[i]) : NULL,
				   c == COLUMNS - 1);
		printf("\n");
	}
	buf_free(&target);
}

static void print_json(const struct listing *l)
{
	printf("[");
	for (size_t i = 0; i < l->count; i++) {
		printf("%s", i == 0 ? "\n" : ",\n");
		list_print_json(&l->rows[i], l->down);
	}
	printf("\n]\n");
}

static int by_service(const void *a, const void *b)
{
	return strcmp(((const struct status *)a)->service, ((const struct status *)b)->service);
}

static int list(const struct settings *settings, bool json)
{
	struct listing l = {.down = !lock_is_held(settings->proxy.runtime_dir)};
	bool ok = l.down ? read_down(&l, settings) : read_running(&l, settings->proxy.runtime_dir);
	if (l.count > 1)
		qsort(l.rows, l.count, sizeof(l.rows[0]), by_service);
	if (ok && json)
		print_json(&l);
	else if (ok)
		print_table(&l);
	for (size_t i = 0; i < l.count; i++)
		status_fini(&l.rows[i]);
	mem_free(l.rows);
	return ok ? EXIT_DONE : EXIT_FAILED;
}

int list_main(int argc, char **argv)
{
	bool json = false;
	const struct args_flag flags[] = {{.name = "--json", .flag = &json}};
	struct args args;
	struct settings *settings = NULL;
	int code = EXIT_USAGE;
	if (!args_split(argc, argv, flags, 1, false, &args))
		return EXIT_USAGE;
	if (args.nwords > 0)
		args_fail(EXIT_USAGE,
			  "list: what is '%s'? one service alone: kamal-proxy status %s",
			  args.word[0], args.word[0]);
	else if ((settings = args_settings(&args)) != NULL)
		code = list(settings, json);
	settings_free(settings);
	args_free(&args);
	return code;
}
