/* master: the process that `kamal-proxy run` is. Binds, forks, publishes status, executes its
 * successor. */
#ifndef KP_RUN_MASTER_H
#define KP_RUN_MASTER_H

/* The verb `run`; argv[0] is the verb. Returns the exit code. */
int master_main(int argc, char **argv);

#endif
