/* Binds. First without SO_REUSEPORT, to learn whether anybody else has the port (with it, a
 * second proxy would bind beside it unnoticed), then one listener a worker slot with it. */
#include "run/listen.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"

#define UNIX_PREFIX "unix:"
#define PROBE_PAUSE_MS 2 /* nobody listens meanwhile */

static bool is_unix(const struct listen_address *a)
{
	return strncmp(a->text, UNIX_PREFIX, sizeof(UNIX_PREFIX) - 1) == 0;
}

static const char *unix_path(const struct listen_address *a)
{
	return a->text + sizeof(UNIX_PREFIX) - 1;
}

static bool plan_add(struct listen_plan *plan, const char *ip, unsigned port, bool optional,
		     bool tls)
{
	struct listen_address *a = &plan->address[plan->count];
	char host[SOCK_ADDR_TEXT];
	unsigned told;
	*a = (struct listen_address){.optional = optional};
	if (strncmp(ip, UNIX_PREFIX, sizeof(UNIX_PREFIX) - 1) == 0) {
		struct sockaddr_un sun;
		size_t most = sizeof(a->text) < sizeof(sun.sun_path) ? sizeof(a->text)
								     : sizeof(sun.sun_path);
		if (strlen(ip) >= most || unix_path(a) == ip)
			return false;
		snprintf(a->text, sizeof(a->text), "%s", ip);
		plan->count += unix_path(a)[0] == '/';
		return unix_path(a)[0] == '/';
	}
	if (!sock_addr_parse(ip, port, &a->addr))
		return false;
	if (port == 0)
		return true;
	sock_addr_text(&a->addr.ss, host, &told);
	a->tls = tls;
	bool v6 = a->addr.ss.ss_family == AF_INET6;
	snprintf(a->text, sizeof(a->text), "%s%s%s:%u", v6 ? "[" : "", host, v6 ? "]" : "", port);
	plan->count++;
	return true;
}

/* Everywhere, or where `bind` says; false: *wrong is no address. */
static bool plan_port(const struct proxy_settings *p, struct listen_plan *plan, unsigned port,
		      bool tls, const char **wrong)
{
	if (p->bind.count == 0) {
		plan_add(plan, "0.0.0.0", port, false, tls);
		plan_add(plan, "::", port, true, tls);
	}
	for (size_t i = 0; i < p->bind.count; i++) {
		*wrong = p->bind.item[i];
		bool once = strncmp(*wrong, UNIX_PREFIX, sizeof(UNIX_PREFIX) - 1) == 0;
		if (!(once && tls) && !plan_add(plan, *wrong, port, false, tls))
			return false;
	}
	return true;
}

bool listen_plan(const struct proxy_settings *p, struct listen_plan *plan, char *why, size_t size)
{
	const char *wrong = NULL;
	unsigned port = p->http_port <= 65535 ? (unsigned)p->http_port : 65536;
	*plan = (struct listen_plan){0};
	if (port > 65535) {
		snprintf(why, size, "http_port = %llu: a port is 1 to 65535 (0: none)",
			 (unsigned long long)p->http_port);
		return false;
	}
	if (p->https_port != 0 && p->https_port == p->http_port) {
		snprintf(why, size, "https_port = %u: http_port has it already; change one of them",
			 port);
		return false;
	}
	plan->address = mem_zero(2 * (p->bind.count + 2) * sizeof(*plan->address));
	if (!plan_port(p, plan, port, false, &wrong) ||
	    !plan_port(p, plan, (unsigned)p->https_port, true, &wrong)) {
		snprintf(why, size,
			 "bind = %s: neither a numeric address (127.0.0.1, ::1) nor unix:/path (at "
			 "most %zu bytes)",
			 wrong, sizeof(plan->address[0].text) - 1);
		listen_plan_free(plan);
		return false;
	}
	if (plan->count > 0)
		return true;
	snprintf(why, size,
		 "http_port = 0: nothing would listen; set a port, or bind = unix:/path");
	listen_plan_free(plan);
	return false;
}

void listen_plan_free(struct listen_plan *plan)
{
	mem_free(plan->address);
	*plan = (struct listen_plan){0};
}

