#!/usr/bin/env bats
# bind = unix:/path: another proxy in front of this one, on the same machine.
load helper

over_unix() {
	curl -sSN --max-time 20 --unix-socket "$T/run/front.sock" -H 'Host: a.org' "$@"
}

@test "requests over a Unix socket, through upgrade and restart" {
	service web
	start_proxy --bind "unix:$T/run/front.sock"
	ready web
	same "version v1" "$(over_unix http://x/)"
	contains "X-Forwarded-For: 192.0.2.1" "$(over_unix -H 'X-Forwarded-For: 192.0.2.1' http://x/headers)"
	lacks "X-Forwarded-For" "$(over_unix http://x/headers)"
	kill -HUP "$PROXY"
	eventually grep -q "generation 2 of workers serves" proxy.err
	same "version v1" "$(over_unix http://x/)"
	stop_proxy
	start_proxy --bind "unix:$T/run/front.sock"
	same "version v1" "$(over_unix http://x/)"
	stop_proxy
}

@test "a path that something else holds is said, and left alone" {
	service web
	echo precious >"$T/run/front.sock"
	PORT=$(free_port)
	proxy_args
	run kp "${ARGS[@]}" --bind "unix:$T/run/front.sock"
	same 2 "$status"
	contains "front.sock" "$output"
	same precious "$(cat "$T/run/front.sock")"
}
