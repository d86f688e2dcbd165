#!/usr/bin/env bats
# While the file "pause" is there requests are held, and none reaches the app.
load helper

# many NAME COUNT [FLAGS…]: so many clients with one request each, in the background.
many() {
	local name=$1 count=$2
	shift 2
	in_background "$name" "$TEST_LOAD" --url "http://127.0.0.1:$PORT${LOAD_PATH:-/}" -c "$count" \
		-n "$count" --detail "$@"
}

@test "held in the order of coming, released in the order of coming" {
	service web
	start_proxy --workers 1
	pause web
	LOAD_PATH=/n many crowd 40 --rate 100 --numbered --ok 404
	held web 40
	same 0 "$(field web in_flight)"
	same "" "$(cat web.log)"
	rm "$S/web/pause"
	await crowd
	same "$(seq -f '/n%g' 1 40)" "$(sed -n 's/.* begin GET //p' web.log)"
	stop_proxy
}

@test "at most max_held are held over all workers, the others get 503 with Retry-After" {
	service web
	ini web 'max_held = 20'
	start_proxy
	pause web
	many crowd 60 --ok 200,503
	held web 20
	contains "Retry-After:" "$(get a.org / -i)"
	resume web
	await crowd
	grep -qx 'status 200: 20' crowd.out
	grep -qx 'status 503: 40' crowd.out
	stop_proxy
}

@test "half of those who wait leave: their places are free, the others are answered" {
	service web
	ini web 'max_held = 100'
	start_proxy
	pause web
	many stay 50
	many leave 50
	held web 100
	signal KILL leave
	held web 50
	many late 50
	held web 100
	resume web
	await stay
	await late
	same 100 "$(begun web /)"
	stop_proxy
}

@test "504 when the time that the file names is over, or max_pause when it names none" {
	service web
	ini web 'max_pause = 300ms'
	start_proxy
	pause web 800ms
	began=$(now_ms)
	same 504 "$(code a.org /)"
	took=$(($(now_ms) - began))
	[ "$took" -ge 750 ] && [ "$took" -lt 2500 ]
	pause web
	began=$(now_ms)
	same 504 "$(code a.org /)"
	took=$(($(now_ms) - began))
	[ "$took" -ge 250 ] && [ "$took" -lt 2000 ]
	resume web
	same "version v1" "$(get a.org /)"
	same 1 "$(begun web /)"
	stop_proxy
}

@test "a file written in place; a longer or shorter time meets those who wait already" {
	service web
	start_proxy
	echo 2s >"$S/web/pause"
	kp wait web --paused
	in_background longer code a.org /
	held web 1
	echo 30s >"$S/web/pause"
	kp wait web --paused
	began=$(now_ms)
	in_background shorter code a.org /
	over() { [ $(($(now_ms) - began)) -ge 2100 ]; }
	eventually over
	kill -0 "${JOB[longer]}"
	echo 50ms >"$S/web/pause"
	await longer
	await shorter
	same 504 "$(cat longer.out)"
	same 504 "$(cat shorter.out)"
	[ $(($(now_ms) - began)) -lt 5000 ]
	same "" "$(cat web.log)"
	stop_proxy
}

# The body is no larger than what the kernel takes: a FIN behind a larger one does not come through.
@test "a client that leaves is dropped: without a body, with one unread, by half-closing" {
	service web
	start_proxy
	pause web
	head -c 30000 /dev/zero >body
	in_background plain get a.org /
	in_background body get a.org /upload --data-binary @body -H 'Expect:'
	held web 2
	signal KILL plain
	signal KILL body
	held web 0
	in_background half sh -c "printf 'GET / HTTP/1.1\r\nHost: a\r\n\r\n' | '$TEST_LOAD' --talk --url http://127.0.0.1:$PORT"
	WITHIN=5 eventually logged '.status == 499 and .path == "/upload"'
	await half
	same "" "$(cat half.out)"
	resume web
	same "" "$(cat web.log)"
	stop_proxy
}

@test "a second pause does not catch what the first has released" {
	mkdir "$S/web"
	start_app web "$S/web/app.sock" v1 --backlog 1
	start_proxy
	pause web
	for n in 1 2 3 4 5 6 7 8; do in_background "held$n" get a.org /; done
	held web 8
	kill -STOP "${APP[web]}"
	resume web
	put web pause
	in_background new get a.org /
	kill -CONT "${APP[web]}"
	for n in 1 2 3 4 5 6 7 8; do
		await "held$n"
		same "version v1" "$(cat "held$n.out")"
	done
	kp wait web --paused
	held web 1
	same 8 "$(begun web /)"
	resume web
	await new
	same "version v1" "$(cat new.out)"
	stop_proxy
}

