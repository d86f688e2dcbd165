#!/usr/bin/env bats
# The verbs that hold traffic or part of it: pause, resume, stop, rollout.
load helper

site() {
	service web v1
	leasable web
	start_proxy
	ready web
}

# not_there FILE…: in the service's directory, and no hidden one either.
not_there() {
	local file
	for file; do
		[ ! -e "$S/web/$file" ] || fail "$file is there"
	done
	same "" "$(find "$S/web" -name '.*' -printf '%P ')"
}

refuses() { # CODE PART COMMAND…
	local code=$1 part=$2 got=0
	shift 2
	kp "$@" >"$T/refused.out" 2>&1 || got=$?
	same "$*: $code" "$*: $got"
	contains "$part" "$(cat "$T/refused.out")"
}

@test "pause, resume: held and on again" {
	site
	contains "paused" "$(kp pause web)"
	same paused "$(field web state)"
	in_background one get a.org /
	held web 1
	contains "paused" "$(kp pause web)"
	contains "on" "$(kp resume web)"
	await one
	same "version v1" "$(cat one.out)"
	not_there pause
	contains neither "$(kp resume web)"
	stop_proxy
}

@test "pause --max-pause: what the file says" {
	site
	kp pause web --max-pause 300ms
	same 300ms "$(cat "$S/web/pause")"
	same 504 "$(code a.org /)"
	kp resume web
	same 200 "$(code a.org /)"
	stop_proxy
}

@test "pause: given up when a request in flight takes too long" {
	site
	in_background slow get a.org '/slow?ms=3000'
	reached web /slow 1
	ini web 'drain_timeout = 20s' 'max_pause = 60s'
	refuses 1 "not paused" pause web --timeout 300ms
	not_there pause
	refuses 1 "not paused" pause web --timeout 300ms -- touch "$T/ran"
	not_there pause
	[ ! -e "$T/ran" ]
	same "version v1" "$(get a.org /)"
	await slow
	stop_proxy
}

@test "pause -- COMMAND: a window as long as it runs, its exit status is ours" {
	site
	# shellcheck disable=SC2016 # for the other shell
	in_background window "$KAMAL_PROXY" pause web -- sh -c 'echo begun; read -r line <"$1"; echo "$line"; exit 7' \
		sh "$T/go"
	mkfifo go
	begun() { grep -q begun window.out; }
	eventually begun
	[ -p "$S/web/pause" ]
	same paused "$(field web state)"
	refuses 1 "paused already" pause web -- true
	refuses 1 "paused already" pause web
	in_background one get a.org /
	held web 1
	echo "that is all" >go
	status=0
	await window || status=$?
	same 7 "$status"
	not_there pause
	await one
	same "version v1" "$(cat one.out)"
	same "begun that is all" "$(xargs <window.out)"
	kp pause web
	refuses 1 "paused already" pause web -- true
	kp resume web
	refuses 127 "" pause web -- "$T/no-such-command"
	not_there pause
	kp pause web --max-pause 9s -- true
	contains "max_pause = 9s" "$(cat "$S/web/service.ini")"
	kp pause web
	refuses 1 "paused already" pause web --max-pause 8s -- true
	contains "max_pause = 9s" "$(cat "$S/web/service.ini")"
	kp resume web
	kp pause web --max-pause 0 -- true
	contains "max_pause = 0" "$(cat "$S/web/service.ini")"
	kp pause web --max-pause 0
	same 0 "$(cat "$S/web/pause")"
	kp resume web
	same "in  put" "$(echo 'in  put' | kp pause web -- cat)"
	same "--help a  b" "$(kp pause web -- echo --help 'a  b')"
	stop_proxy
}

@test "pause -- COMMAND: signals reach the command, which is waited for" {
	site
	for signal in TERM INT HUP; do
		rm -f "$T/ended"
		# shellcheck disable=SC2016 # for the other shell
		in_background window "$KAMAL_PROXY" pause web -- sh -c \
			'trap "echo ended >$T/ended; exit 3" TERM INT HUP; echo begun; while :; do sleep 0.05; done'
		begun() { grep -q begun window.out; }
		eventually begun
		kill -s "$signal" "${JOB[window]}"
		status=0
		await window || status=$?
		same "$signal 3" "$signal $status"
		[ -e "$T/ended" ]
		not_there pause
		same 200 "$(code a.org /)"
	done
	stop_proxy
}

@test "pause -- COMMAND: the hook killed, the window lasts as long as the command" {
	site
	in_background window "$KAMAL_PROXY" pause web -- sh -c 'echo $$; exec sleep 60'
	begun() { [ -s window.out ]; }
	eventually begun
	kill -KILL "${JOB[window]}"
	await window || :
	same paused "$(field web state)"
	[ -p "$S/web/pause" ]
	kill -KILL "$(cat window.out)"
	eventually field_is web state running
	not_there pause
	same 200 "$(code a.org /)"
	stop_proxy
}

@test "pause -- COMMAND: where the proxy could not end the window none begins" {
	need_root
	service web v1
	start_proxy
	ready web
	refuses 1 "chmod g+w" pause web -- touch "$T/ran"
	not_there pause
	[ ! -e "$T/ran" ]
	kp pause web
	kp resume web
	stop_proxy
}

