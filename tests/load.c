/*
 * A loader that counts lost requests: so many clients, each with one request
 * at a time, never trying one again. It tells answers by their version, so
 * that those which an old instance gave after a handoff are found as well.
 */
#include "load.h"

#include <arpa/inet.h>
#include <getopt.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

struct load load = {
	.host = "localhost", .path = "/", .field = "", .connections = 16, .weights = {1}};

uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000U + (uint64_t)t.tv_nsec;
}

static int usage(void)
{
	fputs("usage: load --url http://127.0.0.1:PORT[/path] [--unix PATH] [--host NAME]\n"
	      "  [-c CONNECTIONS] [-t SECONDS] [-n REQUESTS] [--until-file PATH]\n"
	      "  [--mix get[:WEIGHT],post,oneshot,post-oneshot] [--ok 200,503] [--marks FILE]\n"
	      "  [--think MS: between a client's requests; the first ones are spread over it]\n"
	      "  [--rate REQUESTS a second, of all clients together; what comes late is timed "
	      "from\n"
	      "  the moment it should have begun] [--numbered: 1, 2, … at the end of a GET's "
	      "path]\n"
	      "  [--field 'NAME: VALUE'] [--json] [--detail: statuses and a histogram as well]\n"
	      "       load --talk [--hold] --url … < BYTES   sends them, prints what comes back\n"
	      "       load --swap SERVICE_DIR -n TIMES --url …       how long a handoff takes\n"
	      "       load --now                             prints the clock that marks use\n",
	      stderr);
	return 2;
}

static bool url_parse(const char *url)
{
	struct sockaddr_in *sin = (struct sockaddr_in *)&load.addr;
	char text[64];
	const char *path;
	char *port;
	size_t n;

	if (strncmp(url, "http://", 7) != 0)
		return false;
	url += 7;
	path = strchr(url, '/');
	n = path != NULL ? (size_t)(path - url) : strlen(url);
	if (n >= sizeof(text))
		return false;
	memcpy(text, url, n);
	text[n] = '\0';
	port = strchr(text, ':');
	if (port != NULL)
		*port++ = '\0';
	sin->sin_family = AF_INET;
	sin->sin_port = htons((uint16_t)(port != NULL ? atoi(port) : 80));
	load.addr_len = sizeof(*sin);
	if (path != NULL)
		load.path = path;
	return inet_pton(AF_INET, text, &sin->sin_addr) == 1;
}

static bool unix_parse(const char *path)
{
	struct sockaddr_un *sun = (struct sockaddr_un *)&load.addr;

	if (strlen(path) >= sizeof(sun->sun_path))
		return false;
	sun->sun_family = AF_UNIX;
	memcpy(sun->sun_path, path, strlen(path) + 1);
	load.addr_len = sizeof(*sun);
	return true;
}

static bool mix_parse(char *text)
{
	static const char *const names[KIND_COUNT] = {"get", "post", "oneshot", "post-oneshot"};
	char *part, *weight;
	int i;

	memset(load.weights, 0, sizeof(load.weights));
	while ((part = strsep(&text, ",")) != NULL) {
		weight = strchr(part, ':');
		if (weight != NULL)
			*weight++ = '\0';
		for (i = 0; i < KIND_COUNT && strcmp(part, names[i]) != 0; i++)
			;
		if (i == KIND_COUNT)
			return false;
		load.weights[i] = weight != NULL ? (unsigned)atoi(weight) : 1;
	}
	return load.weights[0] + load.weights[1] + load.weights[2] + load.weights[3] > 0;
}

static bool ok_parse(char *text)
{
	char *part;

	while ((part = strsep(&text, ",")) != NULL && load.ok_count < 16)
		load.ok[load.ok_count++] = atoi(part);
	return part == NULL;
}

static bool finished(uint64_t now)
{
	if (load.deadline != 0 && now >= load.deadline)
		load.stopping = true;
	if (load.until_file != NULL && access(load.until_file, F_OK) == 0)
		load.stopping = true;
	return load.busy == 0 && (load.stopping || (load.limit != 0 && load.started >= load.limit));
}

