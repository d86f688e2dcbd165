/* Two workers, one socket, one probe: what gather makes one status of. */
#ifndef KP_TEST_GATHER_STAGE_H
#define KP_TEST_GATHER_STAGE_H

#include <string.h>

#include "run/gather.h"

enum { OLD = 11, NEW = 22 };

static struct tree_socket sockets[2];
static struct site site;
static struct service_view view;
static struct gather_worker workers[3];
static struct gather_probe probes[2];
static struct status last, now;

static int setup(void **state)
{
	(void)state;
	memset(sockets, 0, sizeof(sockets));
	memset(workers, 0, sizeof(workers));
	strcpy(sockets[0].name, "app.sock");
	sockets[0].id = (struct file_id){.dev = 1, .ino = NEW};
	site = (struct site){.path = (char *)"/srv/blog", .sockets = sockets, .nsockets = 1};
	view = (struct service_view){.kind = VIEW_OK, .stamp = 7, .site = &site};
	probes[0] = (struct gather_probe){.dev = 1, .ino = NEW, .state = PEER_READY};
	status_init(&last);
	status_init(&now);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	status_fini(&last);
	status_fini(&now);
	return 0;
}

static void worker_sees(int i, uint64_t ino)
{
	struct board_service *b = &workers[i].seen;
	workers[i].known = true;
	b->npeers = 1;
	b->peers[0] = (struct board_peer){.dev = 1, .ino = ino, .in_flight = 2};
	b->ini_stamp = 7;
}

static void gather(size_t nworkers, bool with_last)
{
	const struct gather g = {
		.view = &view,
		.workers = workers,
		.nworkers = nworkers,
		.probes = probes,
		.nprobes = 1,
		.last = with_last ? &last : NULL,
	};
	status_fini(&now);
	status_init(&now);
	gather_status(&g, &now);
}

#endif
