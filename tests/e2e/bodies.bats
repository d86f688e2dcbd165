#!/usr/bin/env bats
# Bodies of any size pass in bounded memory, however slow the other side is.
load helper

MEGA=1000000
[ -n "${TORTURE:-}" ] && SIZE=10000000000 || SIZE=200000000

setup_web() {
	service web
	start_proxy --body-timeout 60s
	ready web
	get a.org '/size?n=1000000' >/dev/null
	get a.org /upload --data-binary "@$ROOT/tests/app_route.c" >/dev/null
	BEFORE=$(peak)
}

@test "a large answer, a large upload: complete, memory flat" {
	setup_web
	MAX_TIME=300
	same "$SIZE" "$(get a.org "/size?n=$SIZE" | wc -c)"
	same "$SIZE" "$(get a.org "/size?n=$SIZE&chunked=1" | wc -c)"
	contains "$SIZE bytes" "$(head -c "$SIZE" /dev/zero | get a.org /upload -T - -H 'Expect:')"
	flat "$BEFORE" "$(peak)"
	stop_proxy
}

@test "a large answer to a client that does not read: memory flat, the app held back" {
	setup_web
	in_background slow get a.org '/size?n=10000000000' --limit-rate 100k -o /dev/null
	in_background stopped get a.org '/size?n=10000000000' -o /dev/null
	reached web /size 3
	signal STOP stopped
	for _ in $(seq 20); do
		same "version v1" "$(get a.org '/slow?ms=50')"
	done
	flat "$BEFORE" "$(peak)"
	signal KILL stopped
	signal KILL slow
	eventually field_is web in_flight 0
	stop_proxy
}

@test "a large upload to an app that does not read: memory flat, the client held back" {
	setup_web
	head -c $((50 * MEGA)) /dev/zero >body
	direct=$(curl -sS --unix-socket "$S/web/app.sock" --data-binary @body http://x/upload)
	in_background stalled get a.org '/stall-upload?ms=1500' --data-binary @body -H 'Expect:'
	reached web /stall-upload 1
	for _ in $(seq 20); do
		same "version v1" "$(get a.org '/slow?ms=50')"
	done
	flat "$BEFORE" "$(peak)"
	await stalled
	same "$direct" "$(cat stalled.out)"
	stop_proxy
}

@test "both ways at once: an echo larger than every buffer" {
	setup_web
	seq 1 3000000 >body
	get a.org /echo --data-binary @body -H 'Expect:' | cmp - body
	get a.org /echo --data-binary @body -H 'Expect:' -H 'Transfer-Encoding: chunked' | cmp - body
	flat "$BEFORE" "$(peak)"
	stop_proxy
}

@test "body_timeout ends an answer that its client does not take" {
	service web
	start_proxy --body-timeout 700ms
	ready web
	in_background stopped get a.org '/size?n=10000000000' -o /dev/null
	reached web /size 1
	signal STOP stopped
	eventually grep -q ' cut$' web.log
	eventually field_is web in_flight 0
	stop_proxy
}

@test "many idle connections cost next to nothing" {
	setup_web
	[ -z "$SAN" ] || skip "a sanitizer's memory says nothing"
	in_background idle "$TEST_LOAD" --url "http://127.0.0.1:$PORT/up" -c 2000 --think 2000 -t 3
	eventually begun_at_least 2000
	after=$(peak)
	echo "before $BEFORE kB, with 2000 connections $after kB"
	[ $((after - BEFORE)) -lt 4000 ]
	await idle
	stop_proxy
}

begun_at_least() {
	[ "$(begun web /up)" -ge "$1" ]
}
