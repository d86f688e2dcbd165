#!/usr/bin/env bats
# https: whose certificate answers, what a request meets, what http is told.
load helper
load tls

setup_file() {
	CA=$BATS_FILE_TMPDIR/ca
	make_ca
}

@test "tls.pem beside the socket: https, and the app is told" {
	tls_service web a.org
	start_tls_proxy
	same "version v1" "$(sget a.org /)"
	contains "X-Forwarded-Proto: https" "$(sget a.org /headers)"
	eventually field_is web tls true
	contains "valid until" "$(field web certificate)"
	contains test-ca "$(field web certificate)"
	same - "$(field web error)"
	logged '.scheme == "https" and .port == '"$TLS_PORT"
	# A client's own word counts for less where it comes straight to us.
	lacks evil "$(sget a.org /headers -H 'X-Forwarded-Host: evil')"
	ini web 'hosts = a.org' 'tls = true' 'forward_headers = true'
	kp wait web
	contains evil "$(sget a.org /headers -H 'X-Forwarded-Host: evil')"
	stop_proxy
}

@test "http is sent to https: 301 with path, query and port; not with tls_redirect = false" {
	tls_service web a.org
	start_tls_proxy
	local answer
	answer=$(get A.org:99 '/x/y?z=1&q=%20' -D - -o /dev/null)
	contains "HTTP/1.1 301" "$answer"
	contains "Location: https://a.org:$TLS_PORT/x/y?z=1&q=%20" "$answer"
	same 301 "$(code a.org / -d body)"
	same 0 "$(begun web /)"
	ini web 'hosts = a.org' 'tls = true' 'tls_redirect = false' 'hsts = max-age=600'
	kp wait web
	same "version v1" "$(get a.org /)"
	lacks Strict-Transport "$(get a.org / -i)"
	contains "Strict-Transport-Security: max-age=600" "$(sget a.org / -i)"
	contains "Strict-Transport-Security: max-age=600" "$(sget a.org /die-before -i)"
	stop_proxy
}

@test "who stands in front of us, is trusted and came by https, is not sent there again" {
	tls_service web a.org
	start_tls_proxy --trusted-proxies 127.0.0.1
	same 301 "$(code a.org /)"
	same 200 "$(code a.org / -H 'X-Forwarded-Proto: https')"
	stop_proxy
}

@test "the name decides the certificate; a name that nobody has is refused" {
	tls_service one a.org
	local first=$SERIAL
	tls_service two '*.b.org' v2
	local second=$SERIAL
	start_tls_proxy
	same "$first" "$(serial_of a.org)"
	same "$first" "$(serial_of A.ORG)"
	same "$second" "$(serial_of x.b.org)"
	contains "unrecognized name" "$(shake -servername c.org)"
	contains "unrecognized name" "$(shake -servername b.org)"
	contains "unrecognized name" "$(shake -servername 'a..org')"
	stop_proxy
}

@test "without a name: default_certificate, else the first" {
	tls_service one a.org
	local first=$SERIAL
	tls_service two b.org v2
	local second=$SERIAL
	start_tls_proxy
	same "$first" "$(shake -noservername | openssl x509 -noout -serial)"
	stop_proxy
	PORT=
	start_tls_proxy --default-certificate two
	same "$second" "$(shake -noservername | openssl x509 -noout -serial)"
	stop_proxy
}

@test "a host without TLS asked by https: 503; asked by http it is served" {
	service plain
	ini plain 'hosts = plain.org'
	start_tls_proxy
	same 503 "$(scode plain.org / -k)"
	tls_service web a.org
	ready web
	same 503 "$(scode plain.org / -k)"
	same 200 "$(code plain.org /)"
	# Nor is a host that has only a service for one of its paths.
	service part v3
	ini part 'hosts = part.org' 'path_prefix = /x'
	ready part
	same 503 "$(scode part.org /x -k)"
	same 200 "$(code part.org /x)"
	same 404 "$(scode a.org / -H 'Host: nobody.org')"
	stop_proxy
}

@test "a stopped host: http is sent to https all the same, and the maintenance page carries HSTS" {
	tls_service web a.org
	ini web 'hosts = a.org' 'tls = true' 'hsts = max-age=77'
	start_tls_proxy
	ready web
	put web stop "back soon"
	kp wait web --paused
	same 301 "$(code a.org /)"
	run sget a.org / -i
	contains "503" "$output"
	contains "strict-transport-security: max-age=77" "$output"
	contains "back soon" "$output"
	same 200 "$(code a.org /up)"
	stop_proxy
}

