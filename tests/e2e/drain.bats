#!/usr/bin/env bats
# What is left on an instance that was replaced.
load helper

@test "drain_timeout cuts what will not end, and counts it" {
	service web v1
	ini web 'drain_timeout = 500ms'
	start_proxy
	ready web
	in_background never get a.org /never -o /dev/null -w '%{http_code}'
	in_background body get a.org '/chunked?n=1000&ms=50'
	reached web /never 1
	eventually test -s body.out
	start_app web2 "$S/web/app.sock.new" v2
	began=$(now_ms)
	deploy web
	took=$(($(now_ms) - began))
	[ "$took" -ge 400 ] && [ "$took" -lt 3000 ]
	await never || :
	grep -qE '^50[234]$' never.out
	run await body
	[ "$status" -ne 0 ]
	eventually field_is web cut_off 2
	same "version v2" "$(get a.org /)"
	stop_proxy
}

@test "wait --drained gives up at its timeout and says why" {
	service web v1
	start_proxy
	ready web
	in_background slow get a.org '/slow?ms=2000'
	reached web /slow 1
	start_app web2 "$S/web/app.sock.new" v2
	mv "$S/web/app.sock.new" "$S/web/app.sock"
	run kp wait web --drained --timeout 300ms
	[ "$status" -eq 1 ]
	[ -n "$output" ]
	kp wait web --drained
	await slow
	stop_proxy
}

@test "wait names the files it finds itself, not those of a moment ago" {
	service web v1 web1
	start_proxy
	ready web
	for n in 2 3 4 5 6 7 8 9 10 11; do
		start_app "web$n" "$S/web/app.sock.new" "v$n"
		deploy web
		same "version v$n" "$(get a.org /)"
		previous=web$((n - 1))
		crash_app "$previous"
	done
	stop_proxy
}

@test "a tunnel is neither in flight nor draining; it lives on the old socket until drain_timeout" {
	service web v1
	ini web 'drain_timeout = 1500ms'
	start_proxy
	ready web
	printf 'GET /upgrade HTTP/1.1\r\nHost: a.org\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\nhello\n' \
		>request
	in_background tunnel sh -c "exec '$TEST_LOAD' --talk --hold --url http://127.0.0.1:$PORT <request"
	in_background events get a.org '/sse?n=0&ms=50'
	eventually grep -q hello tunnel.out
	eventually grep -q data events.out
	eventually field_is web tunnels 2
	same 0 "$(field web in_flight)"
	start_app web2 "$S/web/app.sock.new" v2
	began=$(now_ms)
	deploy web
	[ $(($(now_ms) - began)) -lt 1000 ]
	same 0 "$(field web draining)"
	kill -0 "${JOB[tunnel]}"
	kp wait web --drained --tunnels --timeout 15s
	await tunnel || :
	await events || :
	field_is web tunnels 0
	stop_proxy
}

@test "a change of another service never touches a tunnel" {
	service web v1
	ini web 'hosts = a.org' 'drain_timeout = 200ms'
	service other v1
	ini other 'hosts = b.org' 'drain_timeout = 200ms'
	start_proxy
	ready web
	in_background events get a.org '/sse?n=40&ms=25'
	eventually grep -q data events.out
	start_app other2 "$S/other/app.sock.new" v2
	deploy other
	ini other 'hosts = b.org, c.org'
	stop_app other
	rm -r "$S/other"
	await events
	same "data: 39" "$(grep data events.out | tail -1)"
	stop_proxy
}

@test "removing a service lets its requests finish" {
	service web v1
	start_proxy
	ready web
	in_background slow get a.org '/slow?ms=800'
	reached web /slow 1
	mv "$S/web" "$T/away"
	gone() { [ "$(code a.org /)" = 404 ]; }
	eventually gone
	await slow
	same "version v1" "$(cat slow.out)"
	stop_proxy
}
