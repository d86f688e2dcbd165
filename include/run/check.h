/* check: the verb that reads everything as the proxy would, and says all that is wrong with it. */
#ifndef KP_RUN_CHECK_H
#define KP_RUN_CHECK_H

/* Exit 0 when all is good, 1 when anything is not, 2 when the settings themselves are wrong. */
int check_main(int argc, char **argv);

#endif
