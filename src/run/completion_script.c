/* The two scripts. They know nothing of verbs and flags: the program itself is asked each time. */
#include "completion_internal.h"

const char completion_bash[] =
	"_kamal_proxy() {\n"
	"\tlocal program=${COMP_WORDS[0]/#\\~/$HOME} current=${COMP_WORDS[COMP_CWORD]}\n"
	"\tmapfile -t COMPREPLY < <(\"$program\" completion words -- \\\n"
	"\t\t\"${COMP_WORDS[@]:1:COMP_CWORD}\" 2>/dev/null)\n"
	"\t[ \"${COMPREPLY[0]-}\" = :files ] || return 0\n"
	"\tcompopt -o filenames 2>/dev/null\n"
	"\tmapfile -t COMPREPLY < <(compgen -f -- \"${current#=}\")\n"
	"}\n"
	"complete -F _kamal_proxy kamal-proxy\n";

/* Found in a directory of $fpath the file is the function's body; in an eval it names one. */
const char completion_zsh[] =
	"#compdef kamal-proxy\n"
	"_kamal_proxy() {\n"
	"\tlocal -a candidates\n"
	"\tcandidates=(\"${(@f)$(${(Q)words[1]/#\\~/$HOME} completion words -- \\\n"
	"\t\t\"${(@Q)words[2,CURRENT]}\" 2>/dev/null)}\")\n"
	"\tif [[ $candidates[1] == :files ]]; then\n"
	"\t\t_files\n"
	"\telse\n"
	"\t\tcompadd -- ${candidates:#}\n"
	"\tfi\n"
	"}\n"
	"if [[ $funcstack[1] == _kamal-proxy ]]; then\n"
	"\t_kamal_proxy \"$@\"\n"
	"else\n"
	"\tcompdef _kamal_proxy kamal-proxy\n"
	"fi\n";
