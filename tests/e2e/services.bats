#!/usr/bin/env bats
# Services come, change and go while the proxy runs; what is wrong changes nothing.
load helper

@test "a service appears, changes its host, and goes" {
	start_proxy
	same 404 "$(code a.org /)"
	service web
	ready web
	same "version v1" "$(get a.org /)"
	ini web 'hosts = b.org'
	moved() { [ "$(code a.org /)" = 404 ] && [ "$(get b.org /)" = "version v1" ]; }
	eventually moved
	same b.org "$(field web hosts)"
	stop_app web
	rm -r "$S/web"
	gone() { [ "$(code b.org /)" = 404 ]; }
	eventually gone
	eventually test ! -e run/status/web
	stop_proxy
}

@test "the services directory itself replaced" {
	service web v1
	start_proxy
	ready web
	mkdir next
	mkdir next/web
	start_app web2 "$T/next/web/app.sock" v2
	mv services before
	mv next services
	says_v2() { [ "$(get a.org /)" = "version v2" ]; }
	eventually says_v2
	stop_proxy
}

@test "an option that changes is in force for the next request" {
	service web
	start_proxy
	ready web
	same 200 "$(code a.org '/slow?ms=500')"
	ini web 'target_timeout = 100ms'
	late() { [ "$(code a.org '/slow?ms=500')" = 504 ]; }
	eventually late
	rm "$S/web/service.ini"
	in_time() { [ "$(code a.org '/slow?ms=500')" = 200 ]; }
	eventually in_time
	stop_proxy
}

@test "a service.ini that is wrong keeps the last good one and says where" {
	service web
	ini web 'hosts = a.org'
	start_proxy
	ready web
	ini web 'hosts = b.org' 'target_timeout = soon'
	says() { contains "$1" "$(field web error)" 2>/dev/null; }
	eventually says target_timeout
	for part in service.ini target_timeout soon; do
		contains "$part" "$(field web error)"
	done
	same "version v1" "$(get a.org /)"
	same 404 "$(code b.org /)"
	run kp check
	[ "$status" -eq 1 ]
	contains target_timeout "$output"
	ini web 'hosts = b.org'
	better() { [ "$(get b.org /)" = "version v1" ]; }
	eventually better
	kp check
	stop_proxy
}

@test "unknown and doubled keys, values cut off by ; or #, are errors" {
	service web
	start_proxy
	ready web
	says() { contains "$1" "$(field web error)" 2>/dev/null; }
	ini web 'hoosts = a.org'
	eventually says hoosts
	ini web 'hosts = a.org' 'hosts = b.org'
	eventually says hosts
	ini web 'health_check_path = /up;x'
	eventually says health_check_path
	ini web 'target_timeout = 5 parsecs'
	eventually says parsecs
	ini web '[service]' 'target_timeout = 5s'
	eventually field_is web error -
	same "version v1" "$(get a.org /)"
	stop_proxy
}

@test "an option of a later day says that it is not built yet" {
	service web
	ini web 'buffer_requests = true'
	start_proxy
	says() { contains buffer_requests "$(field web error)" 2>/dev/null; }
	eventually says
	stop_proxy
}

@test "a service whose first ini is wrong is invalid, not half there" {
	service web
	ini web 'socket_timeout = -1'
	start_proxy
	eventually field_is web state invalid
	stop_proxy
}

@test "service.ini as a symlink is refused" {
	service web
	echo 'hosts = b.org' >elsewhere.ini
	ln -s "$T/elsewhere.ini" "$S/web/service.ini"
	start_proxy
	says() { contains service.ini "$(field web error)" 2>/dev/null; }
	eventually says
	same invalid "$(field web state)"
	same 404 "$(code a.org /)"
	rm "$S/web/service.ini"
	ready web
	same "version v1" "$(get a.org /)"
	stop_proxy
}

