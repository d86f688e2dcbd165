#!/usr/bin/env bats
# One instance takes over from another: by every way the file system knows, and nothing is lost.
load helper

MIX=get:6,post:3,oneshot:1

@test "rename under load: nothing lost, nothing stale, the old socket left alone" {
	service web v1 web1
	start_proxy
	ready web
	start_load -c 32 --mix $MIX
	for n in 2 3 4 5 6; do
		start_app "web$n" "$S/web/app.sock.new" "v$n"
		deploy web
		mark "v$n"
		previous=web$((n - 1))
		stop_app "$previous"
	done
	end_load
	same 5 "$(field web generation)"
	same "version v6" "$(get a.org /)"
	stop_proxy
}

@test "a symlink renamed over the name" {
	mkdir -p "$S/web" "$T/instances"
	start_app one "$T/instances/1.sock" v1
	start_app two "$T/instances/2.sock" v2
	ln -s "$T/instances/1.sock" "$S/web/app.sock"
	start_proxy
	ready web
	start_load -c 16 --mix $MIX
	ln -s "$T/instances/2.sock" "$S/web/.next"
	mv -T "$S/web/.next" "$S/web/app.sock"
	kp wait web --drained
	mark v2
	stop_app one
	end_load
	same "version v2" "$(get a.org /)"
	stop_proxy
}

@test "a symlink whose target is bound anew is seen within two seconds" {
	mkdir -p "$S/web" "$T/instances"
	start_app one "$T/instances/app.sock" v1
	ln -s "$T/instances/app.sock" "$S/web/app.sock"
	start_proxy
	ready web
	same "version v1" "$(get a.org /)"
	start_app two "$T/instances/app.sock" v2 --unlink-bind
	says_v2() { [ "$(get a.org /)" = "version v2" ]; }
	WITHIN=4 eventually says_v2
	stop_proxy
}

@test "the app's own unlink and bind" {
	service web v1
	start_proxy
	ready web
	start_load -c 16 --mix $MIX
	start_app web2 "$S/web/app.sock" v2 --unlink-bind
	kp wait web --drained
	mark v2
	stop_app web
	end_load
	same "version v2" "$(get a.org /)"
	stop_proxy
}

@test "unlink and bind with a long way from bind to listen: requests wait" {
	service web v1
	start_proxy
	ready web
	start_load -c 16 --mix $MIX
	start_app web2 "$S/web/app.sock" v2 --unlink-bind --delay-listen 500
	ready web
	kp wait web --drained
	mark v2
	stop_app web
	end_load
	stop_proxy
}

@test "the whole directory replaced" {
	service web v1
	start_proxy
	ready web
	start_load -c 16 --mix $MIX
	mkdir "$S/.web.next"
	start_app web2 "$S/.web.next/app.sock" v2
	mv "$S/web" "$S/.web.gone"
	mv "$S/.web.next" "$S/web"
	kp wait web --drained
	mark v2
	stop_app web
	end_load || contains "status 404" "$RESULT"
	same "version v2" "$(get a.org /)"
	stop_proxy
}

@test "the directory exchanged in one move: nothing lost" {
	service web v1
	start_proxy
	ready web
	mkdir "$S/.next"
	start_app web2 "$S/.next/app.sock" v2
	start_load -c 16 --mix $MIX
	perl -e 'exit(syscall(316, -100, $ARGV[0], -100, $ARGV[1], 2) == 0 ? 0 : 1)' "$S/web" \
		"$S/.next" || skip "no renameat2 here"
	kp wait web --drained
	mark v2
	stop_app web
	end_load
	stop_proxy
}

@test "rollback: the old name kept by a hard link" {
	service web v1
	start_proxy
	ready web
	start_app web2 "$S/web/app.sock.new" v2
	start_load -c 16 --mix $MIX
	ln -f "$S/web/app.sock" "$S/web/app.sock.old"
	deploy web
	same "version v2" "$(get a.org /)"
	mv "$S/web/app.sock.old" "$S/web/app.sock"
	kp wait web --drained
	same "version v1" "$(get a.org /)"
	stop_app web2
	end_load
	stop_proxy
}

