#!/usr/bin/env bats
# A hook killed before or after each tool that it calls: the service serves on, old or new, under a load
# that loses nothing, and the same command again gets through.
load helper

# shims TOOL…: each counts in $T/steps; the one that makes it $T/at kills the hook, before its work or after.
shims() {
	local tool
	mkdir -p "$T/shims"
	cat >"$T/shims/.shim" <<'SHIM'
#!/bin/sh
tool=${0##*/}
real=$(PATH=$REAL_PATH command -v "$tool")
echo "$tool" >>"$T/steps"
[ "$(wc -l <"$T/steps")" -eq "$AT" ] || exec "$real" "$@"
[ "$WHEN" = before ] || "$real" "$@"
kill -s "$SIGNAL" "$(cat "$T/hook.pid")"
SHIM
	chmod +x "$T/shims/.shim"
	for tool; do
		ln "$T/shims/.shim" "$T/shims/$tool"
	done
}

# killed AT SIGNAL WHEN COMMAND…: false when it got through, being done before it came to step AT.
killed() {
	export AT=$1 SIGNAL=$2 WHEN=$3 REAL_PATH=$PATH
	local status=0
	shift 3
	: >"$T/steps"
	# shellcheck disable=SC2016 # for the other shell
	PATH=$T/shims:$PATH sh -c 'echo $$ >"$T/hook.pid"; exec "$@"' sh "$KAMAL_PROXY" "$@" \
		>>"$T/hook.out" 2>&1 3>&- || status=$?
	[ "$status" -ne 0 ] || return 1
	[ "$status" -gt 128 ] || [ "$1" = pause ] ||
		fail "step $AT of $*: $status, $(tail -3 "$T/hook.out")"
}

clean() {
	same "" "$(find "$S" -name '.*' -printf '%P ')"
}

names() {
	find "$S/web" -mindepth 1 -maxdepth 1 -printf '%f\n' | LC_ALL=C sort | xargs
}

one_of_both() {
	[[ $(get a.org /) = "version v"[ab] ]] || fail "neither old nor new: $(get a.org /)"
}

other() {
	[ "$1" = a ] && echo b || echo a
}

# Targets: "outside", or "inside" (a name in the directory that goes when it is done).
target() {
	if [ "$2" = inside ]; then
		ln -f "$T/apps/$1.sock" "$S/web/app.sock.$1"
		TARGET=$S/web/app.sock.$1
	else
		TARGET=$T/apps/$1.sock
	fi
}

deploy_at_every_step() {
	local next=b at=1 signal=$2 when=$3
	while target "$next" "$1" && killed "$at" "$signal" "$when" deploy web --target "$TARGET"; do
		one_of_both
		# Its own name goes last: without it there is nothing left to do.
		[ ! -e "$TARGET" ] || kp deploy web --target "$TARGET" >>"$T/hook.out"
		same "version v$next" "$(get a.org /)"
		[ "$S/web/app.sock.old" -ef "$T/apps/$(other "$next").sock" ]
		same "app.sock app.sock.old" "$(names)"
		clean
		next=$(other "$next")
		at=$((at + 1))
	done
	[ "$at" -gt 5 ] || fail "only $at steps?"
	echo "# deploy, $*: $((at - 1)) steps" >&3
}

stage() {
	local n
	shims ln mv rm mkdir rmdir curl mkfifo flock
	mkdir -p "$T/apps" "$S/web"
	for n in a b; do
		start_app $n "$T/apps/$n.sock" v$n
	done
	ln "$T/apps/a.sock" "$S/web/app.sock"
	start_proxy
	ready web
	start_load -c 4 --think 5 --mix get:6,post:3,oneshot:1
}

@test "deploy, killed by SIGKILL after each step" {
	stage
	deploy_at_every_step outside KILL after
	end_load
	stop_proxy
}

@test "deploy, killed by SIGTERM before each step" {
	stage
	deploy_at_every_step inside TERM before
	end_load
	stop_proxy
}

@test "deploy, killed by either signal before and after each step" {
	[ -n "$TORTURE" ] || skip "long"
	stage
	for place in outside inside; do
		for signal in TERM KILL; do
			for when in before after; do
				deploy_at_every_step $place $signal $when
				kp deploy web --target "$T/apps/a.sock"
			done
		done
	done
	end_load
	stop_proxy
}

# One that was killed before it changed anything is done by the next; one that had begun is ended by it.
rollback_at_every_step() {
	local at=1 was begun
	while was=$(get a.org /) && killed "$at" "$1" "$2" rollback web; do
		one_of_both
		begun=
		[ ! -d "$S/web/.rollback" ] || begun=yes
		kp rollback web >>"$T/hook.out"
		[ -z "$begun" ] || [ "$(get a.org /)" != "$was" ] || fail "step $at: forward again"
		[ ! "$S/web/app.sock.old" -ef "$S/web/app.sock" ]
		same "app.sock app.sock.old" "$(names)"
		clean
		at=$((at + 1))
	done
	[ "$at" -gt 5 ]
	echo "# rollback, $*: $((at - 1)) steps" >&3
}

@test "rollback, killed at each step" {
	stage
	kp deploy web --target "$T/apps/b.sock"
	rollback_at_every_step KILL after
	rollback_at_every_step TERM before
	end_load
	stop_proxy
}

@test "a new service, killed at each step: whole or not there" {
	local at
	stage
	at=1
	while killed "$at" KILL after deploy new --target "$T/apps/b.sock" --host new.org; do
		if [ -d "$S/new" ]; then
			same "version vb" "$(get new.org /)"
		fi
		same "version va" "$(get a.org /)"
		kp deploy new --target "$T/apps/b.sock" --host new.org >>"$T/hook.out"
		same "version vb" "$(get new.org /)"
		kp remove new
		clean
		at=$((at + 1))
	done
	[ "$at" -gt 4 ]
	end_load
	stop_proxy
}

@test "remove, killed at each step: the same again gets through" {
	local at when
	stage
	ln "$T/shims/.shim" "$T/shims/stat"
	for when in before after; do
		at=1
		while kp deploy new --target "$T/apps/b.sock" --host new.org >>"$T/hook.out" &&
			killed "$at" KILL $when remove new; do
			# Its last step is to delete what it has renamed: then nothing is left to do.
			[ ! -d "$S/new" ] && [ ! -d "$S/.new.removed" ] || kp remove new
			same "version va" "$(get new.org /)"
			[ ! -e "$S/new" ]
			clean
			at=$((at + 1))
		done
		[ "$at" -gt 5 ] || fail "only $at steps?"
	done
	end_load
	stop_proxy
}

no_pause() {
	[ ! -e "$S/web/pause" ]
}

@test "a window around a command, killed at each step: the site goes on by itself" {
	local at when
	stage
	leasable web
	ini web 'lease_timeout = 300ms'
	ln "$T/shims/.shim" "$T/shims/env"
	for when in before after; do
		at=1
		while killed "$at" KILL $when pause web -- true; do
			eventually no_pause
			one_of_both
			at=$((at + 1))
		done
		[ "$at" -gt 4 ]
		at=1
		while killed "$at" TERM $when pause web -- true; do
			no_pause
			at=$((at + 1))
		done
		[ "$at" -gt 2 ]
	done
	find "$S/web" -name '.pause.*' -exec touch -d '1 hour ago' {} +
	kp prune web
	clean
	end_load
	stop_proxy
}

@test "pause, resume, stop, rollout, killed at each step: the same again gets through" {
	local at
	stage
	for at in 1 2 3; do
		killed $at KILL after pause web || :
		kp pause web
		killed $at KILL after resume web || :
		kp resume web
		one_of_both
		killed $at KILL after rollout deploy web --target "$T/apps/b.sock" || :
		kp rollout deploy web --target "$T/apps/b.sock"
		killed $at KILL before rollout stop web || :
		kp rollout stop web
	done
	end_load
	killed 1 KILL after stop web || :
	kp stop web
	same 503 "$(code a.org /)"
	kp resume web
	one_of_both
	stop_proxy
}

all_say() { # VERSION
	local n
	for n in 1 2 3 4 5 6; do
		same "version $1" "$(get a.org /)"
	done
}

@test "two targets, deployed and rolled back, killed at each step" {
	local at=1 next=b stride=2 n was now begun
	[ -z "$TORTURE" ] || stride=1
	stage
	for n in a b; do
		start_app "${n}2" "$T/apps/${n}2.sock" v$n
	done
	kp deploy web --target "$T/apps/a.sock" --target "$T/apps/a2.sock"
	while killed "$at" KILL after deploy web --target "$T/apps/$next.sock" \
		--target "$T/apps/${next}2.sock"; do
		one_of_both
		kp deploy web --target "$T/apps/$next.sock" --target "$T/apps/${next}2.sock"
		all_say "v$next"
		same "app-2.sock app-2.sock.old app.sock app.sock.old" "$(names)"
		next=$(other "$next")
		[ "$S/web/app-2.sock.old" -ef "$T/apps/${next}2.sock" ]
		at=$((at + stride))
	done
	[ "$at" -gt 8 ]
	at=1
	while was=$(get a.org /) && killed "$at" KILL after rollback web; do
		one_of_both
		begun=
		[ ! -d "$S/web/.rollback" ] || begun=yes
		kp rollback web
		now=$(get a.org /)
		all_say "${now#version }"
		[ -z "$begun" ] || [ "$now" != "$was" ]
		same "app-2.sock app-2.sock.old app.sock app.sock.old" "$(names)"
		clean
		at=$((at + stride))
	done
	[ "$at" -gt 8 ]
	end_load
	stop_proxy
}