static int run(void)
{
	struct client *clients = calloc(load.connections, sizeof(*clients));
	struct epoll_event evs[256];
	uint64_t now = now_ns(), ticked = 0, tick = load.period != 0 ? 1000000U : 20000000U;
	uint64_t spread = load.period != 0 ? load.period : load.think;
	int n;

	if (clients == NULL)
		abort();
	load.epfd = epoll_create1(EPOLL_CLOEXEC);
	for (unsigned i = 0; i < load.connections; i++) {
		clients[i].fd = -1;
		clients[i].index = i;
		clients[i].seed = i + 1;
		clients[i].wake = now + spread * i / load.connections;
	}
	while (!finished(now)) {
		n = epoll_wait(load.epfd, evs, 256, (int)(tick / 1000000));
		now = now_ns();
		for (int i = 0; i < n; i++) {
			client_event(evs[i].data.ptr, evs[i].events);
			client_tick(evs[i].data.ptr, now);
		}
		if (now - ticked < tick && n > 0)
			continue;
		ticked = now;
		for (unsigned i = 0; i < load.connections; i++)
			client_tick(&clients[i], now);
	}
	n = report_print();
	free(clients);
	return n;
}

enum {
	OPT_URL = 256,
	OPT_UNIX,
	OPT_HOST,
	OPT_MIX,
	OPT_UNTIL,
	OPT_MARKS,
	OPT_JSON,
	OPT_OK,
	OPT_THINK,
	OPT_RATE,
	OPT_NUMBERED,
	OPT_FIELD,
	OPT_DETAIL,
	OPT_NOW,
	OPT_TALK,
	OPT_HOLD,
	OPT_SWAP
};

static const struct option options[] = {
	{"url", required_argument, NULL, OPT_URL},
	{"unix", required_argument, NULL, OPT_UNIX},
	{"host", required_argument, NULL, OPT_HOST},
	{"mix", required_argument, NULL, OPT_MIX},
	{"until-file", required_argument, NULL, OPT_UNTIL},
	{"marks", required_argument, NULL, OPT_MARKS},
	{"json", no_argument, NULL, OPT_JSON},
	{"ok", required_argument, NULL, OPT_OK},
	{"think", required_argument, NULL, OPT_THINK},
	{"rate", required_argument, NULL, OPT_RATE},
	{"numbered", no_argument, NULL, OPT_NUMBERED},
	{"field", required_argument, NULL, OPT_FIELD},
	{"detail", no_argument, NULL, OPT_DETAIL},
	{"now", no_argument, NULL, OPT_NOW},
	{"talk", no_argument, NULL, OPT_TALK},
	{"hold", no_argument, NULL, OPT_HOLD},
	{"swap", required_argument, NULL, OPT_SWAP},
	{NULL, 0, NULL, 0},
};

/* False when the option's argument makes no sense. */
static bool option_take(int opt, char *arg)
{
	switch (opt) {
	case OPT_URL: return url_parse(arg);
	case OPT_UNIX: return unix_parse(arg);
	case OPT_MIX: return mix_parse(arg);
	case OPT_OK: return ok_parse(arg);
	case OPT_HOST: load.host = arg; return true;
	case OPT_UNTIL: load.until_file = arg; return true;
	case OPT_MARKS: load.marks = arg; return true;
	case OPT_JSON: load.json = true; return true;
	case OPT_THINK: load.think = (uint64_t)atoll(arg) * 1000000U; return true;
	case OPT_RATE: load.rate = atof(arg); return load.rate > 0;
	case OPT_NUMBERED: load.numbered = true; return true;
	case OPT_FIELD: load.field = arg; return true;
	case OPT_DETAIL: load.detail = true; return true;
	case 'c': load.connections = (unsigned)atoi(arg); return load.connections > 0;
	case 'n': load.limit = (unsigned)atoi(arg); return load.limit > 0;
	case 't': load.deadline = now_ns() + (uint64_t)(atof(arg) * 1e9); return true;
	default: return false;
	}
}

int main(int argc, char **argv)
{
	bool talking = false, hold = false;
	const char *swap_dir = NULL;
	int opt;

	while ((opt = getopt_long(argc, argv, "c:n:t:", options, NULL)) != -1) {
		if (opt == OPT_NOW) {
			printf("%llu\n", (unsigned long long)now_ns());
			return 0;
		}
		if (opt == OPT_TALK)
			talking = true;
		else if (opt == OPT_HOLD)
			hold = true;
		else if (opt == OPT_SWAP)
			swap_dir = optarg;
		else if (!option_take(opt, optarg))
			return usage();
	}
	if (optind != argc || load.addr_len == 0)
		return usage();
	if (talking)
		return talk(hold);
	if (swap_dir != NULL)
		return load.limit > 0 ? swap(swap_dir, load.limit) : usage();
	if (load.deadline == 0 && load.limit == 0 && load.until_file == NULL)
		return usage();
	if (load.rate > 0)
		load.period = (uint64_t)(load.connections / load.rate * 1e9);
	return run();
}