@test "chmod, chown, touch and another hard link are no handoffs" {
	service web v1
	start_proxy
	ready web
	same "version v1" "$(get a.org /)"
	before=$(field web generation)
	chmod 0666 "$S/web/app.sock"
	touch "$S/web/app.sock"
	ln "$S/web/app.sock" "$S/web/app.sock.old"
	rm "$S/web/app.sock.old"
	kp wait web --drained
	same "$before" "$(field web generation)"
	stop_proxy
}

@test "names that are not *.sock are invisible" {
	mkdir "$S/web"
	start_app one "$S/web/app.sock.new" v1
	start_app two "$S/web/.app.sock" v2
	start_app three "$S/web/app.socket" v3
	ini web 'socket_timeout = 200ms'
	start_proxy
	same 503 "$(code a.org /)"
	mv "$S/web/app.sock.new" "$S/web/app.sock"
	ready web
	same "version v1" "$(get a.org /)"
	stop_proxy
}

@test "several sockets share the load; one that refuses is skipped and tried again" {
	service web v1
	start_app second "$S/web/app-2.sock" v2
	start_proxy
	ready web
	"$TEST_LOAD" --url "http://127.0.0.1:$PORT/slow?ms=5" -c 8 -n 400
	one=$(begun web /slow)
	two=$(begun second /slow)
	[ "$one" -gt 100 ] && [ "$two" -gt 100 ]
	crash_app second
	"$TEST_LOAD" --url "http://127.0.0.1:$PORT/" -c 8 -n 400
	start_app second "$S/web/app-2.sock" v3 --unlink-bind
	comes_back() { [ "$(get a.org /)" = "version v3" ]; }
	eventually comes_back
	stop_proxy
}

@test "a request in flight ends on the instance that began it" {
	service web v1
	start_proxy
	ready web
	in_background slow get a.org '/slow?ms=700'
	reached web /slow 1
	start_app web2 "$S/web/app.sock.new" v2
	mv "$S/web/app.sock.new" "$S/web/app.sock"
	kp wait web --ready
	same "version v2" "$(get a.org /)"
	deploy_began=$(now_ms)
	kp wait web --drained
	[ $(($(now_ms) - deploy_began)) -ge 100 ]
	await slow
	same "version v1" "$(cat slow.out)"
	stop_app web
	stop_proxy
}

@test "two handoffs with the first one's requests still under way" {
	service web v1
	start_proxy
	ready web
	in_background one get a.org '/slow?ms=900'
	reached web /slow 1
	start_app web2 "$S/web/app.sock.new" v2
	mv "$S/web/app.sock.new" "$S/web/app.sock"
	ready web
	in_background two get a.org '/slow?ms=600'
	reached web2 /slow 1
	start_app web3 "$S/web/app.sock.new" v3
	mv "$S/web/app.sock.new" "$S/web/app.sock"
	ready web
	same "version v3" "$(get a.org /)"
	eventually field_is web draining 2
	kp wait web --drained
	await one
	await two
	same "version v1" "$(cat one.out)"
	same "version v2" "$(cat two.out)"
	stop_proxy
}

@test "idle pooled connections to the old instance are closed at once" {
	service web v1
	start_proxy
	ready web
	for _ in 1 2 3; do get a.org / >/dev/null; done
	start_app web2 "$S/web/app.sock.new" v2
	deploy web
	closed() { [ "$(find /proc/"${APP[web]}"/fd -lname 'socket:*' | wc -l)" -eq 1 ]; }
	WITHIN=2 eventually closed
	stop_proxy
}

@test "an instance that speaks only TCP is of a later day, and the status says so" {
	service web
	echo "127.0.0.1:1" >"$S/web/app.tcp"
	start_proxy
	ready web
	contains app.tcp "$(field web error)"
	contains "not built yet" "$(field web error)"
	same "version v1" "$(get a.org /)"
	stop_proxy
}

@test "a path longer than a socket address has room for" {
	long=$(printf 'd%.0s' $(seq 60))
	mkdir -p "$T/$long/$long/services/web"
	start_app web "$T/w.sock" v1
	mv "$T/w.sock" "$T/$long/$long/services/web/app.sock"
	export KAMAL_PROXY_SERVICES_DIR=$T/$long/$long/services
	start_proxy
	kp wait web --ready
	same "version v1" "$(get a.org /)"
	stop_proxy
}