@test "released onto an app too busy to accept: worth target_timeout, not just socket_timeout" {
	mkdir "$S/web"
	start_app web "$S/web/app.sock" v1 --backlog 1
	ini web 'socket_timeout = 300ms'
	start_proxy
	pause web
	for n in 1 2 3 4 5 6; do in_background "held$n" get a.org / -d "body $n"; done
	held web 6
	kill -STOP "${APP[web]}"
	resume web
	began=$(now_ms)
	over() { [ $(($(now_ms) - began)) -ge 1000 ]; }
	eventually over
	kill -CONT "${APP[web]}"
	for n in 1 2 3 4 5 6; do
		await "held$n"
		same "version v1" "$(cat "held$n.out")"
	done
	same 6 "$(begun web /)"
	pause web
	for n in 1 2 3 4; do in_background "late$n" code a.org /; done
	held web 4
	crash_app web
	rm "$S/web/app.sock"
	began=$(now_ms)
	resume web
	for n in 1 2 3 4; do
		await "late$n"
		same 503 "$(cat "late$n.out")"
	done
	took=$(($(now_ms) - began))
	[ "$took" -ge 250 ] && [ "$took" -lt 2000 ]
	stop_proxy
}

@test "the pause outlives SIGHUP, a worker's and the master's death, and a restart" {
	service web
	start_proxy --shutdown-timeout 300ms
	pause web
	before=$(workers | sort)
	kill -HUP "$PROXY"
	replaced() { [ -n "$(workers)" ] && [ -z "$(comm -12 <(workers | sort) <(echo "$before"))" ]; }
	eventually replaced
	kp wait web --paused
	kill -KILL "$(workers | head -1)"
	kp wait web --paused
	in_background second code a.org /
	held web 1
	stop_proxy
	await second
	same 503 "$(cat second.out)"
	start_proxy
	kp wait web --paused
	in_background third get a.org /
	held web 1
	same paused "$(field web state)"
	same "" "$(cat web.log)"
	resume web
	await third
	same "version v1" "$(cat third.out)"
	stop_proxy
}

@test "SIGHUP while many are held: none is lost" {
	service web
	start_proxy
	pause web
	many crowd 200
	held web 200
	before=$(workers | sort)
	kill -HUP "$PROXY"
	replaced() { [ -z "$(comm -12 <(workers | sort) <(echo "$before"))" ]; }
	eventually grep -q "generation 2 of workers serves" proxy.err
	kp wait web --paused
	many late 50
	resume web
	await crowd
	await late
	eventually replaced
	stop_proxy
}

@test "what is in flight when the pause begins finishes; only then is the service paused" {
	service web
	start_proxy
	ready web
	in_background slow get a.org '/slow?ms=900'
	reached web /slow 1
	put web pause
	run kp wait web --paused --timeout 200ms
	[ "$status" -eq 1 ]
	in_background held get a.org /
	kp wait web --paused
	grep -q ' end 200' web.log
	same "0 0" "$(field web in_flight) $(field web draining)"
	same paused "$(field web state)"
	same "$(stat -c '%i %.9Z' "$S/web/pause")" "$(field web pause)"
	await slow
	same "version v1" "$(cat slow.out)"
	same 0 "$(begun web /)"
	run kp wait web --running --timeout 200ms
	[ "$status" -eq 1 ]
	kp wait web --ready
	resume web
	await held
	same "version v1" "$(cat held.out)"
	eventually field_is web state running
	same - "$(field web pause)"
	stop_proxy
}

@test "what a retired worker still has in flight counts, and what it holds is released" {
	service web
	start_proxy
	ready web
	in_background slow get a.org '/slow?ms=900'
	reached web /slow 1
	kill -HUP "$PROXY"
	eventually grep -q "generation 2 of workers serves" proxy.err
	put web pause
	run kp wait web --paused --timeout 200ms
	[ "$status" -eq 1 ]
	kp wait web --paused
	grep -q ' end 200' web.log
	await slow
	same "version v1" "$(cat slow.out)"
	resume web
	stop_proxy
}

@test "a pause of one service is none of another" {
	service web
	service other v2
	ini web 'hosts = a.org'
	ini other 'hosts = b.org'
	start_proxy
	ready web
	ready other
	start_load -c 16 --host b.org --ok 200
	pause web
	in_background held get a.org /
	held web 1
	same "version v2" "$(get b.org /)"
	same running "$(field other state)"
	put web stop
	await held
	resume web
	end_load
	stop_proxy
}

@test "what will not finish is cut after a third of the pause's time, and counted" {
	service web
	start_proxy
	ready web
	in_background never get a.org /never -o /dev/null -w '%{http_code}'
	in_background body get a.org '/chunked?n=1000&ms=50'
	reached web /never 1
	eventually test -s body.out
	began=$(now_ms)
	pause web 1500ms
	took=$(($(now_ms) - began))
	[ "$took" -ge 450 ] && [ "$took" -lt 1500 ]
	await never
	same 504 "$(cat never.out)"
	run await body
	[ "$status" -ne 0 ]
	eventually field_is web cut_off 2
	resume web
	same "version v1" "$(get a.org /)"
	stop_proxy
}

