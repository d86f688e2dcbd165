#!/usr/bin/env bats
# Requests that are malformed, too large, too slow or of a kind nobody speaks.
load helper

web() {
	service web
	start_proxy "$@"
	ready web
}

refused() {
	local answer
	answer=$(bytes "$2" || :)
	same "$1 $2" "$(sed -n '1s/^HTTP\/1\.[01] \([0-9]*\).*/\1/p' <<<"$answer") $2"
	# After a refusal the connection ends; what follows it is never a request.
	same 1 "$(grep -c '^HTTP/1' <<<"$answer")"
}

AFTER='GET /up HTTP/1.1\r\nHost: a.org\r\n\r\n'

@test "400 for a head that is malformed, and the connection ends" {
	web
	refused 400 "GET  / HTTP/1.1\r\nHost: a.org\r\n\r\n$AFTER"
	refused 400 "GET / HTTP/1.1\nHost: a.org\n\n$AFTER"
	refused 400 "GET / HTTP/1.1\r\n\r\n$AFTER"
	refused 400 "GET / HTTP/1.1\r\nHost: a.org\r\nHost: b.org\r\n\r\n$AFTER"
	refused 400 "GET / HTTP/1.1\r\nHost : a.org\r\n\r\n$AFTER"
	refused 400 "GET / HTTP/1.1\r\nHost: a.org\r\nX-Fold: a\r\n b\r\n\r\n$AFTER"
	refused 400 "GET / HTTP/1.1\r\nHost: a.org\r\nno colon\r\n\r\n$AFTER"
	refused 400 "GET / HTTP/1.1\r\nHost: a.org\r\n: empty\r\n\r\n$AFTER"
	refused 400 "GET / HTTP/1.1\r\nHost: a.org\r\nX: a\\001b\r\n\r\n$AFTER"
	refused 400 "G@T / HTTP/1.1\r\nHost: a.org\r\n\r\n$AFTER"
	refused 400 "GET nowhere HTTP/1.1\r\nHost: a.org\r\n\r\n$AFTER"
	refused 400 "GET / HTTP/1.1 \r\nHost: a.org\r\n\r\n$AFTER"
	refused 400 "GET /\r\n\r\n$AFTER"
	same "version v1" "$(get a.org /)"
	contains "requests 2 malformed 0" "$(get a.org /count)"
	stop_proxy
}

@test "400 for what smugglers send" {
	web
	refused 400 "POST /echo HTTP/1.1\r\nHost: a.org\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n$AFTER"
	refused 400 "POST /echo HTTP/1.1\r\nHost: a.org\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!$AFTER"
	refused 400 "POST /echo HTTP/1.1\r\nHost: a.org\r\nContent-Length: +5\r\n\r\nhello$AFTER"
	refused 400 "POST /echo HTTP/1.1\r\nHost: a.org\r\nContent-Length: 5, 5\r\n\r\nhello$AFTER"
	refused 400 "POST /echo HTTP/1.1\r\nHost: a.org\r\nContent-Length: 99999999999999999999\r\n\r\nhello$AFTER"
	refused 400 "POST /echo HTTP/1.1\r\nHost: a.org\r\nContent-Length: 0x5\r\n\r\nhello$AFTER"
	refused 400 "POST /echo HTTP/1.1\r\nHost: a.org\r\nContent-Length:\r\n\r\nhello$AFTER"
	refused 400 "POST /echo HTTP/1.0\r\nHost: a.org\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n$AFTER"
	contains "malformed 0" "$(get a.org /count)"
	stop_proxy
}

@test "a chunked body that is malformed ends the connection" {
	web
	for body in 'zz\r\nhello\r\n0\r\n\r\n' '5\r\nhelloXX0\r\n\r\n' '-5\r\nhello\r\n0\r\n\r\n' \
		'5\nhello\n0\n\n' '10000000000000000\r\nhello' '\r\n'; do
		answer=$(bytes "POST /upload HTTP/1.1\r\nHost: a.org\r\nTransfer-Encoding: chunked\r\n\r\n$body$AFTER" || :)
		lacks "OK" "$answer"
		lacks " 200 " "$answer"
	done
	contains "malformed 0" "$(get a.org /count)"
	stop_proxy
}

@test "501 for a transfer coding that nobody knows, 505 for another version" {
	web
	refused 501 "POST / HTTP/1.1\r\nHost: a.org\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n$AFTER"
	refused 501 "POST / HTTP/1.1\r\nHost: a.org\r\nTransfer-Encoding: cow\r\n\r\n0\r\n\r\n$AFTER"
	refused 505 "GET / HTTP/2.0\r\nHost: a.org\r\n\r\n$AFTER"
	refused 505 "GET / HTTP/3.1\r\nHost: a.org\r\n\r\n$AFTER"
	stop_proxy
}

@test "414 and 431 at their limits, not below" {
	web --max-request-line 200 --max-request-head 1k --max-headers 10
	long() { printf "%$1s" | tr ' ' x; }
	same 404 "$(code a.org "/$(long 150)")"
	refused 414 "GET /$(long 200) HTTP/1.1\r\nHost: a.org\r\n\r\n"
	same 200 "$(code a.org / -H "X: $(long 700)")"
	refused 431 "GET / HTTP/1.1\r\nHost: a.org\r\nX: $(long 1100)\r\n\r\n"
	many=$(for n in $(seq 11); do printf 'X-%s: y\\r\\n' "$n"; done)
	refused 431 "GET / HTTP/1.1\r\nHost: a.org\r\n$many\r\n"
	stop_proxy
}

@test "the limits of everyday: 8k, 32k, 100 fields" {
	web
	long() { printf "%$1s" | tr ' ' x; }
	same 404 "$(code a.org "/$(long 8000)")"
	same 414 "$(code a.org "/$(long 8300)")"
	same 200 "$(code a.org / -H "X: $(long 31000)")"
	same 431 "$(code a.org / -H "X: $(long 33000)")"
	stop_proxy
}

@test "408 for a head that does not come to its end; silence is closed silently" {
	web --head-timeout 600ms
	began=$(now_ms)
	refused 408 'GET / HTTP/1.1\r\nHost: a.org\r\n'
	took=$(($(now_ms) - began))
	[ "$took" -ge 500 ] && [ "$took" -lt 4000 ]
	stop_proxy
}

@test "idle_timeout closes a connection that is kept for nothing" {
	web --idle-timeout 500ms
	began=$(now_ms)
	answer=$(bytes 'GET /up HTTP/1.1\r\nHost: a.org\r\n\r\n')
	took=$(($(now_ms) - began))
	contains OK "$answer"
	[ "$took" -ge 400 ] && [ "$took" -lt 4000 ]
	stop_proxy
}

@test "body_timeout: a body that stops coming" {
	web --body-timeout 500ms
	began=$(now_ms)
	answer=$(bytes 'POST /upload HTTP/1.1\r\nHost: a.org\r\nContent-Length: 10\r\n\r\nhello' || :)
	took=$(($(now_ms) - began))
	[ "$took" -ge 400 ] && [ "$took" -lt 4000 ]
	contains " 408 " "$(head -1 <<<"$answer")"
	eventually grep -q ' cut$' web.log
	same "version v1" "$(get a.org '/slow?ms=1200')"
	stop_proxy
}
