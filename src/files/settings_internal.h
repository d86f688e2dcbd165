/* settings, private: the option tables, the ini reader and the flag reader under the public face.
 * */
#ifndef KP_FILES_SETTINGS_INTERNAL_H
#define KP_FILES_SETTINGS_INTERNAL_H

#include "base/buf.h"
#include "files/settings.h"

enum option_type {
	OPTION_BOOL,
	OPTION_NUMBER,
	OPTION_DURATION,
	OPTION_SIZE,
	OPTION_TEXT,
	OPTION_LIST,
};

struct option {
	const char *name, *def, *help;
	size_t offset; /* in its settings structure */
	enum option_type type;
	bool built;
};

struct option_table {
	const char *section;
	const struct option *options;
	size_t count;
};
extern const struct option_table proxy_table, service_table, rollout_table;

/* Where a value comes from, for messages. */
enum origin_kind { ORIGIN_FILE, ORIGIN_FLAG, ORIGIN_ENVIRONMENT };
struct origin {
	enum origin_kind kind;
	const char *where; /* file, flag as typed, or variable */
};

/* Writes the error; returns false, so that `return settings_fail(…)` reads well. */
bool settings_fail(struct settings_error *err, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* settings_option.c */
const struct option *option_find(const struct option_table *t, struct str name);
/* The name at an edit distance of at most 2, or NULL. */
const char *option_nearest(const struct option_table *t, struct str name);
void *option_member(const struct option *o, void *settings);
void option_defaults(const struct option_table *t, void *settings);
void option_copy(const struct option_table *t, void *to, const void *from);
void option_free(const struct option_table *t, void *settings);
/* Parses, checks and stores; `append` adds to a list instead of replacing it. */
bool option_assign(const struct option_table *t, const struct option *o, void *settings,
		   struct str value, bool append, const struct origin *from,
		   struct settings_error *err);

/* settings.c: the names in dir/hosts too, none twice. */
bool service_add_hosts(struct service_settings *s, const char *dir, struct settings_error *err);

/* settings_print.c: "name = value" for every option. */
void option_print_values(FILE *to, const struct option_table *t, void *settings);

/* Lists. */
void strings_add(struct strings *l, struct str item);
void strings_free(struct strings *l);
bool strings_equal(const struct strings *a, const struct strings *b);

/* settings_check.c: what is wrong with a value, and what to do. */
struct complaint {
	char text[200];
};
bool option_check(const struct option *o, void *member, struct complaint *why);
/* Lower-cases and validates one host name or wildcard in place. */
bool host_check(char *host, struct complaint *why);
/* What options mean together. own: which of them this very file sets; tls that stands in the defaults is not
   meant for a service that has a path only, and is taken away. */
bool service_check(struct service_settings *s, uint64_t own, const char *path,
		   struct settings_error *err);
bool complain(struct complaint *why, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* settings_file.c. A regular file of at most max bytes, never a link; *absent when there is none
   (then true is returned and the buffer is empty). */
bool file_read(const char *path, size_t max, struct buf *to, bool *absent,
	       struct settings_error *err);

/* settings_ini.c */
#define INI_FILE_MAX ((size_t)64 << 10)
#define INI_LINE_MAX 1000 /* iniparser 4.1 cuts at 1024 */

struct ini_pair {
	const char *section; /* of the caller's list */
	char *key, *value;
	unsigned line;
};
struct ini {
	struct ini_pair *pairs;
	size_t count;
};
/* Parses the bytes of a file called `name`. `sections` ends with NULL; with `heading_optional` keys
   before any heading belong to the first. */
bool ini_parse(struct ini *out, struct str bytes, const char *name, const char *const *sections,
	       bool heading_optional, struct settings_error *err);
bool ini_read(struct ini *out, const char *path, const char *const *sections, bool heading_optional,
	      bool *absent, struct settings_error *err);
void ini_free(struct ini *ini);
/* Assigns the pairs of the table's section; `set` collects which options were (may be NULL). */
bool ini_apply(const struct ini *ini, const struct option_table *t, void *settings, uint64_t *set,
	       const char *name, struct settings_error *err);

/* settings_flags.c */
struct flag {
	const struct option *option;
	struct str value;
	const char *text; /* "--http-port" */
};
struct flags {
	struct flag *flags;
	size_t count;
};
/* Reads flags of the table up to the first argument that is none. `config` takes -c FILE; NULL: no
   such flag. */
bool flags_parse(struct flags *out, const struct option_table *t, int argc, char **argv, int *rest,
		 const char **config, struct settings_error *err);
bool flags_apply(const struct flags *f, const struct option_table *t, void *settings,
		 struct settings_error *err);
/* Did an earlier flag name the same option? Then a list goes on instead of beginning anew. */
bool flags_is_repeated(const struct flags *f, size_t i);
void flags_free(struct flags *f);
bool environment_apply(const struct option_table *t, void *settings, struct settings_error *err);

#endif