@test "what is left on a replaced socket counts too: waited for, then cut" {
	service web v1
	start_proxy
	ready web
	in_background slow get a.org '/slow?ms=500'
	in_background never code a.org /never
	reached web /slow 1
	reached web /never 1
	start_app web2 "$S/web/app.sock.new" v2
	mv "$S/web/app.sock.new" "$S/web/app.sock"
	ready web
	began=$(now_ms)
	pause web 2100ms
	took=$(($(now_ms) - began))
	[ "$took" -ge 600 ] && [ "$took" -lt 2000 ]
	await slow
	await never
	same "version v1 504" "$(cat slow.out) $(cat never.out)"
	same 0 "$(field web draining)"
	resume web
	same "version v2" "$(get a.org /)"
	stop_proxy
}

@test "the app dies in a pause with a request in flight: what is tried again is held first" {
	service web v1
	start_proxy
	ready web
	in_background again get a.org '/slow?ms=5000'
	reached web /slow 1
	put web pause
	run kp wait web --paused --timeout 200ms
	[ "$status" -eq 1 ]
	crash_app web
	kp wait web --paused
	held web 1
	start_app web2 "$S/web/app.sock" v2 --unlink-bind
	ready web
	kp wait web --paused
	same "" "$(cat web2.log)"
	crash_app web2
	start_app web3 "$S/web/app.sock" v3 --unlink-bind
	resume web
	reached web3 /slow 1
	signal KILL again
	stop_proxy
}

@test "a body on its way to the app when the pause begins: finishes, or is cut" {
	service web
	start_proxy
	ready web
	typed upload --hold
	exec {IN}>in
	printf 'POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\n\r\nhalf' >&"$IN"
	reached web /upload 1
	put web pause 3s
	run kp wait web --paused --timeout 200ms
	[ "$status" -eq 1 ]
	printf 'rest' >&"$IN"
	kp wait web --paused
	eventually grep -q '^8 bytes' upload.out
	resume web
	printf 'POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\n\r\nhalf' >&"$IN"
	reached web /upload 2
	pause web 900ms
	eventually grep -q '^HTTP/1.1 504' upload.out
	same 1 "$(field web cut_off)"
	grep -q ' cut$' web.log
	exec {IN}>&-
	resume web
	stop_proxy
}

@test "a health check is answered by the proxy, GET and HEAD alone" {
	service web
	ini web 'path_prefix = /shop'
	start_proxy
	pause web
	same 200 "$(code a.org /shop/up)"
	same 200 "$(code a.org '/shop/up?deep=1')"
	same 200 "$(code a.org /shop/up -I)"
	in_background post get a.org /shop/up -d x
	in_background longer get a.org /shop/upper
	held web 2
	ini web 'path_prefix = /shop' 'health_check_path = /healthz'
	checked() { [ "$(code a.org /shop/healthz --max-time 0.2)" = 200 ]; }
	eventually checked
	same "" "$(cat web.log)"
	resume web
	await post
	await longer
	same OK "$(cat post.out)"
	stop_proxy
}

@test "tunnels and event streams live on through a pause, which does not wait for them" {
	service web
	ini web 'drain_timeout = 200ms'
	start_proxy
	ready web
	typed tunnel --hold
	exec {IN}>in
	printf 'GET /upgrade HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\nhello\n' >&"$IN"
	in_background events get a.org '/sse?n=0&ms=50'
	eventually grep -q hello tunnel.out
	eventually grep -q data events.out
	pause web
	same 2 "$(field web tunnels)"
	printf 'again\n' >&"$IN"
	eventually grep -q again tunnel.out
	seen=$(grep -c data events.out)
	more() { [ "$(grep -c data events.out)" -gt $((seen + 8)) ]; }
	eventually more
	same 0 "$(field web cut_off)"
	resume web
	signal KILL events
	signal KILL tunnel
	exec {IN}>&-
	stop_proxy
}

@test "what waits for a socket is caught too, and may then wait as long as the pause says" {
	mkdir "$S/web"
	ini web 'socket_timeout = 2s'
	start_proxy
	in_background early get a.org /
	in_background post get a.org /echo -d body
	held web 2
	pause web
	start_app web "$S/web/app.sock" v1
	ready web
	began=$(now_ms)
	over() { [ $(($(now_ms) - began)) -ge 2000 ]; }
	eventually over
	held web 2
	same "" "$(cat web.log)"
	resume web
	await early
	await post
	same "version v1" "$(cat early.out)"
	same body "$(cat post.out)"
	stop_proxy
}