@test "pause -- COMMAND: a window that ends before the command does is said" {
	site
	# shellcheck disable=SC2016 # for the other shell
	refuses 3 "the window ended before the command did" pause web -- sh -c 'rm "$1"; exit 3' sh "$S/web/pause"
	# shellcheck disable=SC2016 # for the other shell
	refuses 0 "requests have reached the app" pause web -- sh -c ': >"$1.x"; mv "$1.x" "$1"' sh "$S/web/pause"
	same paused "$(field web state)"
	kp resume web
	kp pause web -- true 2>err
	same "" "$(cat err)"
	stop_proxy
}

@test "pause, stop, resume: a FIFO that the proxy does not honour is not called a lease" {
	need_root
	service web v1
	start_proxy
	ready web
	for door in pause stop; do
		mkfifo "$S/web/$door"
		eventually field_is web state invalid
		refuses 1 "does not honour: " $door web
		contains "chmod" "$(cat refused.out)"
		[ "$door" = stop ] || refuses 1 "chgrp" pause web -- true
		refuses 0 "did not honour: " resume web
		not_there $door
		eventually field_is web state running
	done
	stop_proxy
}

@test "pause, without a proxy: says so" {
	service web v1
	refuses 1 "start it: kamal-proxy run" pause web
	refuses 1 "not running" pause web -- touch "$T/ran"
	[ ! -e "$T/ran" ]
	not_there pause
	refuses 0 "not running" stop web
	refuses 0 "not running" resume web
	refuses 0 "not running; it is in force when that is started" rollout set web --percent 5
	refuses 0 "not running; it is in force when that is started" rollout stop web
	not_there rollout.ini
	not_there stop pause
}

@test "stop, resume: the message, and that the app still runs" {
	site
	contains "still runs" "$(kp stop web --message 'Back <soon>.')"
	same stopped "$(field web state)"
	same 503 "$(code a.org /)"
	contains "Back &lt;soon&gt;." "$(get a.org /)"
	kp stop web --message=Later
	contains "Later" "$(get a.org /)"
	contains "users get 503" "$(kp pause web)"
	kp resume web
	same 200 "$(code a.org /)"
	not_there stop
	mkfifo "$S/web/stop"
	refuses 1 "by a lease" stop web
	refuses 0 "was leased" resume web
	not_there stop
	stop_proxy
}

@test "wrong usage: 2, and what is right" {
	site
	refuses 2 "name a service" pause
	refuses 2 "what is" pause web now
	refuses 2 "no command" pause web --
	refuses 2 "no duration" pause web --max-pause long
	refuses 2 "no duration" pause web --timeout=
	refuses 1 "no service" pause nobody
	refuses 2 "what is" stop web now
	refuses 2 "4096" stop web --message "$(head -c 5000 /dev/zero | tr '\0' x)"
	refuses 1 "no service" stop nobody
	refuses 2 "one service" resume web web
	refuses 2 "deploy, set or stop" rollout
	refuses 2 "deploy, set or stop" rollout web
	refuses 2 "nothing to set" rollout set web
	refuses 2 "" rollout set web --percent 101
	refuses 2 "" rollout set web --host a.org
	refuses 1 "no service" rollout set nobody --percent 1
	refuses 1 "no service" rollout deploy nobody --target "$S/web/app.sock"
	refuses 2 "rollout deploy: what is '--host'? As in: kamal-proxy rollout deploy web" \
		rollout deploy web --target "$S/web/app.sock" --host a.org
	refuses 2 "rollout deploy: no target, as in: kamal-proxy rollout deploy web" rollout deploy web
	refuses 2 "rollout deploy: --target needs a value" rollout deploy web --target
	refuses 2 "rollout deploy: name a service" rollout deploy
	refuses 2 "rollout deploy: what is 'b'" rollout deploy web b --target "$S/web/app.sock"
	not_there pause stop rollout.ini rollout
	stop_proxy
}

@test "rollout deploy, set, stop: the canary comes, takes its part and goes" {
	site
	start_app two "$T/two.sock" v2
	start_app three "$T/three.sock" v3
	start_load -c 4 --think 5
	refuses 0 "no canary is there yet" rollout set web --percent 0
	kp rollout stop web
	same 1 "$(wc -l <refused.out)"
	kp rollout deploy web --target "$T/two.sock" >out
	contains "generation" "$(cat out)"
	contains "the canary: rollout/app.sock -> $T/two.sock" "$(cat out)"
	contains "kamal-proxy rollout set web" "$(cat out)"
	[ "$S/web/rollout/app.sock" -ef "$T/two.sock" ]
	same "version v1" "$(get a.org / -b kamal-rollout=alice)"
	kp rollout set web --list alice,bob
	same "version v2" "$(get a.org / -b kamal-rollout=alice)"
	same "version v1" "$(get a.org / -b kamal-rollout=carol)"
	kp rollout set web --percent 100
	same "version v2" "$(get a.org / -b kamal-rollout=carol)"
	same "version v1" "$(get a.org /)"
	kp rollout deploy web --target "$T/three.sock"
	same "version v3" "$(get a.org / -b kamal-rollout=carol)"
	in_background slow get a.org '/slow?ms=600' -b kamal-rollout=bob
	reached three /slow 1
	kp rollout stop web
	await slow
	same 1 "$(grep -c ' end 200' three.log)" || :
	same "version v1" "$(get a.org / -b kamal-rollout=alice)"
	not_there rollout.ini
	end_load
	stop_proxy
}
