/* crew: what its files share. */
#ifndef KP_RUN_CREW_INTERNAL_H
#define KP_RUN_CREW_INTERNAL_H

#include "run/crew.h"

/* Forks a worker for a slot. Its region, or −1 (said in the log). */
int crew_fork(struct crew *c, unsigned slot, unsigned generation);
/* Gives each slot its best owner and tells those whom it concerns. */
void crew_assign(struct crew *c);
void hand_enter(struct crew *c, struct hand *h, enum hand_state state);
struct board_worker *hand_board(struct crew *c, const struct hand *h);
unsigned hand_region(const struct crew *c, const struct hand *h);

#endif
