/* list: the verbs that show what the status files say. */
#ifndef KP_RUN_LIST_H
#define KP_RUN_LIST_H

/* `list`: a table of all services, or --json. Where no proxy runs, the tree with state "down". */
int list_main(int argc, char **argv);
/* `status SERVICE`: its status file, aligned, or --json. */
int status_main(int argc, char **argv);

#endif
