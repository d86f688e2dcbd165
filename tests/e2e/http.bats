#!/usr/bin/env bats
# HTTP/1.1 as it passes through: framing, fields, interim answers, liars.
load helper

web() {
	service web
	start_proxy "$@"
	ready web
}

@test "methods, HEAD, 204 and 304" {
	web
	for method in GET POST PUT DELETE PATCH OPTIONS REPORT; do
		contains "X-Method: $method" "$(get a.org /echo -X "$method" -d body -i)"
	done
	head=$(get a.org '/size?n=77' -I)
	contains "200" "$head"
	grep -qi '^content-length: 77' <<<"$head"
	answer=$(bytes 'HEAD /size?n=5 HTTP/1.1\r\nHost: a.org\r\n\r\nGET /204 HTTP/1.1\r\nHost: a.org\r\n\r\nGET /304 HTTP/1.1\r\nHost: a.org\r\n\r\nGET /up HTTP/1.1\r\nHost: a.org\r\nConnection: close\r\n\r\n')
	same "200 204 304 200" "$(sed -n 's/^HTTP\/1.1 \([0-9]*\).*/\1/p' <<<"$answer" | paste -sd' ')"
	same OK "$(tail -1 <<<"$answer")"
	lacks "never seen" "$answer"
	stop_proxy
}

@test "bodies in both framings, both ways, come out as they went in" {
	web
	seq 1 200000 >body
	get a.org /echo --data-binary @body | cmp - body
	get a.org /echo --data-binary @body -H 'Transfer-Encoding: chunked' | cmp - body
	get a.org /echo -T body | cmp - body
	direct=$(curl -sS --unix-socket "$S/web/app.sock" 'http://x/size?n=3000000' | md5sum)
	same "$direct" "$(get a.org '/size?n=3000000' | md5sum)"
	same "$direct" "$(get a.org '/size?n=3000000&chunked=1' | md5sum)"
	same "$direct" "$(get a.org '/size?n=3000000&close=1' | md5sum)"
	contains "malformed 0" "$(get a.org /count)"
	stop_proxy
}

@test "an empty body, an empty chunked body" {
	web
	same "" "$(get a.org /echo -X POST)"
	same "" "$(get a.org /echo -X POST -H 'Content-Length: 0')"
	contains "200" "$(bytes 'POST /echo HTTP/1.1\r\nHost: a.org\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n0\r\n\r\n')"
	contains "malformed 0" "$(get a.org /count)"
	stop_proxy
}

@test "chunks are framed anew: extensions end at the proxy" {
	web
	answer=$(bytes 'POST /echo HTTP/1.1\r\nHost: a.org\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n5;a=b\r\nhello\r\n006\r\n world\r\n0\r\n\r\n')
	contains "200" "$answer"
	contains "hello" "$answer"
	contains "malformed 0" "$(get a.org /count)"
	stop_proxy
}

bytewise() {
	dd bs=1 status=none
}

@test "a body sent byte by byte" {
	web
	request='POST /upload HTTP/1.1\r\nHost: a.org\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello'
	# shellcheck disable=SC2059
	answer=$(printf "$request" | bytewise | talk --hold)
	contains "5 bytes" "$answer"
	stop_proxy
}

@test "trailers pass both ways" {
	web
	answer=$(get a.org /trailers --raw)
	contains "X-Sum: 42" "$answer"
	contains "X-Last: yes" "$answer"
	answer=$(bytes 'POST /echo-trailers HTTP/1.1\r\nHost: a.org\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\nConnection: close\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 99\r\n\r\n')
	contains "X-Sum: 99" "$answer"
	stop_proxy
}

@test "a trailer cannot bring what only a head may say" {
	web
	answer=$(bytes 'POST /echo-trailers HTTP/1.1\r\nHost: a.org\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n5\r\nhello\r\n0\r\nContent-Length: 3\r\nTransfer-Encoding: x\r\nHost: evil\r\n\r\n')
	lacks "evil" "$answer"
	lacks "Length: 3" "$answer"
	stop_proxy
}

@test "100-continue: the app's own, and only when asked for" {
	web
	printf 'POST /continue HTTP/1.1\r\nHost: a.org\r\nExpect: 100-continue\r\nContent-Length: 5\r\nConnection: close\r\n\r\n' >request
	typed client --hold
	exec {IN}>in
	cat request >&"$IN"
	eventually grep -q '^HTTP/1.1 100' client.out
	printf hello >&"$IN"
	await client
	exec {IN}>&-
	contains "expect yes, 5 bytes" "$(cat client.out)"
	same 1 "$(grep -c 'HTTP/1.1 100' client.out)"
	lacks "HTTP/1.1 100" "$(get a.org /continue -d hello -i)"
	stop_proxy
}

@test "a last answer in place of 100: the body is not waited for" {
	web
	answer=$(bytes 'POST /early HTTP/1.1\r\nHost: a.org\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n' | head -1)
	contains "413" "$answer"
	stop_proxy
}

