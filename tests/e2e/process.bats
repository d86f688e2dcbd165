#!/usr/bin/env bats
# Master and workers: what happens to them must not happen to requests.
load helper

MIX=get:6,post:3,oneshot:1

@test "SIGHUP under load: the binary and settings anew, nothing lost, nothing refused" {
	service web
	start_proxy
	ready web
	start_load -c 32 --mix $MIX
	times=5
	[ -z "$TORTURE" ] || times=100
	for _ in $(seq "$times"); do
		before=$(workers | sort)
		kill -HUP "$PROXY"
		replaced() { [ -n "$(workers)" ] && [ -z "$(comm -12 <(workers | sort) <(echo "$before"))" ]; }
		WITHIN=40 eventually replaced
		ready web
	done
	end_load
	kill -0 "$PROXY"
	same "version v1" "$(get a.org /)"
	stop_proxy
}

@test "SIGHUP with a handoff in the middle" {
	service web v1
	start_proxy
	ready web
	in_background slow get a.org '/slow?ms=1500'
	reached web /slow 1
	start_load -c 16 --mix $MIX
	start_app web2 "$S/web/app.sock.new" v2
	kill -HUP "$PROXY"
	deploy web
	mark v2
	end_load
	await slow
	same "version v1" "$(cat slow.out)"
	stop_proxy
}

@test "a request under way outlives the worker's generation" {
	service web
	start_proxy
	ready web
	in_background slow get a.org '/slow?ms=1500'
	reached web /slow 1
	kill -HUP "$PROXY"
	await slow
	same "version v1" "$(cat slow.out)"
	fewer() { [ "$(workers | wc -l)" -eq 2 ]; }
	eventually fewer
	stop_proxy
}

@test "SIGHUP takes new settings; what needs a restart or is wrong changes nothing" {
	service web
	start_proxy
	ready web
	printf '[proxy]\nidle_timeout = 300ms\n' >kamal-proxy.ini
	before=$(workers | sort)
	kill -HUP "$PROXY"
	replaced() { [ -n "$(workers)" ] && [ -z "$(comm -12 <(workers | sort) <(echo "$before"))" ]; }
	eventually replaced
	ready web
	began=$(now_ms)
	contains OK "$(bytes 'GET /up HTTP/1.1\r\nHost: a.org\r\n\r\n')"
	[ $(($(now_ms) - began)) -lt 5000 ]
	printf '[proxy]\nidle_timeout = soon\n' >kamal-proxy.ini
	before=$(workers | sort)
	kill -HUP "$PROXY"
	eventually grep -q idle_timeout proxy.err
	same "$before" "$(workers | sort)"
	same "version v1" "$(get a.org /)"
	stop_proxy
}

@test "SIGHUP with another port: restart needed, nothing changes" {
	service web
	PORT=$(free_port)
	printf '[proxy]\nhttp_port = %s\n' "$PORT" >kamal-proxy.ini
	ARGS=(run --bind 127.0.0.1 --https-port 0 --access-log off --workers 2)
	[ "$(id -u)" -ne 0 ] || ARGS+=(--user nobody)
	background proxy "$KAMAL_PROXY" "${ARGS[@]}"
	PROXY=$!
	proxy_up
	ready web
	printf '[proxy]\nhttp_port = %s\n' "$((PORT + 1))" >kamal-proxy.ini
	before=$(workers | sort)
	kill -HUP "$PROXY"
	eventually grep -qi 'restart needed' proxy.err
	same "$before" "$(workers | sort)"
	same "version v1" "$(get a.org /)"
	stop_proxy
}

@test "started without standard input, output and error: SIGHUP hands on the lock" {
	service web
	PORT=$(free_port)
	proxy_args
	background proxy sh -c 'exec "$@" <&- >&- 2>&-' sh "$KAMAL_PROXY" "${ARGS[@]}"
	PROXY=$!
	proxy_up
	ready web
	before=$(workers | sort)
	kill -HUP "$PROXY"
	replaced() { [ -n "$(workers)" ] && [ -z "$(comm -12 <(workers | sort) <(echo "$before"))" ]; }
	eventually replaced
	ready web
	stop_proxy
}

@test "what goes bad between the check and the execution does not end the master" {
	service web
	cp "$KAMAL_PROXY" kp
	cp "$KAMAL_PROXY" kp.real
	KAMAL_PROXY=$T/kp start_proxy
	ready web
	before=$(workers | sort)
	printf '[proxy]\nidle_timeout = soon\n' >kamal-proxy.ini
	# A check that sees nothing wrong stands for one that came too early.
	cat >kp.script <<-EOF
		#!/bin/sh
		[ "\$1" = check ] || exec "$T/kp.real" "\$@"
	EOF
	chmod 0755 kp.script
	mv kp.script kp
	kill -HUP "$PROXY"
	eventually grep -q 'trying again' proxy.err
	contains idle_timeout "$(cat proxy.err)"
	same "version v1" "$(get a.org /)"
	mv services elsewhere
	: >kamal-proxy.ini
	eventually grep -q 'services_dir = ' proxy.err
	mv elsewhere services
	replaced() { [ -n "$(workers)" ] && [ -z "$(comm -12 <(workers | sort) <(echo "$before"))" ]; }
	eventually replaced
	ready web
	same "version v1" "$(get a.org /)"
	stop_proxy
}