@test "3,000 held, an app with a backlog of 16: all are answered" {
	mkdir "$S/web"
	start_app web "$S/web/app.sock" v1 --backlog 16
	start_proxy
	pause web
	many crowd 3000 --ok 200
	held web 3000
	resume web
	await crowd
	echo "# $(tail -1 crowd.out)" >&3
	contains "requests=3000 ok=3000 failed=0" "$(cat crowd.out)"
	same 3000 "$(begun web /)"
	stop_proxy
}

@test "pipelined requests are held and answered in their order" {
	service web
	start_proxy
	pause web
	printf 'GET /%s HTTP/1.1\r\nHost: a\r\n\r\n' a b c >request
	in_background talk sh -c "exec '$TEST_LOAD' --talk --hold --url http://127.0.0.1:$PORT <request"
	held web 1
	resume web
	answered() { [ "$(grep -c '^HTTP/1.1 404' talk.out)" -eq 3 ]; }
	eventually answered
	same "/a /b /c" "$(sed -n 's/.* begin GET //p' web.log | tr '\n' ' ' | sed 's/ $//')"
	signal KILL talk
	stop_proxy
}

@test "no timeout of the client's side meets a request that is held" {
	service web
	start_proxy --head-timeout 400ms --body-timeout 400ms --idle-timeout 400ms
	pause web
	typed expect --hold
	exec {IN}>in
	printf 'POST /continue HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n' >&"$IN"
	mkfifo in2
	in_background part sh -c "exec '$TEST_LOAD' --talk --hold --url http://127.0.0.1:$PORT <in2"
	exec {IN2}>in2
	printf 'POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\n\r\nhalf' >&"$IN2"
	head -c 300000 /dev/zero >body
	in_background large get a.org /upload --data-binary @body -H 'Expect:'
	held web 3
	began=$(now_ms)
	over() { [ $(($(now_ms) - began)) -ge 1300 ]; }
	eventually over
	same "" "$(cat expect.out)"
	resume web
	eventually grep -q '^HTTP/1.1 100' expect.out
	printf 'body' >&"$IN"
	eventually grep -q 'expect yes, 4 bytes' expect.out
	await large
	contains "300000 bytes" "$(cat large.out)"
	printf 'rest' >&"$IN2"
	eventually grep -q '^8 bytes' part.out
	exec {IN}>&- {IN2}>&-
	signal KILL part
	stop_proxy
}

@test "a handoff in a pause: nothing is sent, then the new instance has it all" {
	service web v1
	start_proxy
	ready web
	same "version v1" "$(get a.org /)"
	pause web
	many crowd 30
	held web 30
	start_app web2 "$S/web/app.sock.new" v2
	deploy web
	stop_app web
	kp wait web --paused
	resume web
	await crowd
	same 30 "$(begun web2 /)"
	same 1 "$(begun web /)"
	stop_proxy
}

@test "a service that comes paused is paused from its first request on; removed, it tells who waits" {
	mkdir "$S/.web"
	start_app web "$S/.web/app.sock" v1
	: >"$S/.web/pause"
	start_proxy
	mv "$S/.web" "$S/web"
	kp wait web --paused
	in_background held code a.org /
	held web 1
	mv "$S/web" "$T/away"
	await held
	same 503 "$(cat held.out)"
	same "" "$(cat web.log)"
	stop_proxy
}

@test "what is no proper pause file: said, and never half honoured" {
	service web
	start_proxy
	ready web
	ln -s /dev/null "$S/web/pause"
	eventually field_is web state invalid
	contains pause "$(field web error)"
	same "version v1" "$(get a.org /)"
	rm "$S/web/pause"
	eventually field_is web state running
	pause web soon
	contains soon "$(field web error)"
	in_background held get a.org /
	held web 1
	put web pause
	chmod 0 "$S/web/pause"
	kp wait web --paused
	held web 1
	resume web
	await held
	same "version v1" "$(cat held.out)"
	same - "$(field web error)"
	stop_proxy
}

@test "pause and resume again and again under load: nothing lost" {
	service web
	start_proxy
	ready web
	start_load -c 64 --mix get:3,post:2,oneshot:1 --think 2
	times=10
	[ -z "$TORTURE" ] || times=200
	for _ in $(seq "$times"); do
		pause web
		rm "$S/web/pause"
	done
	for _ in $(seq $((times * 10))); do
		put web pause
		rm "$S/web/pause"
	done
	kp wait web --running
	end_load
	stop_proxy
}

@test "what was released and finds no socket does not keep the next pause from beginning" {
	mkdir "$S/web"
	ini web 'socket_timeout = 60s' 'max_pause = 3s'
	start_proxy
	kp wait web --seen
	pause web
	in_background lost code a.org /
	held web 1
	resume web
	put web pause ""
	kp wait web --paused --timeout 5s
	await lost
	same 503 "$(cat lost.out)"
	stop_proxy
}
