#!/usr/bin/env bats
# Nothing is lost over https either: handoffs, certificates, upgrades and dead workers under load.
load helper
load tls

setup_file() {
	CA=$BATS_FILE_TMPDIR/ca
	make_ca
}

ROUNDS=${TORTURE:+20}
ROUNDS=${ROUNDS:-4}

# load_with HANDSHAKES: so many requests in the background; end_shakes fails on any that was lost.
start_shakes() {
	in_background shakes shakes "$@"
}

end_shakes() {
	await shakes
	same "" "$(cat shakes.out)"
}

@test "certificates swapped under load: no handshake fails" {
	tls_service web a.org
	start_tls_proxy
	ready web
	start_shakes $((ROUNDS * 500))
	while kill -0 "${JOB[shakes]}" 2>/dev/null; do
		put_cert web a.org
		kp wait web
	done
	end_shakes
	same "$SERIAL" "$(serial_of a.org)"
	stop_proxy
}

@test "handoffs, upgrades and certificate swaps at once: no request fails" {
	tls_service web a.org
	start_tls_proxy
	ready web
	start_shakes $((ROUNDS * 600))
	local n=1
	while kill -0 "${JOB[shakes]}" 2>/dev/null; do
		n=$((n + 1))
		start_app "web$n" "$S/web/app.sock.new" "v$n"
		deploy web
		[ $((n % 3)) -ne 0 ] || kill -HUP "$PROXY"
		put_cert web a.org
	done
	end_shakes
	[ "$n" -gt 2 ]
	stop_proxy
}

@test "long answers go on over an upgrade and a certificate swap" {
	tls_service web a.org
	start_tls_proxy
	in_background long sget a.org '/size?n=30000000' --limit-rate 15M
	reached web /size 1
	put_cert web a.org
	kill -HUP "$PROXY"
	eventually grep -q "generation 2 of workers serves" proxy.err
	await long
	same 30000000 "$(wc -c <long.out)"
	stop_proxy
}

@test "a pause window over https: held, then answered, whatever happens to the certificate meanwhile" {
	tls_service web a.org
	start_tls_proxy
	ready web
	touch "$S/web/pause"
	kp wait web --paused
	in_background held shakes 20
	eventually field_is web held 8
	put_cert web a.org
	kill -HUP "$PROXY"
	eventually grep -q "generation 2 of workers serves" proxy.err
	rm "$S/web/pause"
	await held
	same "" "$(cat held.out)"
	kp wait web --running
	stop_proxy
}