@test "a worker killed is replaced; new connections are served all the while" {
	service web
	start_proxy
	ready web
	for _ in 1 2 3; do
		victim=$(workers | head -1)
		kill -KILL "$victim"
		two() { [ "$(workers | grep -cv "^$victim\$")" -eq 2 ]; }
		eventually two
		for _ in $(seq 20); do same "version v1" "$(get a.org /)"; done
	done
	ready web
	eventually field_is web in_flight 0
	stop_proxy
}

@test "a worker that is silent for ten seconds is replaced" {
	service web
	start_proxy
	ready web
	victim=$(workers | head -1)
	kill -STOP "$victim"
	gone() { ! workers | grep -q "^$victim\$"; }
	WITHIN=25 eventually gone
	two() { [ "$(workers | wc -l)" -eq 2 ]; }
	eventually two
	for _ in $(seq 20); do same "version v1" "$(get a.org /)"; done
	stop_proxy
}

@test "the master killed: its workers serve on until another master has the lock" {
	service web
	start_proxy
	ready web
	orphans=$(workers)
	kill -KILL "$PROXY"
	wait "$PROXY" || :
	for _ in $(seq 20); do same "version v1" "$(get a.org /)"; done
	run kp wait web --ready --timeout 1s
	[ "$status" -eq 1 ]
	contains "not running" "$output"
	start_app web2 "$S/web/app.sock.new" v2
	mv "$S/web/app.sock.new" "$S/web/app.sock"
	says_v2() { [ "$(get a.org /)" = "version v2" ]; }
	eventually says_v2
	proxy_args
	background proxy "$KAMAL_PROXY" "${ARGS[@]}"
	PROXY=$!
	WITHIN=15 eventually ready_now
	same "version v2" "$(get a.org /)"
	ended() {
		local pid
		for pid in $orphans; do ! kill -0 "$pid" 2>/dev/null || return 1; done
	}
	WITHIN=15 eventually ended
	stop_proxy
}

ready_now() {
	kp wait web --ready --timeout 1s 2>/dev/null
}

@test "SIGTERM: no new connections, those under way are answered, exit 0" {
	service web
	start_proxy
	ready web
	in_background slow get a.org '/slow?ms=1000'
	in_background idle sh -c "printf 'GET /up HTTP/1.1\r\nHost: a\r\n\r\n' | '$TEST_LOAD' --talk --hold --url http://127.0.0.1:$PORT"
	reached web /slow 1
	reached web /up 1
	kill -TERM "$PROXY"
	refuses() { ! listening; }
	eventually refuses
	await slow
	same "version v1" "$(cat slow.out)"
	await idle
	status=0
	wait "$PROXY" || status=$?
	same 0 "$status"
	no_reports
}

@test "SIGTERM: shutdown_timeout ends what will not" {
	service web
	start_proxy --shutdown-timeout 500ms
	ready web
	in_background never get a.org /never
	reached web /never 1
	began=$(now_ms)
	stop_proxy
	took=$(($(now_ms) - began))
	[ "$took" -ge 400 ] && [ "$took" -lt 4000 ]
}

@test "SIGINT is SIGTERM" {
	start_proxy
	kill -INT "$PROXY"
	wait "$PROXY"
}

@test "root is dropped, of master and workers alike" {
	need_root
	service web
	start_proxy
	ready web
	for pid in $PROXY $(workers); do
		id=$(id -u nobody)
		same "$id $id $id $id" "$(awk '/^Uid:/ { print $2, $3, $4, $5 }' "/proc/$pid/status")"
		same 0000000000000000 "$(awk '/^CapEff:/ { print $2 }' "/proc/$pid/status")"
		lacks " 0 " " $(sed -n 's/^Groups://p' "/proc/$pid/status") "
	done
	same nobody "$(stat -c %U run/status/web)"
	stop_proxy
}

@test "workers = N" {
	service web
	start_proxy --workers 3
	ready web
	same 3 "$(workers | wc -l)"
	stop_proxy
}

@test "out of file descriptors: waits, and goes on when there are some" {
	service web
	PORT=$(free_port)
	proxy_args
	background proxy sh -c 'ulimit -n 80; exec "$@"' sh "$KAMAL_PROXY" "${ARGS[@]}" --workers 1
	PROXY=$!
	proxy_up
	ready web
	in_background many "$TEST_LOAD" --url "http://127.0.0.1:$PORT/up" -c 150 -n 2000 --mix oneshot
	await many
	same "version v1" "$(get a.org /)"
	stop_proxy
}

@test "SIGHUP with an access log that cannot be opened: said, nothing changes" {
	service web
	PORT=$(free_port)
	# The flag would beat the file: this proxy has none.
	ARGS=(run --bind 127.0.0.1 --http-port "$PORT" --https-port 0 --workers 1)
	[ "$(id -u)" -ne 0 ] || ARGS+=(--user nobody)
	echo '[proxy]' >"$T/kamal-proxy.ini"
	background proxy "$KAMAL_PROXY" "${ARGS[@]}"
	PROXY=$!
	proxy_up
	printf '[proxy]\naccess_log = /nowhere/access.log\n' >"$T/kamal-proxy.ini"
	kill -HUP "$PROXY"
	eventually grep -q "access_log: /nowhere" proxy.err
	same "version v1" "$(get a.org /)"
	printf '[proxy]\naccess_log = off\n' >"$T/kamal-proxy.ini"
	kill -HUP "$PROXY"
	eventually grep -q "generation 2 of workers serves" proxy.err
	same "version v1" "$(get a.org /)"
	stop_proxy
}
