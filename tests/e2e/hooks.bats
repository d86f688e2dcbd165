#!/usr/bin/env bats
# The verbs that are scripts: deploy, rollback, prune.
load helper

# outside NAME VERSION [FLAGS…]: an app that listens at $T/apps/NAME.sock.
outside() {
	mkdir -p "$T/apps"
	start_app "$1" "$T/apps/$1.sock" "$2" "${@:3}"
}

inode() {
	stat -L -c %i "$1"
}

names() {
	find "$1" -mindepth 1 -maxdepth 1 -printf '%f\n' | LC_ALL=C sort | xargs
}

# snapshot: all that a failed deploy must leave alone.
snapshot() {
	(cd "$S" && find . -printf '%p %i %y %l\n' | sort && cat ./*/service.ini 2>/dev/null) || :
}

failing() { # CODE PART COMMAND…: fails so, says so, changes nothing
	local code=$1 part=$2 was got=0
	shift 2
	was=$(snapshot)
	kp "$@" >"$T/fail.out" 2>&1 || got=$?
	same "$*: $code" "$*: $got"
	contains "$part" "$(cat "$T/fail.out")"
	same "$was" "$(snapshot)"
}

@test "deploy: a socket outside is linked in, the one before kept, what happened is said" {
	service web v1
	outside two v2
	start_proxy
	ready web
	start_load -c 8 --mix get:6,post:3,oneshot:1
	run kp deploy web --target "$T/apps/two.sock"
	same 0 "$status"
	mark v2
	end_load
	[[ ${lines[0]} =~ ^web:\ generation\ 1,\ [0-9]+\ requests\ served\ during\ the\ handoff,\ 0\ failed,\ drained\ in\ [0-9]+\.[0-9][0-9]\ s$ ]]
	same "web: live: app.sock -> $T/apps/two.sock; the old version may go \
(back to it, while it runs: kamal-proxy rollback web)" "${lines[1]}"
	[ "$S/web/app.sock" -ef "$T/apps/two.sock" ]
	[ -S "$S/web/app.sock.old" ]
	[ -S "$T/apps/two.sock" ]
	same "version v2" "$(get a.org /)"
	same "app.sock app.sock.old" "$(names "$S/web")"
	run kp deploy web --target "$T/apps/two.sock"
	same 0 "$status"
	contains "live already" "$output"
	[ ! "$S/web/app.sock" -ef "$S/web/app.sock.old" ]
	stop_proxy
}

@test "deploy: inside by rename, a symlink, one across file systems, a relative path" {
	service web v1
	start_proxy
	ready web
	start_load -c 8
	start_app two "$S/web/app.sock.v2" v2
	kp deploy web --target "$S/web/app.sock.v2"
	mark v2
	same "app.sock app.sock.old" "$(names "$S/web")"
	outside three v3
	ln -s "$T/apps/three.sock" "$T/apps/current"
	kp deploy web --target apps/current
	mark v3
	[ "$S/web/app.sock" -ef "$T/apps/three.sock" ]
	[ ! -L "$S/web/app.sock" ]
	SHM=$(mktemp -d /dev/shm/kamal-proxy-test.XXXXXX)
	chmod 755 "$SHM"
	start_app four "$SHM/app.sock" v4
	kp deploy web --target "$SHM/app.sock"
	mark v4
	if [ "$(stat -c %d "$SHM")" != "$(stat -c %d "$S")" ]; then
		same "$SHM/app.sock" "$(readlink "$S/web/app.sock")"
	fi
	same "version v4" "$(get a.org /)"
	end_load
	rm -rf "$SHM"
	stop_proxy
}

@test "deploy: several targets, then fewer; rollback brings all of those before" {
	service web v1
	start_proxy
	ready web
	start_load -c 8
	for n in 1 2 3; do
		start_app "b$n" "$S/web/app.sock.b$n" "vb"
	done
	kp deploy web --target "$S/web/app.sock.b1" --target "$S/web/app.sock.b2" \
		--target="$S/web/app.sock.b3"
	same "app-2.sock app-3.sock app.sock app.sock.old" "$(names "$S/web")"
	mark vb
	outside c vc
	kp deploy web --target "$T/apps/c.sock"
	mark vc
	same "app-2.sock.old app-3.sock.old app.sock app.sock.old" \
		"$(names "$S/web")"
	rm "$T/marks"
	kp rollback web
	same "app-2.sock app-3.sock app.sock app.sock.old" "$(names "$S/web")"
	same "version vb" "$(get a.org /)"
	kp rollback web
	same "version vc" "$(get a.org /)"
	same "app-2.sock.old app-3.sock.old app.sock app.sock.old" \
		"$(names "$S/web")"
	end_load
	stop_proxy
}

@test "deploy: a service that is not there is made with options and socket at once" {
	service www.example.com v1
	outside two v2
	start_proxy
	ready www.example.com
	start_load -c 4 --host www.example.com
	kp deploy blog --target "$T/apps/two.sock" --host blog.org --path-prefix /blog --target-timeout 7s
	end_load
	same "version v2" "$(get blog.org /blog/)"
	same 404 "$(code other.org /)"
	contains "target_timeout" "$(cat "$S/blog/service.ini")"
	same "blog www.example.com" "$(names "$S")"
	kp deploy bare --target "$T/apps/two.sock"
	same "version v2" "$(get other.org /)"
	stop_proxy
}

@test "deploy: options are set, wrong ones are refused with nothing changed" {
	service web v1
	outside two v2
	start_proxy
	ready web
	failing 2 target-timeot deploy web --target "$T/apps/two.sock" --target-timeot 3s
	failing 2 soon deploy web --target "$T/apps/two.sock" --target-timeout soon
	failing 2 nonsense deploy new --target "$T/apps/two.sock" --nonsense 1
	failing 2 "target" deploy web
	failing 2 "name a service" deploy
	failing 2 "a-z 0-9 . _ -" deploy Web --target x
	failing 2 "not built yet" deploy web --target 127.0.0.1:3000
	failing 2 "not built yet" deploy web --target "$T/apps/two.sock" --read-target "$T/apps/two.sock"
	failing 2 "same socket" deploy web --target "$T/apps/two.sock" --target "$T/apps/two.sock"
	failing 2 "needs a value" deploy web --target
	failing 2 "no duration" deploy web --target "$T/apps/two.sock" --timeout soon
	failing 2 "deploy: one service, as in: kamal-proxy deploy web --target" \
		deploy web other --target "$T/apps/two.sock"
	failing 2 "as a directory does" deploy web --target "$T/apps/two.sock/"
	failing 2 "--timeout needs a value" rollback web --timeout
	failing 1 "no socket" deploy web --target "$T/kamal-proxy.ini"
	failing 1 "no socket" deploy web --target "$T/apps/none.sock" --force
	kp deploy web --target "$T/apps/two.sock" --target-timeout 7s --host a.org
	contains 7s "$(cat "$S/web/service.ini")"
	same "version v2" "$(get a.org /)"
	stop_proxy
}

@test "deploy: warm-up; exactly 200 counts, in time" {
	service web v1
	outside two v2
	start_proxy
	ready web
	ini web 'deploy_timeout = 400ms' 'health_check_path = /status?code=302'
	failing 1 "302" deploy web --target "$T/apps/two.sock"
	ini web 'deploy_timeout = 400ms' 'health_check_path = /status?code=503'
	failing 1 "nothing was changed" deploy web --target "$T/apps/two.sock"
	ini web 'deploy_timeout = 400ms' 'health_check_path = /up' 'hosts = *.org, a.org'
	failing 1 "500" deploy web --target "$T/apps/two.sock" --warm /ok --warm '/status?code=500'
	failing 1 "there is no socket $T/apps/none.sock" deploy web --target "$T/apps/none.sock"
	start_app dead "$T/apps/dead.sock" v0
	crash_app dead
	failing 1 "nobody listens on $T/apps/dead.sock" deploy web --target "$T/apps/dead.sock"
	kp deploy web --target "$T/apps/two.sock" --warm '/status?code=404' --warm /
	same "version v2" "$(get a.org /)"
	outside three v3
	ini web 'deploy_timeout = 400ms' 'health_check_path = /status?code=503'
	kp deploy web --target "$T/apps/three.sock" --force
	stop_proxy
}

@test "deploy: the health check asks for the service's host, as the proxy would" {
	service web v1
	outside two v2
	start_proxy
	ready web
	mkdir path
	# shellcheck disable=SC2016 # for the other shell
	printf '#!/bin/sh\necho "$*" >>"%s/asked"\nexec %s "$@"\n' "$T" "$(command -v curl)" >path/curl
	chmod +x path/curl
	asks() { # WHAT OPTIONS…
		: >asked
		PATH=$T/path:$PATH kp deploy web --target "$T/apps/two.sock" "${@:2}" >/dev/null
		contains "Host: $1 " "$(cat asked)"
		contains "X-Forwarded-Proto: http " "$(cat asked)"
	}
	asks web
	asks b.org --host '*.b.org' --host b.org
	asks up.b.org --health-check-host up.b.org
	stop_proxy
}

@test "deploy: paths longer than a socket's name may be" {
	local long
	long=$S/web/$(printf '%0120d' 0)
	service web v1
	outside two v2
	mkdir "$long"
	chmod 755 "$long"
	mv "$T/apps/two.sock" "$long/app.sock"
	start_proxy
	ready web
	kp deploy web --target "$long/app.sock"
	same "version v2" "$(get a.org /)"
	crash_app two
	mv "$long/app.sock" "$S/web/dead.sock.old"
	contains dead.sock.old "$(kp prune web)"
	stop_proxy
}

# As an account that may write to the directory but owns no socket, which it may therefore not link.
@test "deploy, rollback: where sockets may not be linked they are renamed, or linked by name" {
	need_root
	[ "$(cat /proc/sys/fs/protected_hardlinks)" = 1 ] || skip "everybody may link here"
	as_nobody() { setpriv --reuid nobody --regid nogroup --clear-groups "$KAMAL_PROXY" "$@"; }
	service web v1
	outside two v2
	start_app three "$S/web/app.sock.v3" v3
	chown nobody "$S/web"
	start_proxy
	ready web
	start_load -c 8
	as_nobody deploy web --target "$T/apps/two.sock"
	same "$T/apps/two.sock" "$(readlink "$S/web/app.sock")"
	same "version v2" "$(get a.org /)"
	as_nobody deploy web --target "$S/web/app.sock.v3"
	same "version v3" "$(get a.org /)"
	as_nobody rollback web
	same "version v2" "$(get a.org /)"
	as_nobody rollback web
	same "version v3" "$(get a.org /)"
	end_load
	same "app.sock app.sock.old" "$(names "$S/web")"
	stop_proxy
}

@test "deploy by another account: a socket that the proxy may not write to is refused as well" {
	need_root
	as_daemon() { setpriv --reuid daemon --regid daemon --clear-groups "$KAMAL_PROXY" "$@"; }
	service web v1
	outside two v2
	chown daemon "$S/web" "$T/apps/two.sock"
	start_proxy
	ready web
	for mode in 644 664 700; do
		chmod $mode "$T/apps/two.sock"
		run as_daemon deploy web --target "$T/apps/two.sock"
		same 1 "$status"
		contains "chmod 0666" "$output"
		same "version v1" "$(get a.org /)"
	done
	chown daemon:nogroup "$T/apps/two.sock"
	chmod 660 "$T/apps/two.sock"
	as_daemon deploy web --target "$T/apps/two.sock"
	same "version v2" "$(get a.org /)"
	stop_proxy
}

@test "deploy: an app that is slow to come up is waited for" {
	service web v1
	start_proxy
	ready web
	in_background deploy kp deploy web --target "$T/late.sock"
	waits() { grep -q "not there yet" deploy.err; }
	eventually waits
	start_app late "$T/late.sock" v2 --delay-listen 300
	await deploy
	same "version v2" "$(get a.org /)"
	stop_proxy
}

@test "deploy: a socket that the proxy may not write to is refused beforehand" {
	need_root
	service web v1
	outside two v2
	start_proxy
	ready web
	chmod 755 "$T/apps/two.sock"
	failing 1 "chmod 0666" deploy web --target "$T/apps/two.sock"
	chmod 666 "$T/apps/two.sock"
	kp deploy web --target "$T/apps/two.sock"
	stop_proxy
}

@test "deploy: two at once, the second says that it waits" {
	service web v1
	outside two v2
	outside three v3
	outside slow v9
	start_proxy
	ready web
	ini web 'health_check_path = /status?code=404' 'deploy_timeout = 1s'
	in_background first kp deploy web --target "$T/apps/slow.sock"
	locked() { ! flock -n "$S/web" true; }
	eventually locked
	in_background second kp deploy web --target "$T/apps/two.sock" --force
	waits() { grep -q "waiting for them" second.err; }
	eventually waits
	await first && fail "it has no health"
	await second
	same "version v2" "$(get a.org /)"
	for n in two three; do
		in_background "new-$n" kp deploy new --target "$T/apps/$n.sock" --host new.org
	done
	await new-two
	await new-three
	[[ $(get new.org /) = "version v"[23] ]]
	same "app.sock app.sock.old service.ini" "$(names "$S/new")"
	same "new web" "$(names "$S")"
	stop_proxy
}

@test "deploy, rollback: a proxy that does not run" {
	service web v1
	outside two v2
	failing 1 "start it: kamal-proxy run" deploy web --target "$T/apps/two.sock"
	failing 1 "not running" rollback web
}

@test "rollback: there and back, under load; the old one is asked first" {
	service web v1
	outside two v2
	start_proxy
	ready web
	failing 1 "no older socket" rollback web
	kp deploy web --target "$T/apps/two.sock"
	start_load -c 8
	contains "live: app.sock (which was app.sock.old); the old version may go" "$(kp rollback web)"
	same "version v1" "$(get a.org /)"
	kp rollback web
	same "version v2" "$(get a.org /)"
	end_load
	ini web 'deploy_timeout = 300ms' 'health_check_path = /status?code=503'
	failing 1 "$S/web/app.sock.old did not answer" rollback web
	ini web 'deploy_timeout = 60s'
	crash_app web
	failing 1 "nobody listens on $S/web/app.sock.old): deploy it anew" rollback web
	failing 1 "no service other" rollback other
	failing 2 "what is" rollback web other
	same "version v2" "$(get a.org /)"
	stop_proxy
}

# A handoff with a request that the old version keeps.
slow_handoff() {
	service web v1
	outside two v2
	start_proxy
	ready web
	in_background slow get a.org '/slow?ms=4000'
	reached web /slow 1
}

@test "deploy, rollback: a drain that takes longer is a warning, for it has happened" {
	slow_handoff
	kp deploy web --target "$T/apps/two.sock" --timeout 200ms >out 2>err
	contains "app.sock -> $T/apps/two.sock is in place, but gave up waiting: 1 request" "$(cat err)"
	contains "keep the old app until: kamal-proxy wait web --drained" "$(cat err)"
	contains "not drained in 0." "$(cat out)"
	lacks "may go" "$(cat out)"
	same "version v2" "$(get a.org /)"
	in_background other get a.org '/slow?ms=3000'
	reached two /slow 1
	kp rollback web --timeout 200ms 2>err
	contains "(which was app.sock.old) is in place, but" "$(cat err)"
	same "app.sock app.sock.old" "$(names "$S/web")"
	same "version v1" "$(get a.org /)"
	await slow
	await other
	stop_proxy
}

@test "deploy: a proxy that dies in the drain is a warning; a deploy that is killed there, none" {
	slow_handoff
	in_background deploy kp deploy web --target "$T/apps/two.sock"
	renamed() { [ "$S/web/app.sock" -ef "$T/apps/two.sock" ]; }
	eventually renamed
	signal KILL deploy
	await deploy && fail "it was killed"
	in_background again kp deploy web --target "$T/apps/two.sock"
	eventually field_is web draining 1
	waiting() { pgrep -g "${JOB[again]}" -f -- --drained >/dev/null; }
	eventually waiting
	kill -KILL "$PROXY"
	await again
	contains "is not running" "$(cat again.err)"
	contains "keep the old app until" "$(cat again.err)"
}

@test "deploy: into a service that cannot be served afterwards: 1, with what is wrong" {
	service web v1
	service a.org v9
	outside two v2
	start_proxy
	ready web
	run kp deploy web --target "$T/apps/two.sock" --host a.org
	same 1 "$status"
	contains "the sockets are in place (app.sock -> $T/apps/two.sock), but the state is conflict: host a.org" "$output"
	[ "$S/web/app.sock" -ef "$T/apps/two.sock" ]
	kp set web --host b.org
	: >"$S/web/pause"
	contains "web: it is paused" "$(kp deploy web --target "$T/apps/two.sock")"
	: >"$S/web/stop"
	contains "web: it is stopped: users get 503" "$(kp deploy web --target "$T/apps/two.sock")"
	start_app dead "$T/apps/dead.sock" v0
	crash_app dead
	rm "$S/web/pause" "$S/web/stop"
	run kp deploy web --target "$T/apps/dead.sock" --force --timeout 300ms
	same 1 "$status"
	contains "but the state is no-socket" "$output"
	stop_proxy
}

@test "remove: nothing is in flight at the app when it returns; given up, the service stays" {
	service web v1
	service other v9
	start_proxy
	ready web
	ini web 'hosts = a.org' 'drain_timeout = 20s'
	kp wait web --seen
	in_background slow get a.org '/slow?ms=1500'
	reached web /slow 1
	failing 1 "not removed, requests go on: 1 in flight" remove web --timeout 200ms
	in_background remove kp remove web
	eventually field_is web state stopped
	same 503 "$(code a.org /)"
	await remove
	same "$(begun web '.*')" "$(grep -c ' end ' web.log)"
	await slow
	same "web: removed; the app itself is not stopped" "$(cat remove.out)"
	same other "$(names "$S")"
	failing 1 "no service web" remove web
	failing 2 "what is 'web'" remove other web
	ini other 'nonsense = 1'
	kp remove other
	stop_proxy
}

@test "remove: killed in the middle it is called again; without a proxy it is but a rename" {
	service web v1
	start_proxy
	ready web
	: >"$S/web/stop"
	kp remove web
	mkdir -p "$S/.web.removed/rest"
	contains "web: removed" "$(kp remove web)"
	same "" "$(names "$S")"
	stop_proxy
	mkdir "$S/web"
	kp remove web
	same "" "$(names "$S")"
}

@test "where we may not write: the directory, the account, what to do" {
	need_root
	service web v1
	outside two v2
	start_proxy
	ready web
	kp deploy web --target "$T/apps/two.sock"
	: >"$S/web/stop"
	denied() { # DIRECTORY SERVICE VERB [ARGUMENTS…]
		local verb
		read -ra verb <<<"$3"
		run setpriv --reuid daemon --regid daemon --clear-groups "$KAMAL_PROXY" "${verb[@]}" "$2" "${@:4}"
		same "$3: 1" "$3: $status"
		same "kamal-proxy: $2: daemon may not write to $1 (mode 755, of root); nothing was changed. \
Do it as root, or as root give it to a group of daemon: chgrp daemon $1 && chmod g+rwx $1" "$output"
	}
	for verb in pause stop resume rollback prune "rollout stop"; do
		denied "$S/web" web "$verb"
	done
	denied "$S/web" web "rollout set" --percent 1
	denied "$S/web" web deploy --target "$T/apps/two.sock"
	denied "$S" new deploy --target "$T/apps/two.sock"
	denied "$S" web remove
	stop_proxy
}

@test "prune: what nobody listens on goes, all else stays" {
	service web v1
	mkdir "$S/web/rollout"
	for name in a.sock b.sock.old .c.sock.new.1 rollout/d.sock other.name; do
		start_app dead "$S/web/$name" v0
		crash_app dead
	done
	start_app kept "$S/web/app.sock.old" v0
	ln -s "$T/nowhere" "$S/web/e.sock"
	: >"$S/web/f.sock"
	start_proxy
	kp prune web >out
	same 5 "$(wc -l <out)"
	same "app.sock app.sock.old f.sock other.name rollout" "$(names "$S/web")"
	same "" "$(ls -A "$S/web/rollout")"
	contains "nothing to remove" "$(kp prune web)"
	failing 1 "no service" prune nobody
	failing 2 "one service" prune web web
	stop_proxy
}

@test "every verb has its --help with an example" {
	for verb in deploy rollback prune pause resume stop rollout remove; do
		contains "usage: kamal-proxy $verb" "$(kp "$verb" --help)"
		[[ $(kp help "$verb") == *"
  kamal-proxy $verb "* ]]
	done
}
