#!/usr/bin/env bats
# HTTP/2 over TLS: agreed on in the handshake, and nothing of either is lost where the two meet.
load helper
load tls

setup_file() {
	CA=$BATS_FILE_TMPDIR/ca
	make_ca
}

web() {
	tls_service web a.org
	start_tls_proxy "$@"
	ready web
}

# h2 PATH [CURL FLAGS…]: fails unless it is HTTP/2 that answers.
h2() {
	local path=$1 version
	shift
	version=$(sget a.org "$path" --http2 "$@" -w '%{stderr}%{http_version}' 2>&1 1>&5)
	same 2 "${version: -1}"
} 5>&1

# load_h2 NAME [H2LOAD FLAGS…]: in the background; done_h2 NAME: it lost nothing.
load_h2() {
	local name=$1
	shift
	in_background "$name" h2load --connect-to "127.0.0.1:$TLS_PORT" "$@" "https://a.org:$TLS_PORT/"
}

done_h2() {
	await "$1"
	grep '^requests:' "$1.out"
	grep -q 'Application protocol: h2' "$1.out"
	grep -q ' 0 failed, 0 errored, 0 timeout' "$1.out"
}

busy() {
	[ "$(begun "$1" /)" -gt 1000 ]
}

# ---- frames by hand ----

PREFACE='PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\004\0\0\0\0\0'

# frame TYPE FLAGS STREAM FORMAT: the format of a frame.
frame() {
	local n
	# shellcheck disable=SC2059 # the format is the payload
	n=$(printf "$4" | wc -c)
	printf '\\0\\%03o\\%03o\\%03o\\%03o\\0\\0\\0\\%03o%s' $((n / 256)) $((n % 256)) "$1" "$2" "$3" "$4"
}

# head_of FLAGS STREAM NAME VALUE…: literals that no table keeps.
head_of() {
	local flags=$1 stream=$2 block=
	shift 2
	while [ $# -gt 0 ]; do
		block+=$(printf '\\0\\%03o%s\\%03o%s' "${#1}" "$1" "${#2}" "$2")
		shift 2
	done
	frame 1 $((flags | 4)) "$stream" "$block"
}

# raw [S_CLIENT FLAGS…]: bytes from standard input as they are, until the proxy closes.
raw() {
	timeout --foreground 20 openssl s_client -connect "127.0.0.1:$TLS_PORT" -servername a.org -quiet -ign_eof \
		"$@" 2>"$T/raw.err"
}

# typing FORMAT…: each in a write of its own.
typing() {
	local part
	for part in "$@"; do
		# shellcheck disable=SC2059 # formats
		printf "$part"
	done
}

# told FORMAT…: what HTTP/2's side answers, as text.
told() {
	typing "$@" | raw -alpn h2 | tr -d '\0'
}

@test "what is agreed on is spoken: h2 and http/1.1, by TLS 1.2 and 1.3" {
	web
	for flag in --tlsv1.3 --tls-max\ 1.2; do
		# shellcheck disable=SC2086 # words
		contains "HTTP/2 200" "$(sget a.org / -i --http2 $flag)"
		# shellcheck disable=SC2086
		contains "HTTP/1.1 200" "$(sget a.org / -i --http1.1 $flag)"
	done
	contains "ALPN protocol: h2" "$(shake -servername a.org -alpn http/1.1,h2)"
	contains "ALPN protocol: http/1.1" "$(shake -servername a.org -alpn http/1.1,spdy/3)"
	contains "No ALPN negotiated" "$(shake -servername a.org)"
	contains "no application protocol" "$(shake -servername a.org -alpn h2c)"
	seen=$(h2 '/headers?x=1' -H 'X-Forwarded-Proto: http' -H 'X-Forwarded-For: 6.6.6.6')
	contains "GET /headers?x=1 HTTP/1.1" "$seen"
	contains "X-Forwarded-Proto: https" "$seen"
	contains "Host: a.org:$TLS_PORT" "$seen"
	lacks 6.6.6.6 "$seen"
	eventually logged '.proto == "HTTP/2.0" and .scheme == "https" and .path == "/headers" and .host == "a.org:'"$TLS_PORT"'" and .port == '"$TLS_PORT"
	stop_proxy
}

@test "HTTP/2 that was not agreed on is refused, and so is HTTP/1.1 where HTTP/2 was" {
	web --h2c
	local request='GET /up HTTP/1.1\r\nHost: a.org\r\n\r\n'
	contains "HTTP/1.1 505" "$(typing "$PREFACE" | raw)"
	contains "HTTP/1.1 505" "$(typing "$PREFACE" | raw -alpn http/1.1)"
	lacks "HTTP/1.1" "$(told "$request")"
	same 0 "$(begun web /up)"
	stop_proxy
}

@test "a connection that is used for another host: 421 if that has another certificate" {
	tls_service one a.org
	tls_service two b.org v2
	service twin v3
	ini twin 'hosts = c.org' 'tls = true'
	cp "$S/one/tls.pem" "$S/twin/.tls.pem"
	private "$S/twin/.tls.pem"
	mv "$S/twin/.tls.pem" "$S/twin/tls.pem"
	start_tls_proxy
	ready twin
	local get=(:method GET :scheme https :path /) answer
	answer=$(told "$PREFACE" "$(head_of 1 1 "${get[@]}" :authority b.org)" \
		"$(head_of 1 3 "${get[@]}" :authority c.org)" "$(head_of 1 5 "${get[@]}" :authority a.org)" \
		"$(frame 7 0 0 '\0\0\0\0\0\0\0\0')")
	contains "version v1" "$answer"
	contains "version v3" "$answer"
	lacks "version v2" "$answer"
	same "421 200 200" "$(jq -r .status log/access.log | sort -r | xargs)"
	same 1 "$(jq -r .client_port log/access.log | sort -u | wc -l)"
	# The same connection goes on after a 421.
	same "421 200 0" "$(sget a.org / --http2 -H 'Host: b.org' -o /dev/null -w '%{http_code} ' \
		"https://a.org:$TLS_PORT/" --next --http2 -sS --cacert "$CA.pem" --connect-to "::127.0.0.1:$TLS_PORT" \
		-o /dev/null -w '%{http_code} %{num_connects}')"
	# The same certificate is not enough for a host that asks for the client's.
	ini twin 'hosts = c.org' 'tls = true' "tls_client_ca = $CA.pem"
	chmod o+x "$BATS_FILE_TMPDIR" "$BATS_RUN_TMPDIR"
	make_cert "$T/client.pem" client
	asks() { same 421 "$(scode a.org / --http2 -H 'Host: c.org')"; }
	eventually asks
	same "version v1" "$(sget a.org / --http2)"
	contains "HTTP/2 421" "$(sget c.org / -k -i --http2 --cert "$T/client.pem" -H 'Host: a.org')"
	contains "HTTP/2 200" "$(sget c.org / -k -i --http2 --cert "$T/client.pem")"
	stop_proxy
}

