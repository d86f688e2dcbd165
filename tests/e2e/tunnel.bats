#!/usr/bin/env bats
# Connections that become something else, and answers that never seem to end.
load helper

UPGRADE='GET /upgrade HTTP/1.1\r\nHost: a.org\r\nConnection: keep-alive, Upgrade\r\nUpgrade: echo\r\n\r\n'

@test "101, then bytes both ways; a half-close travels through and back" {
	service web
	start_proxy
	ready web
	{
		# shellcheck disable=SC2059
		printf "$UPGRADE"
		seq 1 50000
	} | talk >answer
	contains "101 Switching Protocols" "$(head -1 answer)"
	grep -qi '^upgrade: echo' answer
	sed '1,/^\r*$/d' answer | cmp - <(seq 1 50000)
	eventually field_is web tunnels 0
	stop_proxy
}

@test "bytes sent together with the upgrade reach the app" {
	service web
	start_proxy
	ready web
	answer=$(printf '%bearly bytes' "$UPGRADE" | talk)
	contains "early bytes" "$answer"
	stop_proxy
}

@test "an upgrade that the app refuses stays HTTP" {
	service web
	start_proxy
	ready web
	answer=$(bytes 'GET /up HTTP/1.1\r\nHost: a.org\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\nGET / HTTP/1.1\r\nHost: a.org\r\nConnection: close\r\n\r\n')
	contains "OK" "$answer"
	contains "version v1" "$answer"
	stop_proxy
}

@test "Upgrade without Connection: upgrade is not passed on" {
	service web
	start_proxy
	ready web
	lacks "pgrade:" "$(get a.org /headers -H 'Upgrade: echo')"
	same 426 "$(code a.org /upgrade -H 'Upgrade: echo')"
	stop_proxy
}

@test "a tunnel is seen in the status while it lives, and logged at its end" {
	service web
	start_proxy
	ready web
	typed tunnel
	exec {IN}>in
	printf '%bhello\n' "$UPGRADE" >&"$IN"
	eventually grep -q hello tunnel.out
	eventually field_is web tunnels 1
	same 0 "$(field web in_flight)"
	printf 'again\n' >&"$IN"
	eventually grep -q again tunnel.out
	exec {IN}>&-
	await tunnel
	eventually field_is web tunnels 0
	eventually logged '.path == "/upgrade" and .status == 101'
	stop_proxy
}

@test "events are passed on at once, each" {
	service web
	start_proxy
	ready web
	began=$(now_ms)
	in_background events get a.org '/sse?n=3&ms=1000' -N
	eventually grep -q 'data: 0' events.out
	[ $(($(now_ms) - began)) -lt 900 ]
	eventually grep -q 'data: 1' events.out
	[ $(($(now_ms) - began)) -lt 1900 ]
	await events
	same 3 "$(grep -c data events.out)"
	stop_proxy
}

@test "an event stream counts as a tunnel" {
	service web
	start_proxy
	ready web
	in_background events get a.org '/sse?n=0&ms=50' -N
	eventually field_is web tunnels 1
	same 0 "$(field web in_flight)"
	signal KILL events
	eventually field_is web tunnels 0
	eventually grep -q ' cut$' web.log
	stop_proxy
}

@test "a chunk is passed on when it comes, a long poll when it answers" {
	service web
	start_proxy
	ready web
	began=$(now_ms)
	in_background chunks get a.org '/chunked?n=2&ms=1000' -N
	eventually grep -q 'chunk 0' chunks.out
	[ $(($(now_ms) - began)) -lt 900 ]
	await chunks
	same "version v1" "$(get a.org '/slow?ms=1500')"
	stop_proxy
}
