#!/usr/bin/env bats
# Real apps, handed over under load from many clients: 0 failed, 0 stale. They bind at a name of
# their own each, since some unlink at their end the name that they once bound.
load helper

TIMES=20
[ -z "${TORTURE:-}" ] || TIMES=100

# start_real KIND NAME SOCKET VERSION: returns when it answers.
start_real() {
	rm -f "$3"
	background "$2" "$ROOT/tests/apps/start" "$1" "$3" "$4"
	APP[$2]=$!
	answers() {
		curl -s -o /dev/null --unix-socket "$1" http://warm.up/
	}
	WITHIN=30 eventually answers "$3"
}

handoffs() {
	local kind=$1 n old
	mkdir "$S/web"
	start_real "$kind" web1 "$T/web1.sock" v1
	mv "$T/web1.sock" "$S/web/app.sock"
	start_proxy
	ready web
	start_load -c 32 --think 4 --mix get:5,post:3,oneshot:1,post-oneshot:1
	for n in $(seq 2 $((TIMES + 1))); do
		start_real "$kind" "web$n" "$S/web/.app.sock.v$n" "v$n"
		mv "$S/web/.app.sock.v$n" "$S/web/app.sock"
		kp wait web --drained --timeout 20s
		mark "v$n"
		old=web$((n - 1))
		kill -TERM "${APP[$old]}"
	done
	end_load
	echo "# $kind, $TIMES handoffs: $RESULT" >&3
	same "version v$((TIMES + 1))" "$(get a.org /)"
	same "$TIMES" "$(field web generation)"
	stop_proxy
}

@test "puma, handed over again and again under load" {
	handoffs puma
}

@test "gunicorn, handed over again and again under load" {
	handoffs gunicorn
}

@test "node, handed over again and again under load" {
	handoffs node
}

# only_cut COUNT: of that count of failures none is a GET whose answer had not begun.
only_cut() {
	local cut failed
	contains "stale=0" "$RESULT"
	cut=$(sed -n 's/.* cut_get=\([0-9]*\).*/\1/p' <<<"$RESULT")
	failed=$(sed -n "s/.* $1=\([0-9]*\).*/\1/p" <<<"$RESULT")
	[ "$failed" -le "$cut" ]
}

naive_restart() {
	local kind=$1
	mkdir "$S/web"
	start_real "$kind" web1 "$S/web/app.sock" v1
	start_proxy
	ready web
	start_load -c 16 --think 4 --mix get:3,oneshot:1
	for n in 2 3; do
		crash_app "web$((n - 1))"
		start_real "$kind" "web$n" "$S/web/app.sock" "v$n"
	done
	ready web
	end_load || only_cut failed
	same "version v3" "$(get a.org /)"
	stop_proxy
}

@test "puma killed and started again at its path: no GET is lost" {
	naive_restart puma
}

@test "gunicorn killed and started again at its path: no GET is lost" {
	naive_restart gunicorn
}

@test "node killed and started again at its path: no GET is lost" {
	naive_restart node
}

@test "a crash under mixed load: only POSTs may fail" {
	mkdir "$S/web"
	start_real node web1 "$S/web/app.sock" v1
	start_proxy
	ready web
	start_load -c 16 --mix get:3,post:1,oneshot:1
	crash_app web1
	start_real node web2 "$S/web/app.sock" v2
	ready web
	end_load || :
	only_cut failed_get
	failed=$(sed -n 's/.* failed_post=\([0-9]*\).*/\1/p' <<<"$RESULT")
	[ "$failed" -le 16 ]
	stop_proxy
}