@test "redirect and HSTS: by http in either version, by https in HTTP/2" {
	tls_service web a.org
	ini web 'hosts = a.org' 'tls = true' 'hsts = max-age=600'
	start_tls_proxy --h2c
	ready web
	local answer
	answer=$(get a.org '/x?y=1' --http2-prior-knowledge -i)
	contains "HTTP/2 301" "$answer"
	contains "location: https://a.org:$TLS_PORT/x?y=1" "$answer"
	lacks strict-transport "$answer"
	answer=$(h2 / -i)
	contains "HTTP/2 200" "$answer"
	contains "strict-transport-security: max-age=600" "$answer"
	contains "strict-transport-security: max-age=600" "$(h2 /die-before -i -d x)"
	stop_proxy
}

@test "a WebSocket's CONNECT: open in an instant, both ways, closed by either; in one record or in many" {
	web
	local open socket=(:method CONNECT :protocol websocket :scheme https :path /upgrade :authority a.org)
	open=$(head_of 0 1 "${socket[@]}")
	in_background all raw -alpn h2 < <(typing "$PREFACE$open$(frame 0 0 1 'first ')")
	in_background parts raw -alpn h2 < <(typing "$PREFACE" "$open" "$(frame 0 0 1 'fir')" \
		"$(frame 0 0 1 'st ')")
	eventually grep -aq first all.out
	eventually grep -aq 'st ' parts.out
	eventually field_is web tunnels 2
	eventually field_is web in_flight 0
	signal KILL all
	signal KILL parts
	eventually field_is web tunnels 0
	eventually logged '.status == 101 or .status == 200'
	stop_proxy
}

@test "bodies, trailers, interim answers and broken-off ones; a request and its payload in one record" {
	web
	seq 1 300000 >body
	for flag in --tlsv1.3 --tls-max\ 1.2; do
		# shellcheck disable=SC2086 # words
		h2 /echo $flag --data-binary @body | cmp - body
		# shellcheck disable=SC2086
		h2 /echo $flag -T - <body | cmp - body
		# shellcheck disable=SC2086
		same 20000000 "$(h2 '/size?n=20000000&chunked=1' $flag | wc -c)"
	done
	contains "x-sum: 42" "$(h2 /trailers -i)"
	contains "HTTP/2 103" "$(h2 /hints -i)"
	run sget a.org /die-mid --http2
	[ "$status" -eq 92 ] # a stream that was not closed cleanly
	local post=(:method POST :scheme https :path /echo :authority a.org)
	contains "glued payload" "$(told "$PREFACE$(head_of 0 1 "${post[@]}")$(frame 0 0 1 'glued ')$(
		frame 0 1 1 payload)$(frame 7 0 0 '\0\0\0\0\0\0\0\0')")"
	contains "malformed 0" "$(h2 /count)"
	stop_proxy
}