static void explain(const struct listen_address *a, int err, char *why, size_t size)
{
	unsigned port = 0;
	char host[SOCK_ADDR_TEXT];
	if (is_unix(a)) {
		snprintf(why, size, "cannot listen on %s: %s; check that directory, or change bind",
			 a->text, strerror(err));
		return;
	}
	sock_addr_text(&a->addr.ss, host, &port);
	if (err == EACCES)
		snprintf(
			why, size,
			"cannot listen on %s: ports below 1024 need a privilege; start as root, or "
			"with CAP_NET_BIND_SERVICE, or set another %s",
			a->text, a->tls ? "https_port (0: none)" : "http_port");
	else if (err == EADDRINUSE)
		snprintf(why, size,
			 "cannot listen on %s: another program has this port (see: ss -ltnp 'sport "
			 "= :%u'); stop it, or set another %s",
			 a->text, port, a->tls ? "https_port (0: none)" : "http_port");
	else if (err == EADDRNOTAVAIL)
		snprintf(why, size,
			 "cannot listen on %s: this machine does not have the address; change bind",
			 a->text);
	else
		snprintf(why, size, "cannot listen on %s: %s; change bind or http_port", a->text,
			 strerror(err));
}

static bool may_skip(const struct listen_address *a, int err)
{
	return a->optional &&
	       (err == EAFNOSUPPORT || err == EADDRNOTAVAIL || err == EPROTONOSUPPORT);
}

/* We hold the lock, so a socket file that nobody listens on is left over; one that answers is
   not ours. */
static int unix_probe(const char *path)
{
	struct stat st;
	int fd = sock_connect_unix(path);
	if (fd >= 0 || errno == EAGAIN) {
		if (fd >= 0)
			close(fd);
		errno = EADDRINUSE;
		return -1;
	}
	if (errno == ENOENT)
		return 0;
	if (errno != ECONNREFUSED || lstat(path, &st) < 0)
		return -1;
	if (!S_ISSOCK(st.st_mode)) {
		errno = EEXIST;
		return -1;
	}
	return unlink(path);
}

static int probe_once(const struct listen_address *a)
{
	if (is_unix(a))
		return unix_probe(unix_path(a));
	int fd = sock_listen(&a->addr, a->addr.ss.ss_family == AF_INET6, true);
	if (fd < 0)
		return may_skip(a, errno) ? 0 : -1;
	close(fd);
	return 0;
}

bool listen_probe(const struct listen_plan *plan, unsigned patience_ms, char *why, size_t size)
{
	const struct timespec pause = {.tv_nsec = PROBE_PAUSE_MS * 1000000L};
	unsigned waited = 0;
	for (size_t i = 0; i < plan->count;) {
		if (probe_once(&plan->address[i]) == 0) {
			i++;
			continue;
		}
		int err = errno;
		if (err != EADDRINUSE || waited >= patience_ms) {
			explain(&plan->address[i], err, why, size);
			return false;
		}
		nanosleep(&pause, NULL);
		waited += PROBE_PAUSE_MS;
	}
	return true;
}

/* A Unix socket has no group to join: its slots share the one listener. */
static int open_one(const struct listen_address *a, const struct listen_socket *first)
{
	if (is_unix(a))
		return first == NULL ? sock_listen_unix(unix_path(a)) : dup(first->fd);
	return sock_listen(&a->addr, a->addr.ss.ss_family == AF_INET6, false);
}

bool listen_open(const struct listen_plan *plan, unsigned slots, struct listen_socket **out,
		 size_t *count, char *why, size_t size)
{
	struct listen_socket *all = mem_zero(plan->count * slots * sizeof(*all));
	size_t n = 0;
	for (size_t i = 0; i < plan->count; i++) {
		const struct listen_address *a = &plan->address[i];
		for (unsigned slot = 0; slot < slots; slot++) {
			int fd = open_one(a, slot == 0 ? NULL : &all[n - 1]);
			if (fd < 0 && may_skip(a, errno))
				break;
			if (fd < 0 || !sock_set_cloexec(fd, true)) {
				explain(a, errno, why, size);
				mem_free(all);
				return false;
			}
			all[n] = (struct listen_socket){.fd = fd, .slot = slot, .tls = a->tls};
			snprintf(all[n++].address, sizeof(all[0].address), "%s", a->text);
		}
	}
	*out = all;
	*count = n;
	return true;
}
