#!/usr/bin/env bats
# Nothing listens: requests are held and go out the moment something does.
load helper

@test "a request is held until the socket appears" {
	mkdir "$S/web"
	start_proxy
	in_background held get a.org /
	in_background post get a.org /echo -d 'a body that waits'
	eventually field_is web held 2
	field_is web state no-socket
	start_app web "$S/web/app.sock" v1
	await held
	await post
	same "version v1" "$(cat held.out)"
	same "a body that waits" "$(cat post.out)"
	stop_proxy
}

@test "503 after socket_timeout, and not before" {
	mkdir "$S/web"
	ini web 'socket_timeout = 700ms'
	start_proxy
	began=$(now_ms)
	same 503 "$(code a.org /)"
	took=$(($(now_ms) - began))
	[ "$took" -ge 650 ] && [ "$took" -lt 2500 ]
	stop_proxy
}

@test "a socket that nobody listens on any more, as after a reboot" {
	service web v1
	crash_app web
	start_proxy
	in_background held get a.org / -d body
	eventually field_is web held 1
	start_app web2 "$S/web/app.sock" v2 --unlink-bind
	await held
	same "version v2" "$(cat held.out)"
	stop_proxy
}

@test "bound but not yet listening" {
	mkdir "$S/web"
	start_proxy
	in_background app "$TEST_APP" --socket "$S/web/app.sock" --version v1 --delay-listen 700
	in_background held get a.org /
	await held
	same "version v1" "$(cat held.out)"
	stop_proxy
}

@test "naive restart: the app killed and started again at its path, 0 failed GETs" {
	service web v1 web1
	start_proxy
	ready web
	start_load -c 16 --mix get:3,oneshot:1
	for n in 2 3 4; do
		previous=web$((n - 1))
		crash_app "$previous"
		start_app "web$n" "$S/web/app.sock" "v$n" --unlink-bind
		ready web
	done
	end_load
	same "version v4" "$(get a.org /)"
	stop_proxy
}

@test "graceful restart at the same path with POSTs: nothing lost" {
	service web v1
	start_proxy
	ready web
	start_load -c 16 --think 2 --mix get:3,oneshot:1
	stop_app web
	rm "$S/web/app.sock"
	start_app web2 "$S/web/app.sock" v2
	ready web
	end_load
	stop_proxy
}

@test "a full backlog is waited for, not given up" {
	mkdir "$S/web"
	start_app web "$S/web/app.sock" v1 --backlog 1
	start_proxy
	ready web
	kill -STOP "${APP[web]}"
	for n in 1 2 3 4 5 6; do in_background "held$n" get a.org /; done
	kill -CONT "${APP[web]}"
	for n in 1 2 3 4 5 6; do
		await "held$n"
		same "version v1" "$(cat "held$n.out")"
	done
	stop_proxy
}

@test "a held request whose client leaves is dropped" {
	mkdir "$S/web"
	start_proxy
	in_background held get a.org /
	eventually field_is web held 1
	signal KILL held
	eventually field_is web held 0
	start_app web "$S/web/app.sock" v1
	ready web
	same "version v1" "$(get a.org /)"
	same 1 "$(begun web /)"
	stop_proxy
}

@test "at most max_held are held; more get 503 with Retry-After" {
	mkdir "$S/web"
	ini web 'max_held = 2'
	start_proxy --workers 1
	in_background one get a.org /
	in_background two get a.org /
	eventually field_is web held 2
	contains "Retry-After:" "$(get a.org / -i)"
	same 503 "$(code a.org /)"
	start_app web "$S/web/app.sock" v1
	await one
	await two
	stop_proxy
}

@test "something that is no socket under a socket's name" {
	mkdir "$S/web"
	: >"$S/web/app.sock"
	ini web 'socket_timeout = 300ms'
	start_proxy
	same 503 "$(code a.org /)"
	rm "$S/web/app.sock"
	start_app web "$S/web/app.sock" v1
	ready web
	same "version v1" "$(get a.org /)"
	stop_proxy
}
