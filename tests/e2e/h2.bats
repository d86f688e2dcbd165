#!/usr/bin/env bats
# HTTP/2 by prior knowledge: the same requests, answers, handoffs and ends as over HTTP/1.1.
load helper

web() {
	service web
	start_proxy --h2c "$@"
	ready web
}

# h2 PATH [CURL FLAGS…]
h2() {
	local path=$1
	shift
	get a.org "$path" --http2-prior-knowledge "$@"
}

@test "methods, HEAD, 204 and 304; HTTP/1.1 on the same port" {
	web
	for method in GET POST PUT DELETE PATCH OPTIONS REPORT; do
		contains "x-method: $method" "$(h2 /echo -X "$method" -d body -i)"
	done
	head=$(h2 '/size?n=77' -I)
	contains "HTTP/2 200" "$head"
	contains "content-length: 77" "$head"
	contains "HTTP/2 204" "$(h2 /204 -i)"
	contains "HTTP/2 304" "$(h2 /304 -i)"
	contains "HTTP/2 404" "$(h2 /nowhere -i)"
	contains "HTTP/1.1 200" "$(get a.org / -i)"
	contains "malformed 0" "$(h2 /count)"
	stop_proxy
}

@test "without h2c the preface is refused" {
	service web
	start_proxy
	ready web
	contains "505" "$(printf 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n' | talk)"
	stop_proxy
}

@test "bodies of every framing, trailers and interim answers, both ways" {
	web
	seq 1 200000 >body
	h2 /echo --data-binary @body | cmp - body
	h2 /echo -T - <body | cmp - body
	direct=$(curl -sS --unix-socket "$S/web/app.sock" 'http://x/size?n=3000000' | md5sum)
	same "$direct" "$(h2 '/size?n=3000000' | md5sum)"
	same "$direct" "$(h2 '/size?n=3000000&chunked=1' | md5sum)"
	same "$direct" "$(h2 '/size?n=3000000&close=1' | md5sum)"
	contains "x-sum: 42" "$(h2 /trailers -i)"
	contains "HTTP/2 103" "$(h2 /hints -i)"
	same "" "$(h2 /echo -X POST)"
	nghttp -nv "http://127.0.0.1:$PORT/echo-trailers" -d body --trailer 'x-end: yes' >out
	contains "recv (stream_id=" "$(cat out)"
	contains "malformed 0" "$(h2 /count)"
	stop_proxy
}

@test "the app sees one request like any other, the log names the protocol" {
	web
	seen=$(h2 '/headers?x=1' -H 'Cookie: a=1' -H 'Cookie: b=2' -H 'X-Forwarded-For: 6.6.6.6' -H 'a_b: c')
	contains "GET /headers?x=1 HTTP/1.1" "$seen"
	contains "Host: a.org" "$seen"
	contains "cookie: a=1; b=2" "$seen"
	contains "X-Forwarded-Proto: http" "$seen"
	lacks "a_b" "$seen"
	lacks ":path" "$seen"
	eventually logged '.proto == "HTTP/2.0" and .path == "/headers" and .query == "x=1" and .scheme == "http" and .status == 200 and .host == "a.org"'
	stop_proxy
}

@test "what the app breaks off is reset; what it does not answer gets a page" {
	web
	same 502 "$(h2 /die-before -X POST -o /dev/null -w '%{http_code}')"
	same 502 "$(h2 '/bad?kind=badfirst' -o /dev/null -w '%{http_code}')"
	run h2 /die-mid
	[ "$status" -eq 92 ] # a stream that was not closed cleanly
	run h2 /die-chunk
	[ "$status" -eq 92 ]
	same "version v1" "$(h2 /)"
	stop_proxy
}

@test "one connection, many streams, none waits for another" {
	web
	# shellcheck disable=SC2046 # a list of words
	nghttp -n -s $(for i in $(seq 20); do echo "http://127.0.0.1:$PORT/slow?ms=400&i=$i"; done) >out
	same 20 "$(grep -c ' 200 ' out)"
	began=$(now_ms)
	# shellcheck disable=SC2046
	nghttp -n $(for i in $(seq 50); do echo "http://127.0.0.1:$PORT/slow?ms=400&i=$i"; done)
	[ $(($(now_ms) - began)) -lt 3000 ]
	same 1 "$(jq -r 'select(.query | endswith("i=7")) | .client_port' log/access.log | sort -u | tail -1 | wc -l)"
	stop_proxy
}

# load_h2 NAME FLAGS…: h2load in the background; done_h2 NAME: it lost nothing.
load_h2() {
	local name=$1
	shift
	in_background "$name" h2load "$@" "http://127.0.0.1:$PORT/"
}

done_h2() {
	await "$1"
	grep '^requests:' "$1.out"
	grep -q ' 0 failed, 0 errored, 0 timeout' "$1.out"
}

# Has the instance begun many requests?
busy() {
	[ "$(begun "$1" /)" -gt 1000 ]
}

@test "handoffs under load: nothing lost" {
	service web v1 web1
	start_proxy --h2c
	ready web
	load_h2 load -D 4 -c 8 -m 32
	load_h2 posts -D 4 -c 2 -m 8 -d "$ROOT/Makefile"
	for n in 2 3 4 5 6; do
		eventually busy "web$((n - 1))"
		start_app "web$n" "$S/web/app.sock.new" "v$n"
		deploy web
		stop_app "web$((n - 1))"
	done
	eventually busy web6
	kill -0 "${JOB[load]}"
	done_h2 load
	done_h2 posts
	same "version v6" "$(h2 /)"
	stop_proxy
}

