#!/usr/bin/env bats
# What a shell offers while a command is being typed.
load helper

# words WORD…: candidates for the last one, on one line.
words() {
	kp completion words -- "$@" | paste -sd' '
}

# typed WORD…: what bash would offer after these words, by its script; the last is being typed.
typed() {
	COMP_WORDS=("$KAMAL_PROXY" "$@")
	COMP_CWORD=$#
	COMPREPLY=()
	_kamal_proxy
	same "$#" "$COMP_CWORD"
	printf "%s\n" "${COMPREPLY[@]}" | sort | paste -sd" "
}

@test "verbs, built in and hooks, without what is not built" {
	for verb in run list status check wait set deploy rollback prune pause resume stop rollout \
		remove completion help version; do
		contains " $verb " " $(words '') "
	done
	lacks doctor "$(words '')"
	same "remove" "$(words rem)"
	same "deploy" "$(words help dep)"
	same "bash zsh" "$(words completion '')"
	same "" "$(words nonsense '')"
	same "" "$(words nonsense -)"
}

@test "services, after verbs that take one" {
	mkdir "$S"/{blog,bar,web.example.com,.hidden}
	mkdir "$S/Not-One"
	: >"$S/file"
	for verb in status wait set deploy rollback pause resume stop remove prune; do
		same "bar blog web.example.com" "$(words $verb '')"
		same "bar blog" "$(words $verb b)"
		same "" "$(words $verb blog '')"
	done
	same "deploy set stop" "$(words rollout '')"
	same "bar blog" "$(words rollout set b)"
	same "" "$(words run '')"
	same "bar blog" "$(words wait --timeout 3s b)"
	same "bar blog" "$(words wait --drained b)"
	mkdir -p other/far
	same "far" "$(words status --services-dir "$T/other" '')"
}

@test "flags of the verb and of the tables, and what follows them" {
	same "--ready" "$(words wait web --re)"
	contains " --seen " " $(words wait web --) "
	same "--http-port" "$(words run --http-p)"
	same "--target --target-timeout" "$(words deploy web --targ)"
	same "--host --hosts" "$(words set web --hos)"
	same "--dry-run" "$(words set web --dry)"
	same "--max-pause" "$(words pause web --max)"
	same "--message" "$(words stop web --m)"
	same "--percent" "$(words rollout set web --per)"
	lacks "--tls-redirect" "$(words run --tls)"
	same "" "$(words run --metrics)" # not built
	for file in "deploy web --target" "rollout deploy web --target" "run -c" "run --services-dir" \
		"pause web --"; do
		# shellcheck disable=SC2086
		same ":files" "$(words $file '')"
	done
	same ":files" "$(words deploy web --target = '')"
	same "" "$(words deploy web --warm '')"
	same "" "$(words wait web --timeout --)"
}

@test "help among the words is a word" {
	same "" "$(words deploy --help web x)"
	same "--help" "$(words deploy --hel)"
}

@test "bash: the script, by eval" {
	mkdir "$S/blog" "a directory"
	: >"a file"
	eval "$(kp completion bash)"
	complete -p kamal-proxy
	same "deploy" "$(typed dep)"
	same "blog" "$(typed deploy '')"
	same "a directory a file" "$(typed deploy blog --target 'a ')"
	same "" "$(typed deploy nothing '')"
	ln -s "$KAMAL_PROXY" "kamal proxy"
	KAMAL_PROXY="$T/kamal proxy"
	same "deploy" "$(typed dep)"
}

@test "zsh: the script is one" {
	command -v zsh >/dev/null || skip "no zsh"
	kp completion zsh >_kamal-proxy
	zsh -n _kamal-proxy
	mkdir "$S/blog"
	zsh -fc '
		compdef() { }
		source ./_kamal-proxy
		compadd() { shift; print -r -- $* }
		_files() { print files }
		words=('"$KAMAL_PROXY"' deploy "") CURRENT=3; _kamal_proxy
		words=('"$KAMAL_PROXY"' deploy blog --target "") CURRENT=5; _kamal_proxy' >out
	same "blog files" "$(paste -sd' ' out)"
}

@test "installed where shells look" {
	[ -z "$SAN" ] || skip "the same, slower"
	# Where it was built for: another PREFIX would build anew what is under test.
	make -s -C "$ROOT" install DESTDIR="$T/to" >/dev/null
	kp completion bash | cmp - to/usr/local/share/bash-completion/completions/kamal-proxy
	kp completion zsh | cmp - to/usr/local/share/zsh/site-functions/_kamal-proxy
	to/usr/local/bin/kamal-proxy version
	to/usr/local/bin/kamal-proxy remove --help
}

@test "completion: wrong usage" {
	for args in "" "fish" "words" "bash zsh"; do
		code=0
		# shellcheck disable=SC2086
		kp completion $args >out 2>err || code=$?
		same 2 "$code"
		[ -s err ]
		[ ! -s out ]
	done
}
