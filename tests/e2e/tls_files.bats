#!/usr/bin/env bats
# Certificates as files: when they come, change, or are not good.
load helper
load tls

setup_file() {
	CA=$BATS_FILE_TMPDIR/ca
	make_ca
}

@test "no certificate yet: one of our own answers, http is served, the status says pending" {
	service web
	ini web 'hosts = a.org' 'tls = true' 'hsts = max-age=600'
	start_tls_proxy
	eventually field_is web certificate pending
	same "version v1" "$(get a.org /)"
	same "version v1" "$(sget a.org / -k)"
	lacks Strict-Transport "$(sget a.org / -k -i)"
	run sget a.org /
	[ "$status" -ne 0 ]
	# It comes: from then on it is used, and http is sent there.
	put_cert web a.org
	kp wait web
	same "version v1" "$(sget a.org /)"
	same 301 "$(code a.org /)"
	contains Strict-Transport "$(sget a.org / -i)"
	stop_proxy
}

@test "a renamed-in certificate is used for the next handshake" {
	tls_service web a.org
	start_tls_proxy
	same "$SERIAL" "$(serial_of a.org)"
	for _ in 1 2 3; do
		put_cert web a.org
		kp wait web
		same "$SERIAL" "$(serial_of a.org)"
		same "version v1" "$(sget a.org /)"
	done
	stop_proxy
}

@test "what is not good leaves the last good one in force, and is named" {
	tls_service web a.org
	local good=$SERIAL
	start_tls_proxy
	still_good() {
		same "$good" "$(serial_of a.org)"
		same 301 "$(code a.org /)"
		contains "valid until" "$(field web certificate)"
	}
	eventually certificate_says web "valid until"
	still_good
	make_cert .other a.org

	cp .other "$S/web/.tls.pem"
	chmod 0644 "$S/web/.tls.pem"
	mv "$S/web/.tls.pem" "$S/web/tls.pem"
	eventually certificate_says web "chmod o-rwx"
	still_good
	contains "chmod o-rwx" "$(field web error)"
	run kp check
	[ "$status" -eq 1 ]
	contains "chmod o-rwx" "$output"

	head -c 300 .other >"$S/web/.tls.pem"
	private "$S/web/.tls.pem"
	mv "$S/web/.tls.pem" "$S/web/tls.pem"
	eventually certificate_says web "not whole"
	still_good

	openssl ecparam -name prime256v1 -genkey -noout -out .key
	sed -n '/BEGIN CERT/,$p' .other | cat .key - >"$S/web/.tls.pem"
	private "$S/web/.tls.pem"
	mv "$S/web/.tls.pem" "$S/web/tls.pem"
	eventually certificate_says web "does not belong"
	still_good

	put_cert web a.org ec -days -1
	eventually certificate_says web "has expired"
	still_good

	echo nothing >"$S/web/.tls.pem"
	private "$S/web/.tls.pem"
	mv "$S/web/.tls.pem" "$S/web/tls.pem"
	eventually certificate_says web "no private key"
	still_good

	rm "$S/web/tls.pem"
	eventually certificate_says web "No such file"
	still_good

	put_cert web a.org
	eventually serial_is a.org "$SERIAL"
	eventually field_is web error -
	stop_proxy
}

@test "unreadable for the proxy: the command that mends it" {
	need_root
	tls_service web a.org
	chgrp root "$S/web/tls.pem"
	start_tls_proxy
	eventually certificate_says web "chmod 0640"
	same "version v1" "$(sget a.org / -k)"
	private "$S/web/tls.pem"
	eventually serial_is a.org "$SERIAL"
	stop_proxy
}

@test "a worker that comes anew while the file is bad has the last good one" {
	tls_service web a.org
	local good=$SERIAL
	start_tls_proxy
	eventually serial_is a.org "$good"
	echo broken >"$S/web/.tls.pem"
	private "$S/web/.tls.pem"
	mv "$S/web/.tls.pem" "$S/web/tls.pem"
	eventually certificate_says web "not in force"
	# shellcheck disable=SC2046 # words
	kill -9 $(workers)
	anew() { [ "$(grep -c 'died: killed' proxy.err)" -eq 2 ] && [ "$(workers | wc -l)" -eq 2 ]; }
	eventually anew
	for _ in 1 2 3 4 5 6; do
		eventually serial_is a.org "$good"
	done
	# And a reload, which would forget it, changes nothing.
	kill -HUP "$PROXY"
	eventually grep -q "the check of .* failed" proxy.err
	same "$good" "$(serial_of a.org)"
	stop_proxy
}

@test "a link is followed, and what it leads to may change" {
	mkdir "$T/certs"
	service web
	ini web 'hosts = a.org' 'tls = true'
	make_cert "$T/certs/1.pem" a.org
	ln -s 1.pem "$T/certs/live"
	ln -s "$T/certs/live" "$S/web/tls.pem"
	start_tls_proxy
	eventually serial_is a.org "$(openssl x509 -in "$T/certs/1.pem" -noout -serial)"
	make_cert "$T/certs/2.pem" a.org
	ln -sfn 2.pem "$T/certs/live"
	eventually serial_is a.org "$(openssl x509 -in "$T/certs/2.pem" -noout -serial)"
	stop_proxy
}

@test "a file seen while it is being written keeps its previous meaning" {
	tls_service web a.org
	local good=$SERIAL
	start_tls_proxy
	eventually certificate_says web "valid until"
	make_cert .new a.org
	rm "$S/web/tls.pem"
	(umask 0077 && : >"$S/web/tls.pem")
	private "$S/web/tls.pem"
	exec 8>"$S/web/tls.pem"
	head -c 700 .new >&8
	same "$good" "$(serial_of a.org)"
	tail -c +701 .new >&8
	exec 8>&-
	eventually serial_is a.org "$(openssl x509 -in .new -noout -serial)"
	stop_proxy
}

@test "certificate and key apart: never a pair that does not belong together" {
	mkdir "$T/certs"
	service web
	split() { # FILE
		openssl pkey -in "$1" -out "$T/certs/.key"
		sed -n '/BEGIN CERT/,$p' "$1" >"$T/certs/.crt"
		private "$T/certs/.key"
	}
	make_cert .one a.org
	split .one
	mv certs/.key certs/key
	mv certs/.crt certs/crt
	ini web 'hosts = a.org' 'tls = true' "tls_certificate_path = $T/certs/crt" \
		"tls_private_key_path = $T/certs/key"
	start_tls_proxy
	eventually serial_is a.org "$(openssl x509 -in .one -noout -serial)"
	make_cert .two a.org
	split .two
	mv certs/.crt certs/crt
	eventually certificate_says web "does not belong"
	same "version v1" "$(sget a.org /)"
	same "$(openssl x509 -in .one -noout -serial)" "$(serial_of a.org)"
	mv certs/.key certs/key
	eventually serial_is a.org "$(openssl x509 -in .two -noout -serial)"
	eventually field_is web error -
	chmod o+r certs/key
	eventually certificate_says web "chmod o-rwx $T/certs/key"
	stop_proxy
}

@test "tls switched off and on again" {
	tls_service web a.org
	start_tls_proxy
	same 301 "$(code a.org /)"
	ini web 'hosts = a.org'
	kp wait web
	same 200 "$(code a.org /)"
	same 503 "$(scode a.org / -k)"
	eventually field_is web certificate -
	ini web 'hosts = a.org' 'tls = true'
	kp wait web
	same 200 "$(scode a.org /)"
	stop_proxy
}