@test "names that no service may have are left out and reported" {
	mkdir "$S/Bad_Name" "$S/.hidden" "$S/$(printf 'x%.0s' $(seq 64))"
	service web
	start_proxy
	ready web
	[ ! -e run/status/Bad_Name ]
	[ ! -e run/status/.hidden ]
	run kp check
	[ "$status" -eq 1 ]
	contains Bad_Name "$output"
	lacks .hidden "$output"
	stop_proxy
}

@test "a file among the directories is no service" {
	: >"$S/README"
	service web
	start_proxy
	ready web
	[ ! -e run/status/README ]
	stop_proxy
}

@test "a socket that may not be connected to: path, mode, uid and the cure" {
	need_root
	service web
	chmod 0600 "$S/web/app.sock"
	ini web 'socket_timeout = 300ms'
	start_proxy
	same 503 "$(code a.org /)"
	says() { contains app.sock "$(field web error)" 2>/dev/null; }
	eventually says
	contains 0600 "$(field web error)"
	contains "$(id -u nobody)" "$(field web error)"
	contains chmod "$(field web error)"
	chmod 0666 "$S/web/app.sock"
	well() { [ "$(code a.org /)" = 200 ]; }
	WITHIN=5 eventually well
	stop_proxy
}

@test "a directory that may not be read is named with the cure" {
	need_root
	service web
	chmod 0700 "$S/web"
	start_proxy
	says() { grep -q "$S/web" proxy.err || contains chmod "$(field web error)" 2>/dev/null; }
	eventually says
	chmod 0755 "$S/web"
	well() { [ "$(code a.org /)" = 200 ]; }
	WITHIN=5 eventually well
	stop_proxy
}

@test "a new directory that may not be read takes nobody's host" {
	need_root
	service web
	start_proxy
	ready web
	mkdir -m 0 "$S/closed"
	eventually field_is closed state invalid
	contains chmod "$(field closed error)"
	same running "$(field web state)"
	same "version v1" "$(get a.org /)"
	chmod 0755 "$S/closed"
	WITHIN=5 eventually field_is closed state conflict
	same "version v1" "$(get a.org /)"
	stop_proxy
}

@test "settings that are wrong are named before the conflict they may have led to" {
	service web
	start_proxy
	ready web
	mkdir "$S/other"
	eventually field_is other state conflict
	ini other 'hoosts = b.org'
	says() { contains hoosts "$(field other error)" 2>/dev/null; }
	eventually says
	same conflict "$(field other state)"
	stop_proxy
}

@test "a status file that is lost, or could not be written, is written again" {
	service web
	start_proxy
	ready web
	rm -r run/status
	WITHIN=6 eventually test -e run/status/web
	# No file may be made where a directory has its name.
	mkdir "run/status/.web.$PROXY"
	start_app web2 "$S/web/app.sock.new" v2
	mv "$S/web/app.sock.new" "$S/web/app.sock"
	eventually grep -q 'cannot write' proxy.err
	rmdir "run/status/.web.$PROXY"
	kp wait web --drained --timeout 5s
	stop_proxy
}

@test "the status file names state, targets and inode" {
	service web
	ini web 'hosts = a.org, b.org' 'path_prefix = /x'
	start_proxy
	ready web
	for key in service state pause stop generation hosts path tls certificate in_flight draining \
		tunnels held requests errors cut_off since error targets; do
		grep -q "^$key:" run/status/web || fail "no line $key"
	done
	same web "$(field web service)"
	same running "$(field web state)"
	contains b.org "$(field web hosts)"
	same /x "$(field web path)"
	same - "$(field web pause)"
	grep -qE "^[[:space:]]+app.sock $(stat -c %i "$S/web/app.sock") " run/status/web
	stop_proxy
}

@test "requests and errors are counted" {
	service web
	start_proxy
	ready web
	for _ in 1 2 3 4 5; do get a.org / >/dev/null; done
	code a.org /die-before >/dev/null
	eventually field_is web requests 6
	eventually field_is web errors 1
	stop_proxy
}
