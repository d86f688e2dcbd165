#!/usr/bin/env bats
# Maintenance: while the file "stop" is there every request gets the page, the app none.
load helper

@test "503 with the message and Retry-After, back when the file is gone" {
	service web
	start_proxy
	ready web
	put web stop 'Back at <noon> & "later"'
	kp wait web --paused
	same stopped "$(field web state)"
	same "$(stat -c '%i %.9Z' "$S/web/stop")" "$(field web stop)"
	answer=$(get a.org / -i)
	contains "HTTP/1.1 503" "$answer"
	contains "Retry-After: 30" "$answer"
	contains "text/html" "$answer"
	contains "Back at &lt;noon&gt; &amp; &quot;later&quot;" "$answer"
	lacks "<noon>" "$answer"
	same 503 "$(code a.org /echo -d body)"
	put web stop
	says() { [[ $(get a.org /) == *"$1"* ]]; }
	eventually says "The site is down for maintenance. Please try again soon."
	put web stop 'other words'
	eventually says 'other words'
	same 200 "$(code a.org /up)"
	same 200 "$(code a.org /up -I)"
	same 503 "$(code a.org /up -d x)"
	same "" "$(cat web.log)"
	resume web
	same "version v1" "$(get a.org /)"
	eventually field_is web state running
	stop_proxy
}

@test "stop while paused answers all that are held; pause is in force again afterwards" {
	service web
	start_proxy
	pause web
	in_background crowd "$TEST_LOAD" --url "http://127.0.0.1:$PORT/" -c 100 -n 100 --ok 503 --detail
	held web 100
	put web stop 'closed'
	await crowd
	grep -qx 'status 503: 100' crowd.out
	kp wait web --seen
	same stopped "$(field web state)"
	contains closed "$(get a.org /)"
	rm "$S/web/stop"
	kp wait web --paused
	same paused "$(field web state)"
	in_background held get a.org /
	held web 1
	resume web
	await held
	same "version v1" "$(cat held.out)"
	same 1 "$(begun web /)"
	stop_proxy
}

@test "a page of one's own, with the message in it" {
	service web
	mkdir "$S/web/errors"
	printf '<h1>Closed</h1><p>{{ message }}|{{message}}</p>\n' >"$S/web/errors/503.html"
	start_proxy
	ready web
	put web stop 'a < b'
	kp wait web --seen
	answer=$(get a.org / -i)
	contains "HTTP/1.1 503" "$answer"
	contains "<h1>Closed</h1><p>a &lt; b|a &lt; b</p>" "$answer"
	contains "Retry-After: 30" "$answer"
	printf 'another page\n' >"$S/web/errors/.503"
	mv "$S/web/errors/.503" "$S/web/errors/503.html"
	says() { [[ $(get a.org /) == *"$1"* ]]; }
	eventually says 'another page'
	as_long() { [[ $(get a.org / -I) == *"Content-Length: $1"* ]]; }
	eventually as_long 13
	rm -r "$S/web/errors"
	eventually says 'a &lt; b'
	stop_proxy
}

@test "pages of one's own for 504, 502 and 404 too; the app's own answers are left alone" {
	service web
	ini web 'hosts = a.org' 'path_prefix = /x'
	mkdir "$T/pages"
	for status in 404 502 503 504; do
		echo "own $status {{ message }}" >"$T/pages/$status.html"
	done
	chmod 755 "$T/pages"
	ln -s "$T/pages" "$S/web/errors"
	start_proxy
	pause web 100ms
	answer=$(get a.org /x -i)
	contains "HTTP/1.1 504" "$answer"
	contains "own 504" "$answer"
	lacks "{{" "$answer"
	resume web
	contains "own 502" "$(get a.org /x/die-head -i)"
	same "not here" "$(get a.org /x/nothing)"
	same "status 503" "$(get a.org '/x/status?code=503')"
	lacks own "$(get a.org /elsewhere)"
	chmod 0 "$T/pages/502.html"
	plain() { [[ $(get a.org /x/die-head) == *"<!doctype"* ]]; }
	eventually plain
	stop_proxy
}

@test "what is in flight finishes, or is cut after drain_timeout; tunnels live on" {
	service web
	ini web 'drain_timeout = 700ms'
	start_proxy
	ready web
	in_background slow get a.org '/slow?ms=300'
	in_background never code a.org /never
	in_background events get a.org '/sse?n=0&ms=50'
	reached web /slow 1
	reached web /never 1
	eventually grep -q data events.out
	began=$(now_ms)
	put web stop
	kp wait web --paused
	[ $(($(now_ms) - began)) -ge 600 ]
	await slow
	same "version v1" "$(cat slow.out)"
	await never
	same 504 "$(cat never.out)"
	eventually field_is web cut_off 1
	same 1 "$(field web tunnels)"
	kill -0 "${JOB[events]}"
	resume web
	signal KILL events
	stop_proxy
}

@test "it survives a restart; a stop without any socket is a stop all the same" {
	mkdir "$S/web"
	put web stop 'gone fishing'
	start_proxy
	kp wait web --paused
	contains 'gone fishing' "$(get a.org /)"
	stop_proxy
	start_proxy
	kp wait web --seen
	contains 'gone fishing' "$(get a.org /)"
	kill -HUP "$PROXY"
	eventually grep -q "generation 2 of workers serves" proxy.err
	contains 'gone fishing' "$(get a.org /)"
	start_app web "$S/web/app.sock" v1
	ready web
	same stopped "$(field web state)"
	resume web
	same "version v1" "$(get a.org /)"
	stop_proxy
}

@test "what waits for a socket is answered when the stop comes" {
	mkdir "$S/web"
	start_proxy
	in_background held code a.org /
	held web 1
	put web stop
	await held
	same 503 "$(cat held.out)"
	stop_proxy
}

@test "a message longer than 4 kB is cut, and the status says so; a directory is refused" {
	service web
	start_proxy
	ready web
	put web stop "$(printf 'é%.0s' $(seq 3000))"
	kp wait web --seen
	contains stop "$(field web error)"
	body=$(get a.org /)
	[ "$(grep -o 'é' <<<"$body" | wc -l)" -le 2048 ]
	iconv -f utf-8 -t utf-8 <<<"$body" >/dev/null
	resume web
	mkdir "$S/web/stop"
	eventually field_is web state invalid
	same "version v1" "$(get a.org /)"
	rmdir "$S/web/stop"
	eventually field_is web state running
	stop_proxy
}
