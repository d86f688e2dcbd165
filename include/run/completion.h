/* completion: what a shell may offer while a command is being typed. The verbs, their flags and the
 * options come from the tables that the commands themselves use. */
#ifndef KP_RUN_COMPLETION_H
#define KP_RUN_COMPLETION_H

/* `completion bash|zsh`: a script for eval, or for the shell's directory of completions. It asks
   `completion words -- WORD...` (what follows the program's name; the last word is the one being
   typed, and may be empty) and gets candidates, one a line; ":files" alone stands for names of
   files. */
int completion_main(int argc, char **argv);

#endif