@test "no socket for a moment: streams are held, then go" {
	service web
	start_proxy --h2c
	ready web
	mv "$S/web/app.sock" "$S/web/.app.sock"
	eventually field_is web state no-socket
	in_background load h2load -n 200 -c 2 -m 50 "http://127.0.0.1:$PORT/"
	in_background upload h2 /upload -T "$ROOT/tests/app_route.c"
	eventually field_is web held 101
	mv "$S/web/.app.sock" "$S/web/app.sock"
	done_h2 load
	await upload
	contains "$(wc -c <"$ROOT/tests/app_route.c") bytes" "$(cat upload.out)"
	stop_proxy
}

@test "a pause: streams are held, with what came of their bodies, then go; in time, or with 504" {
	web
	: >"$S/web/pause"
	kp wait web --paused
	same 0 "$(field web held)"
	load_h2 load -n 100 -c 2 -m 50
	in_background upload h2 /upload -T "$KAMAL_PROXY"
	eventually field_is web held 101
	same 0 "$(begun web /)"
	contains "HTTP/2 200" "$(h2 /up -i)"
	rm "$S/web/pause"
	done_h2 load
	await upload
	contains "$(wc -c <"$KAMAL_PROXY") bytes" "$(cat upload.out)"
	echo 300ms >"$S/web/.pause"
	mv "$S/web/.pause" "$S/web/pause"
	kp wait web --paused
	contains "HTTP/2 504" "$(h2 / -i)"
	echo "We move house" >"$S/web/stop"
	kp wait web --seen
	stopped=$(h2 / -i)
	contains "HTTP/2 503" "$stopped"
	contains "We move house" "$stopped"
	stop_proxy
}

@test "a reload: streams that are open end well, the client is told to come anew" {
	web
	in_background slow h2 '/slow?ms=1500'
	in_background idle sh -c "nghttp -nv http://127.0.0.1:$PORT/ 'http://127.0.0.1:$PORT/slow?ms=1200'"
	reached web /slow 2
	kill -HUP "$PROXY"
	await slow
	contains "version v1" "$(cat slow.out)"
	await idle
	contains "GOAWAY" "$(cat idle.out)"
	for _ in 1 2 3 4 5; do
		same "version v1" "$(h2 /)"
	done
	stop_proxy
}

@test "reloads under load: a client that is told to go loses nothing" {
	web
	for i in 1 2 3 4; do
		# Not one curl for all: this version cannot reuse a connection begun by prior knowledge.
		in_background "client$i" sh -c "for n in \$(seq 150); do curl -sS --http2-prior-knowledge \
			--fail --max-time 30 'http://127.0.0.1:$PORT/slow?ms=3'; done"
	done
	for n in 50 250 400; do
		eventually reached_at_least "$n"
		kill -HUP "$PROXY"
	done
	for i in 1 2 3 4; do
		await "client$i"
		same 150 "$(grep -c '^version v1$' "client$i.out")"
		same "" "$(cat "client$i.err")"
	done
	stop_proxy
}

reached_at_least() {
	[ "$(begun web /slow)" -ge "$1" ]
}

@test "the end: what is open is finished, then the connection is closed" {
	web
	in_background slow h2 '/slow?ms=1000'
	reached web /slow 1
	stop_proxy
	await slow
	contains "version v1" "$(cat slow.out)"
}

@test "large uploads and downloads, slow peers: complete, memory flat" {
	local size=200000000 before
	[ -z "${TORTURE:-}" ] || size=2000000000
	web --body-timeout 60s
	h2 '/size?n=1000000' >/dev/null
	h2 /upload -T "$ROOT/tests/app_route.c" >/dev/null
	before=$(peak)
	MAX_TIME=300
	same "$size" "$(h2 "/size?n=$size" | wc -c)"
	contains "$size bytes" "$(head -c "$size" /dev/zero | h2 /upload -T -)"
	in_background slow h2 '/size?n=10000000000' --limit-rate 100k -o /dev/null
	in_background stopped h2 '/size?n=10000000000' -o /dev/null
	in_background stalled sh -c "head -c 100000000 /dev/zero | curl -sS --http2-prior-knowledge -T - 'http://127.0.0.1:$PORT/stall-upload?ms=20000'"
	reached web /size 4
	reached web /stall-upload 1
	signal STOP stopped
	for _ in $(seq 20); do
		same "version v1" "$(h2 '/slow?ms=50')"
	done
	flat "$before" "$(peak)"
	signal KILL stopped
	signal KILL slow
	signal KILL stalled
	eventually field_is web in_flight 0
	stop_proxy
}

@test "events pass at once and count as a tunnel" {
	web
	in_background events h2 '/sse?n=0&ms=50'
	eventually grep -q 'data: 2' events.out
	eventually field_is web tunnels 1
	signal KILL events
	eventually field_is web tunnels 0
	stop_proxy
}

@test "a worker that dies takes only its own with it" {
	web
	in_background slow h2 '/slow?ms=1000'
	reached web /slow 1
	for worker in $(workers); do
		kill -KILL "$worker"
	done
	await slow || :
	again() { [ "$(h2 / 2>/dev/null)" = "version v1" ]; }
	eventually again
	no_reports
}