@test "103 early hints reach an HTTP/1.1 client before the answer" {
	web
	answer=$(get a.org /hints -i)
	contains "HTTP/1.1 103" "$(head -1 <<<"$answer")"
	grep -qi '^link: </style.css>' <<<"$answer"
	contains "version v1" "$answer"
	lacks " 103 " "$(get a.org /hints -i --http1.0)"
	stop_proxy
}

@test "an answer before the request's end: correct, and the next request too" {
	web
	head -c 300000 /dev/zero >body
	same 413 "$(code a.org /early -d body)"
	for path in /early /early-close; do
		same 413 "$(code a.org $path --data-binary @body -H 'Expect:')"
		same 413 "$(code a.org $path --data-binary @body -H 'Expect:' -H 'Transfer-Encoding: chunked')"
		same "version v1" "$(get a.org /)"
	done
	{
		printf 'POST /early HTTP/1.1\r\nHost: a.org\r\nContent-Length: 300000\r\n\r\n'
		cat body
		printf 'GET /up HTTP/1.1\r\nHost: a.org\r\nConnection: close\r\n\r\n'
	} | talk >answer || :
	contains " 413 " "$(head -1 answer)"
	# Either the connection ends with the 413 or the next request is answered: nothing between.
	rest=$(grep -ac '^HTTP/1.1 ' answer)
	[ "$rest" -eq 1 ] || grep -aq '^OK' answer
	contains "malformed 0" "$(get a.org /count)"
	stop_proxy
}

@test "apps that die: 502 before the answer's head, a cut after it" {
	web
	for path in /die-before /die-reset /die-head; do
		same 502 "$(code a.org $path)"
	done
	for path in '/die-mid?n=1000' /die-chunk; do
		run get a.org "$path" -o /dev/null
		[ "$status" -eq 18 ] || [ "$status" -eq 56 ]
	done
	same "version v1" "$(get a.org /)"
	stop_proxy
}

@test "an answer that lies about itself: 502, and nothing of it reaches a second client" {
	web
	for kind in twocl clte nul barelf space code junk badfirst; do
		same "$kind 502" "$kind $(code a.org "/bad?kind=$kind")"
		same "version v1" "$(get a.org /)"
	done
	# What breaks later is 502 or a cut, as its head has not or has gone out by then.
	for kind in badchunk shortbody; do
		run get a.org "/bad?kind=$kind" -o /dev/null -w '%{http_code}'
		[ "$status" -ne 0 ] || same 502 "$output"
		same "version v1" "$(get a.org /)"
	done
	same hello "$(get a.org '/bad?kind=longbody')"
	for _ in 1 2 3 4; do same "version v1" "$(get a.org /)"; done
	run get a.org '/bad?kind=1xxflood' -o /dev/null -w '%{http_code}'
	same "version v1" "$(get a.org /)"
	stop_proxy
}

@test "target_timeout: an app that says nothing costs 504" {
	service web
	ini web 'target_timeout = 400ms'
	start_proxy
	ready web
	began=$(now_ms)
	same 504 "$(code a.org /never)"
	took=$(($(now_ms) - began))
	[ "$took" -ge 350 ] && [ "$took" -lt 3000 ]
	same "version v1" "$(get a.org /)"
	eventually grep -q ' cut$' web.log
	stop_proxy
}

@test "an answer of HTTP/1.0 that ends by close" {
	web
	answer=$(get a.org /http10 -i)
	contains "old answer" "$answer"
	contains "HTTP/1.1 200" "$answer"
	stop_proxy
}

@test "clients of HTTP/1.0: closed after the answer, no chunks, keep-alive when asked for" {
	web
	same "version v1" "$(bytes 'GET / HTTP/1.0\r\n\r\n' | tail -1)"
	answer=$(bytes 'GET /chunked?n=2&ms=1 HTTP/1.0\r\nHost: a.org\r\n\r\n')
	lacks "hunked" "$(sed '/^$/q' <<<"$answer")"
	same "chunk 0
chunk 1" "$(sed '1,/^$/d' <<<"$answer")"
	answer=$(bytes 'GET / HTTP/1.0\r\nHost: a.org\r\nConnection: keep-alive\r\n\r\nGET /up HTTP/1.0\r\nHost: a.org\r\n\r\n')
	contains "OK" "$answer"
	stop_proxy
}

@test "pipelined requests are answered in their order" {
	web
	answer=$(bytes 'GET /slow?ms=200 HTTP/1.1\r\nHost: a.org\r\n\r\nPOST /echo HTTP/1.1\r\nHost: a.org\r\nContent-Length: 6\r\n\r\nfirst\nPOST /echo HTTP/1.1\r\nHost: a.org\r\nTransfer-Encoding: chunked\r\n\r\n7\r\nsecond\n\r\n0\r\n\r\nGET /up HTTP/1.1\r\nHost: a.org\r\nConnection: close\r\n\r\n')
	same "version v1 first second OK" "$(grep -E '^(version v1|first|second|OK)$' <<<"$answer" | paste -sd' ')"
	same 4 "$(grep -c '^HTTP/1.1 200' <<<"$answer")"
	stop_proxy
}