@test "421 only for another service's certificate" {
	tls_service one a.org
	tls_service two b.org v2
	service twin v3
	ini twin 'hosts = c.org' 'tls = true'
	cp "$S/one/tls.pem" "$S/twin/.tls.pem"
	private "$S/twin/.tls.pem"
	mv "$S/twin/.tls.pem" "$S/twin/tls.pem"
	ini one 'hosts = a.org, *.a.org' 'tls = true'
	start_tls_proxy
	same 421 "$(scode a.org / -H 'Host: b.org')"
	same "version v1" "$(sget a.org / -H 'Host: www.a.org')"
	same "version v3" "$(sget a.org / -H 'Host: c.org')"
	# A connection outlives the certificate that it began with.
	mkfifo in
	# shellcheck disable=SC2016 # sh expands it
	in_background old sh -c 'exec openssl s_client -quiet -connect "$1" -servername a.org <in' sh \
		"127.0.0.1:$TLS_PORT"
	exec 8>in
	printf 'GET /up HTTP/1.1\r\nHost: a.org\r\n\r\n' >&8
	eventually grep -q OK old.out
	put_cert one a.org
	eventually serial_is a.org "$SERIAL"
	printf 'GET /count HTTP/1.1\r\nHost: a.org\r\nConnection: close\r\n\r\n' >&8
	await old
	same 2 "$(grep -c '^HTTP/1.1 200' old.out)"
	exec 8>&-
	stop_proxy
}

@test "tls_client_ca: only who shows a certificate of it gets in, and not by another host's handshake" {
	tls_service web a.org
	tls_service open b.org v2
	cp "$S/web/tls.pem" "$S/open/.tls.pem"
	private "$S/open/.tls.pem"
	mv "$S/open/.tls.pem" "$S/open/tls.pem"
	ini web 'hosts = a.org' 'tls = true' "tls_client_ca = $CA.pem"
	chmod o+x "$BATS_FILE_TMPDIR" "$BATS_RUN_TMPDIR"
	make_cert "$T/client.pem" client
	start_tls_proxy
	same "version v1" "$(sget a.org / --cert "$T/client.pem")"
	run sget a.org /
	[ "$status" -ne 0 ]
	same 421 "$(scode b.org / -k -H 'Host: a.org')"
	same 301 "$(code a.org /)"
	# By http nobody has looked at a client's certificate.
	ini web 'hosts = a.org' 'tls = true' "tls_client_ca = $CA.pem" 'tls_redirect = false'
	kp wait web --ready
	same 503 "$(code a.org /)"
	same 200 "$(scode a.org / --cert "$T/client.pem")"
	# Taken away it must not be served to anybody, and no session goes on.
	ini web 'hosts = a.org' 'tls = true' 'tls_client_ca = /nowhere.pem'
	eventually certificate_says web /nowhere.pem
	same 000 "$(scode a.org / -k --cert "$T/client.pem")"
	# Nor while there is no certificate to begin with.
	rm "$S/web/tls.pem"
	same 000 "$(scode a.org / -k --cert "$T/client.pem")"
	ini web 'hosts = a.org' 'tls = true' "tls_client_ca = $CA.pem"
	eventually certificate_says web pending
	same 200 "$(scode a.org / -k --cert "$T/client.pem")"
	same 000 "$(scode a.org / -k)"
	same 301 "$(code a.org /)"
	stop_proxy
}

@test "ECDSA and RSA for one host: each client gets what it understands" {
	tls_service web a.org
	make_cert "$T/rsa.pem" a.org rsa
	cat "$T/rsa.pem" "$S/web/tls.pem" >"$S/web/.tls.pem"
	private "$S/web/.tls.pem"
	mv "$S/web/.tls.pem" "$S/web/tls.pem"
	start_tls_proxy
	contains "ECDHE-ECDSA-AES128-GCM-SHA256" "$(shake -servername a.org -tls1_2)"
	contains "ECDHE-RSA-AES128-GCM-SHA256" "$(shake -servername a.org -tls1_2 -cipher aRSA)"
	contains "id-ecPublicKey" "$(shake -servername a.org | openssl x509 -noout -text)"
	contains "rsaEncryption" \
		"$(shake -servername a.org -sigalgs rsa_pss_rsae_sha256 | openssl x509 -noout -text)"
	stop_proxy
}

@test "TLS 1.2 and 1.3, ALPN, no renegotiation, no compression" {
	tls_service web a.org
	start_tls_proxy
	contains "TLSv1.3, Cipher is TLS_AES_128_GCM_SHA256" "$(shake -servername a.org)"
	contains "Server Temp Key: X25519" "$(shake -servername a.org)"
	contains "Server Temp Key: ECDH, prime256v1" "$(shake -servername a.org -groups P-256)"
	contains "TLSv1.2, Cipher is ECDHE" "$(shake -servername a.org -tls1_2)"
	contains "CHACHA20" "$(shake -servername a.org -ciphersuites \
		TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256)"
	contains "Cipher is (NONE)" "$(shake -servername a.org -tls1_1 -cipher DEFAULT@SECLEVEL=0)"
	contains "ALPN protocol: http/1.1" "$(shake -servername a.org -alpn http/1.1)"
	contains "no application protocol" "$(shake -servername a.org -alpn smtp)"
	contains "Compression: NONE" "$(shake -servername a.org -tls1_2)"
	contains "Secure Renegotiation IS supported" "$(shake -servername a.org -tls1_2)"
	contains "no renegotiation" \
		"$({ echo R && sleep 1; } | openssl s_client -connect "127.0.0.1:$TLS_PORT" -tls1_2 \
			-servername a.org 2>&1 || :)"
	stop_proxy
}

