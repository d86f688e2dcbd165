/* set: the verb that changes a service's options. */
#ifndef KP_RUN_SET_H
#define KP_RUN_SET_H

/* `set SERVICE [options as flags]`: service.ini is replaced, the other keys kept. The service's
   directory is made if need be, so that options can be there before the first socket. */
int set_main(int argc, char **argv);

#endif