@test "many pipelined requests in one packet" {
	web
	for _ in $(seq 200); do printf 'GET /up HTTP/1.1\r\nHost: a.org\r\n\r\n'; done >many
	printf 'GET / HTTP/1.1\r\nHost: a.org\r\nConnection: close\r\n\r\n' >>many
	talk --hold <many >answer
	same 200 "$(grep -c '^OK' answer)"
	same "version v1" "$(tail -1 answer)"
	stop_proxy
}

@test "keep-alive: one connection from the client, few to the app" {
	web --workers 1
	for _ in $(seq 20); do urls+=("http://127.0.0.1:$PORT/up"); done
	curl -sS -H 'Host: a.org' "${urls[@]}" -w '%{num_connects}\n' -o /dev/null >counts
	curl -sS -H 'Host: a.org' "${urls[@]}" >/dev/null
	[ "$(get a.org /count | sed 's/.*connections \([0-9]*\).*/\1/')" -le 3 ]
	stop_proxy
}

@test "fields toward the app" {
	web
	head=$(get a.org /headers -H 'Connection: close, X-Private' -H 'X-Private: no' \
		-H 'Keep-Alive: 5' -H 'TE: gzip' -H 'Proxy-Connection: close' -H 'X_Under_Score: no' \
		-H 'X-Kept: yes' -H 'Proxy: evil' -H 'X-Real-IP: 6.6.6.6')
	contains "Host: a.org" "$head"
	contains "X-Kept: yes" "$head"
	for field in X-Private Keep-Alive Proxy-Connection X_Under TE:; do
		lacks "$field" "$head"
	done
	grep -qiE '^x-forwarded-proto: http.?$' <<<"$head"
	grep -qiE '^x-forwarded-host: a.org.?$' <<<"$head"
	grep -qiE '^x-request-id: [^ ]{8,}' <<<"$head"
	grep -qiE '^x-request-start: t=[0-9]{13}.?$' <<<"$head"
	grep -qiE '^x-kamal-target: .*app\.sock' <<<"$head"
	stop_proxy
}

@test "forwarded fields: appended to when trusted, made anew when not" {
	service web
	start_proxy --trusted-proxies 10.0.0.0/8
	ready web
	head=$(get a.org /headers -H 'X-Forwarded-For: 1.2.3.4' -H 'X-Forwarded-Proto: https' \
		-H 'X-Forwarded-Host: evil.org' -H 'Forwarded: for=1.2.3.4' \
		-H 'Proxy: proxied.org' -H 'X-Real-IP: 6.6.6.6' -H 'X-Forwarded-Cow: moo')
	for part in 1.2.3.4 proxied.org 6.6.6.6 moo; do lacks "$part" "$head"; done
	grep -qiE '^x-forwarded-for: 127.0.0.1.?$' <<<"$head"
	grep -qiE '^x-forwarded-proto: http.?$' <<<"$head"
	lacks evil.org "$head"
	stop_proxy
	PORT=
	start_proxy --trusted-proxies 10.0.0.0/8,127.0.0.0/8
	ready web
	head=$(get a.org /headers -H 'X-Forwarded-For: 1.2.3.4' -H 'X-Forwarded-Proto: https' \
		-H 'X-Forwarded-Host: front.org')
	grep -qiE '^x-forwarded-for: 1.2.3.4, ?127.0.0.1.?$' <<<"$head"
	grep -qiE '^x-forwarded-proto: https.?$' <<<"$head"
	grep -qiE '^x-forwarded-host: front.org.?$' <<<"$head"
	stop_proxy
}

@test "forward_headers decides where trusted_proxies is silent; without TLS it is on" {
	service web
	service shy
	ini web 'hosts = a.org'
	ini shy 'hosts = b.org' 'forward_headers = false'
	start_proxy
	ready web
	ready shy
	contains "1.2.3.4" "$(get a.org /headers -H 'X-Forwarded-For: 1.2.3.4')"
	lacks "1.2.3.4" "$(get b.org /headers -H 'X-Forwarded-For: 1.2.3.4')"
	stop_proxy
}

@test "a request id that came along is kept" {
	web
	grep -qi '^x-request-id: abc-123' <<<"$(get a.org /headers -H 'X-Request-ID: abc-123')"
	stop_proxy
}

@test "fields toward the client: all Set-Cookie, no hop-by-hop" {
	web
	answer=$(get a.org /cookie -i)
	same 2 "$(grep -ci '^set-cookie:' <<<"$answer")"
	lacks "Transfer-Encoding" "$answer"
	contains "X-Version: v1" "$answer"
	stop_proxy
}

@test "a client that leaves: the app's request is cut and logged as 499" {
	web
	in_background never get a.org /never
	reached web /never 1
	signal KILL never
	eventually grep -q ' cut$' web.log
	eventually logged '.path == "/never" and .status == 499'
	eventually field_is web in_flight 0
	in_background body get a.org '/chunked?n=1000&ms=20'
	eventually test -s body.out
	signal KILL body
	cut_twice() { [ "$(grep -c ' cut$' web.log)" -eq 2 ]; }
	eventually cut_twice
	stop_proxy
}