@test "a session is resumed by any worker, after an upgrade too, and by no other service" {
	tls_service web a.org
	tls_service other b.org v2
	start_tls_proxy --workers 4
	for version in -tls1_2 -tls1_3; do
		{
			printf 'GET /up HTTP/1.1\r\nHost: a.org\r\nConnection: close\r\n\r\n'
			sleep 1
		} | openssl s_client -connect "127.0.0.1:$TLS_PORT" -servername a.org -ign_eof $version \
			-sess_out "$T/session$version" >/dev/null 2>&1
		for _ in 1 2 3 4 5 6 7 8; do
			contains "Reused, TLSv" "$(shake -servername a.org $version -sess_in "$T/session$version")"
		done
		contains "New, TLSv" "$(shake -servername b.org $version -sess_in "$T/session$version")"
	done
	kill -HUP "$PROXY"
	eventually grep -q "generation 2 of workers serves" proxy.err
	contains "Reused, TLSv1.2" "$(shake -servername a.org -tls1_2 -sess_in "$T/session-tls1_2")"
	contains "Reused, TLSv1.3" "$(shake -servername a.org -tls1_3 -sess_in "$T/session-tls1_3")"
	stop_proxy
}

@test "who says nothing, or only half a hello, is closed after head_timeout; others are served meanwhile" {
	tls_service web a.org
	start_tls_proxy --head-timeout 1s
	exec 7<>"/dev/tcp/127.0.0.1/$TLS_PORT" 8<>"/dev/tcp/127.0.0.1/$TLS_PORT"
	printf '\026\003\001\002\000\001' >&8
	same "version v1" "$(sget a.org /)"
	read -rt 10 -u 7 _ || [ $? -eq 1 ]
	read -rt 10 -u 8 _ || [ $? -eq 1 ]
	exec 7>&- 8>&-
	# Nor does plain http, or noise, on that port harm anybody.
	local noise=(timeout 5 "$TEST_LOAD" --talk --url "http://127.0.0.1:$TLS_PORT")
	printf 'GET / HTTP/1.1\r\nHost: a.org\r\n\r\n' | "${noise[@]}" >/dev/null 2>&1 || :
	head -c 100000 /dev/urandom | "${noise[@]}" >/dev/null 2>&1 || :
	same "version v1" "$(sget a.org /)"
	stop_proxy
}

@test "bodies of any size, both ways, at any pace; upgrades and events" {
	tls_service web a.org
	start_tls_proxy
	head -c 3000000 /dev/urandom >body
	for flag in --tlsv1.3 --tls-max\ 1.2; do
		# shellcheck disable=SC2086 # words
		sget a.org /echo $flag --data-binary @body | cmp - body
		# shellcheck disable=SC2086
		same 20000000 "$(sget a.org '/size?n=20000000' $flag | wc -c)"
		# shellcheck disable=SC2086
		same 2000000 "$(sget a.org '/size?n=2000000&chunked=1' $flag --limit-rate 2M | wc -c)"
	done
	# What breaks off must not look whole.
	run sget a.org /die-mid
	[ "$status" -ne 0 ]
	contains "101 Switching" "$(printf 'GET /upgrade HTTP/1.1\r\nHost: a.org\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n' |
		timeout 5 openssl s_client -quiet -connect "127.0.0.1:$TLS_PORT" -servername a.org 2>/dev/null || :)"
	contains "data:" "$(sget a.org '/sse?count=3&n=3')"
	stop_proxy
}

@test "a path's service has the TLS of its host; tls of its own is an error" {
	tls_service web a.org
	service api v2
	ini api 'hosts = a.org' 'path_prefix = /api'
	start_tls_proxy
	same "version v2" "$(sget a.org /api)"
	same 301 "$(code a.org /api/x)"
	ini api 'hosts = a.org' 'path_prefix = /api' 'tls = true'
	eventually test - != "$(field api error)"
	api_says() { [[ $(field api error) == *"host's root"* ]]; }
	eventually api_says
	same "version v2" "$(sget a.org /api)"
	stop_proxy
}

@test "a shutdown does not wait for clients that have only shaken hands" {
	tls_service web a.org
	start_tls_proxy
	mkfifo in
	# shellcheck disable=SC2016 # sh expands it
	in_background idle sh -c 'exec openssl s_client -quiet -connect "$1" -servername a.org <in' sh \
		"127.0.0.1:$TLS_PORT"
	exec 8>in 7<>"/dev/tcp/127.0.0.1/$TLS_PORT"
	eventually grep -q verify idle.err
	local begin
	begin=$(now_ms)
	stop_proxy
	[ $(($(now_ms) - begin)) -lt 3000 ]
	exec 7>&- 8>&-
}