@test "handoffs, a pause and certificate swaps under load: nothing lost" {
	service web v1 web1
	ini web 'hosts = a.org' 'tls = true'
	put_cert web a.org
	start_tls_proxy
	ready web
	load_h2 load -D 5 -c 8 -m 32
	load_h2 posts -D 5 -c 2 -m 8 -d "$ROOT/Makefile"
	for n in 2 3 4; do
		eventually busy "web$((n - 1))"
		start_app "web$n" "$S/web/app.sock.new" "v$n"
		deploy web
		stop_app "web$((n - 1))"
		put_cert web a.org
		pause web
		held web $((8 * 32 + 2 * 8))
		resume web
	done
	eventually busy web4
	kill -0 "${JOB[load]}"
	done_h2 load
	done_h2 posts
	same "$SERIAL" "$(serial_of a.org -alpn h2)"
	same "version v4" "$(h2 /)"
	stop_proxy
}

@test "upgrades and certificate swaps under load: who is told to go loses nothing" {
	web
	for i in 1 2 3; do
		in_background "client$i" curl -sS --parallel --parallel-max 8 --http2 --fail --max-time 30 \
			--cacert "$CA.pem" --connect-to "::127.0.0.1:$TLS_PORT" \
			"https://a.org:$TLS_PORT/slow?ms=10&[1-600]"
	done
	for n in 100 600 1200; do
		reached_at_least() { [ "$(grep -c ' begin GET /slow' web.log)" -ge "$n" ]; }
		eventually reached_at_least
		put_cert web a.org
		kill -HUP "$PROXY"
	done
	for i in 1 2 3; do
		await "client$i"
		same 600 "$(grep -c '^version v1$' "client$i.out")"
	done
	eventually grep -q "generation 4 of workers serves" proxy.err
	eventually logged '.proto == "HTTP/2.0" and .path == "/slow"'
	stop_proxy
}

@test "the end: what is open is finished, then GOAWAY, then close_notify" {
	web
	local slow=(:method GET :scheme https :path '/slow?ms=1000' :authority a.org)
	# shellcheck disable=SC2016 # sh expands it
	in_background open sh -c 'exec openssl s_client -connect "$1" -servername a.org -alpn h2 -msg -ign_eof' sh \
		"127.0.0.1:$TLS_PORT" < <(typing "$PREFACE$(head_of 1 1 "${slow[@]}")")
	reached web '/slow' 1
	stop_proxy
	await open
	tr -d '\0' <open.out >text
	grep -aq "version v1" text
	grep -aq "<<< TLS 1.3, Alert .*close_notify" text
}

@test "idle, silent and half-said: each is told to go in its time" {
	web --head-timeout 1s --idle-timeout 2s
	local begin up=(:method GET :scheme https :path /up :authority a.org)
	begin=$(now_ms)
	# A preface and no request, half a head, a handshake and nothing.
	typing "$PREFACE" | raw -alpn h2 >silent.out
	typing "$PREFACE$(head_of 1 1 "${up[@]}" | cut -c 1-80)" | raw -alpn h2 >half.out
	typing | raw -alpn h2 >nothing.out
	[ $(($(now_ms) - begin)) -lt 12000 ]
	begin=$(now_ms)
	typing "$PREFACE$(head_of 1 1 "${up[@]}")" | raw -alpn h2 >idle.out
	[ $(($(now_ms) - begin)) -ge 1900 ]
	grep -aq OK idle.out
	same 1 "$(begun web /up)"
	stop_proxy
}

@test "large bodies, slow peers: complete, memory flat, nobody waits for another" {
	local size=100000000 before
	[ -z "${TORTURE:-}" ] || size=1000000000
	web --body-timeout 60s
	h2 '/size?n=1000000' >/dev/null
	before=$(peak)
	MAX_TIME=300
	same "$size" "$(h2 "/size?n=$size" | wc -c)"
	contains "$size bytes" "$(head -c "$size" /dev/zero | h2 /upload -T -)"
	in_background slow sget a.org '/size?n=10000000000' --http2 --limit-rate 100k -o /dev/null
	in_background stopped sget a.org '/size?n=10000000000' --http2 -o /dev/null
	in_background stalled sget a.org '/stall-upload?ms=20000' --http2 -T - < <(head -c 100000000 /dev/zero)
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

@test "floods end with their connection, others are served: resets, and handshakes that are broken off" {
	web
	local resets='' i get=(:method GET :scheme https :path '/slow?ms=500' :authority a.org)
	for i in $(seq 1 2 249); do
		resets+=$(head_of 1 "$i" "${get[@]}")$(frame 3 0 "$i" '\0\0\0\010')
	done
	typing "$PREFACE$resets" | raw -alpn h2 >flood.out
	grep -q "floods its HTTP/2 connection" proxy.err
	for i in $(seq 200); do
		exec 7<>"/dev/tcp/127.0.0.1/$TLS_PORT"
		printf '\026\003\001\002\000\001\000\001\374\003\003' >&7
		exec 7>&-
	done
	same "version v1" "$(h2 /)"
	eventually field_is web in_flight 0
	stop_proxy
}
