#!/usr/bin/env bats
# A second group of instances in rollout/, for those whom rollout.ini names.
load helper

# canary [VERSION]: behind rollout/app.sock of the service "web".
canary() {
	mkdir -p "$S/web/rollout"
	start_app "${2:-canary}" "$S/web/rollout/app.sock" "${1:-v2}"
}

# rollout LINE…: replaces rollout.ini; returns when all have it.
rollout() {
	put web rollout.ini "$(printf '%s\n' "$@")"
	kp wait web --seen
}

# as VALUE [PATH]: who answers one whose cookie is that.
as() {
	get a.org "${2:-/}" -H "Cookie: kamal-rollout=$1"
}

# hashed VALUE…: the FNV-1a 32 hash of each, in per cent of the largest, rounded up to the next that
# is in; by a hand that is not the proxy's.
hashed() {
	python3 - "$@" <<-'EOF'
		import sys
		for value in sys.argv[1:]:
		    h = 0x811C9DC5
		    for byte in value.encode():
		        h = (h ^ byte) * 0x01000193 % 2**32
		    print(value, -(-h * 100 // 4294967295))
	EOF
}

@test "without rollout.ini the canary gets nothing; nor do those without the cookie with it" {
	service web v1
	canary
	start_proxy
	ready web
	same "version v1" "$(as anybody)"
	rollout 'percent = 100'
	same "version v2" "$(as anybody)"
	same "version v1" "$(get a.org /)"
	same "version v1" "$(as '')"
	same "version v1" "$(get a.org / -H 'Cookie: kamal-rollouts=x; akamal-rollout=x; Kamal-Rollout=x')"
	rm "$S/web/rollout.ini"
	kp wait web --seen
	same "version v1" "$(as anybody)"
	same 1 "$(begun canary /)"
	stop_proxy
}

@test "percent: a cookie is in when its FNV-1a hash says so, on every worker and for ever" {
	service web v1
	canary
	start_proxy
	ready web
	same "a 90 foobar 75" "$(hashed a foobar | xargs)"
	for percent in 30 74 75 89 90; do
		rollout "percent = $percent"
		seen=0
		while read -r value least; do
			expected=v1
			[ "$least" -gt "$percent" ] || expected=v2
			[ "$expected" = v1 ] || seen=$((seen + 1))
			same "version $expected" "$(as "$value")"
		done < <(hashed a foobar user-{1..20})
		[ "$seen" -gt 0 ] && [ "$seen" -lt 22 ]
	done
	rollout 'percent = 0'
	same "version v1" "$(as a)"
	stop_proxy
}

@test "list, quoted values, several Cookie fields: the first such cookie counts" {
	service web v1
	canary
	start_proxy
	ready web
	rollout 'list = alice, bob'
	same "version v2" "$(as alice)"
	same "version v2" "$(as bob)"
	same "version v1" "$(as carol)"
	same "version v1" "$(as ali)"
	same "version v2" "$(as '"bob"')"
	same "version v1" "$(as '""')"
	same "version v2" "$(get a.org / -H 'Cookie: a=1; kamal-rollout=bob;b=2')"
	same "version v2" "$(get a.org / -H 'Cookie: a=1' -H 'Cookie: kamal-rollout=bob')"
	same "version v1" "$(get a.org / -H 'Cookie: kamal-rollout=carol' -H 'Cookie: kamal-rollout=bob')"
	same "version v2" "$(get a.org / -H 'Cookie: kamal-rollout=bob; kamal-rollout=carol')"
	contains "Cookie: a=1; kamal-rollout=bob" "$(get a.org /headers -H 'Cookie: a=1; kamal-rollout=bob')"
	same "v1 v2 v1" "$(bytes "$(printf 'GET / HTTP/1.1\\r\\nHost: a\\r\\n%s\\r\\n' '' \
		'Cookie: kamal-rollout=bob\r\n' 'Connection: close\r\n')" | sed -n 's/^version //p' | xargs)"
	contains "X-Kamal-Target: rollout/app.sock" "$(as bob /headers)"
	contains "X-Kamal-Target: app.sock" "$(as carol /headers)"
	eventually logged '.target == "rollout/app.sock" and .path == "/headers"'
	stop_proxy
}

@test "handoff and drain of the canary under load" {
	service web v1
	canary v2 canary2
	start_proxy
	rollout 'percent = 100'
	ready web
	LOAD_PATH=/ start_load -c 16 --mix get:3,post:2,oneshot:1 --field 'Cookie: kamal-rollout=x'
	background plain "$TEST_LOAD" --url "http://127.0.0.1:$PORT/" -c 8 --until-file "$T/enough" \
		--ok 200 --mix get:3,oneshot:1
	plain=$!
	for n in 3 4 5; do
		start_app "canary$n" "$S/web/rollout/app.sock.new" "v$n"
		mv "$S/web/rollout/app.sock.new" "$S/web/rollout/app.sock"
		kp wait web --drained
		mark "v$n"
		stop_app "canary$((n - 1))"
	done
	end_load
	wait "$plain"
	same 3 "$(field web generation)"
	same "version v5" "$(as x)"
	same "version v1" "$(get a.org /)"
	in_background slow as x '/slow?ms=600'
	reached canary5 /slow 1
	start_app canary6 "$S/web/rollout/app.sock.new" v6
	mv "$S/web/rollout/app.sock.new" "$S/web/rollout/app.sock"
	kp wait web --ready
	same "version v6" "$(as x)"
	same 1 "$(field web draining)"
	kp wait web --drained
	await slow
	same "version v5" "$(cat slow.out)"
	stop_proxy
}

@test "a dead canary costs nobody: its users are served by the others" {
	service web v1
	canary
	start_proxy
	rollout 'percent = 100'
	ready web
	same "version v2" "$(as x)"
	start_load -c 16 --mix get:3,oneshot:1 --field 'Cookie: kamal-rollout=x'
	crash_app canary
	same "version v1" "$(as x)"
	rm "$S/web/rollout/app.sock"
	same "version v1" "$(as x)"
	canary v3
	comes_back() { [ "$(as x)" = "version v3" ]; }
	eventually comes_back
	mv "$S/web/rollout" "$S/web/.away"
	says_v1() { [ "$(as x)" = "version v1" ]; }
	eventually says_v1
	mv "$S/web/.away" "$S/web/rollout"
	eventually comes_back
	end_load
	stop_proxy
}

@test "a canary whose backlog is full costs nobody either" {
	service web v1
	mkdir "$S/web/rollout"
	start_app canary "$S/web/rollout/app.sock" v2 --backlog 1
	start_proxy
	rollout 'percent = 100'
	ready web
	kill -STOP "${APP[canary]}"
	for n in 1 2 3 4 5 6; do in_background "at$n" as x; done
	answered() { [ "$(cat at?.out | grep -c 'version v1')" -ge 4 ]; }
	eventually answered
	same "version v1" "$(as x)"
	kill -CONT "${APP[canary]}"
	for n in 1 2 3 4 5 6; do await "at$n"; done
	same 6 "$(cat at?.out | grep -c 'version v[12]')"
	stop_proxy
}

@test "a canary that lives when the others are gone: its users are served, the others wait" {
	service web v1
	canary
	start_proxy
	rollout 'list = alice'
	ready web
	rm "$S/web/app.sock"
	stop_app web
	in_background other get a.org /
	held web 1
	same "version v2" "$(as alice)"
	same no-socket "$(field web state)"
	start_app web "$S/web/app.sock" v3
	await other
	same "version v3" "$(cat other.out)"
	stop_proxy
}

@test "a bad rollout.ini: the last good one stays in force, and the status says what is wrong" {
	service web v1
	canary
	start_proxy
	rollout 'percent = 100'
	same "version v2" "$(as x)"
	put web rollout.ini 'percent = 101'
	names() { [[ $(field web error) == *"$1"* ]]; }
	eventually names percent
	contains rollout.ini "$(field web error)"
	contains 101 "$(field web error)"
	same "version v2" "$(as x)"
	put web rollout.ini 'persent = 10'
	eventually names persent
	same "version v2" "$(as x)"
	run kp check
	[ "$status" -eq 1 ]
	contains persent "$output"
	rollout '[rollout]' 'percent = 0' 'list = y'
	eventually field_is web error -
	same "version v1" "$(as x)"
	same "version v2" "$(as y)"
	stop_proxy
}

@test "promotion: rollout/app.sock renamed over app.sock, under load" {
	service web v1
	canary
	start_proxy
	rollout 'percent = 100'
	ready web
	start_load -c 16 --mix get:3,post:2,oneshot:1
	same "version v2" "$(as x)"
	mv "$S/web/rollout/app.sock" "$S/web/app.sock"
	kp wait web --drained
	mark v2
	stop_app web
	end_load
	same "version v2" "$(get a.org /)"
	same "version v2" "$(as x)"
	lacks rollout "$(cat run/status/web)"
	contains "X-Kamal-Target: app.sock" "$(as x /headers)"
	stop_proxy
}

@test "status and wait name the canary's sockets" {
	service web v1
	canary
	start_proxy
	ready web
	inode=$(stat -c %i "$S/web/rollout/app.sock")
	grep -qE "^ +rollout/app.sock $inode ready 0\$" run/status/web
	grep -qE "^ +app.sock $(stat -c %i "$S/web/app.sock") ready 0\$" run/status/web
	start_app next "$S/web/rollout/app.sock.new" v3
	mv "$S/web/rollout/app.sock.new" "$S/web/rollout/app.sock"
	kp wait web --ready
	grep -qE "^ +rollout/app.sock $(stat -c %i "$S/web/rollout/app.sock") ready" run/status/web
	contains rollout/app.sock "$(kp status web)"
	rm "$S/web/rollout/app.sock"
	kp wait web --ready
	lacks rollout/ "$(grep '^ ' run/status/web)"
	rm "$S/web/app.sock"
	mv "$S/web/rollout" "$T/away"
	start_app third "$T/away/app.sock" v4
	mv "$T/away" "$S/web/rollout"
	run kp wait web --ready --timeout 300ms
	[ "$status" -eq 1 ]
	same no-socket "$(field web state)"
	stop_proxy
}

@test "a pause holds the canary's users too" {
	service web v1
	canary
	start_proxy
	rollout 'percent = 100'
	in_background slow as x '/slow?ms=500'
	reached canary /slow 1
	pause web
	await slow
	in_background held as x
	in_background other get a.org /
	held web 2
	same 1 "$(grep -c ' begin ' canary.log)"
	resume web
	await held
	await other
	same "version v2" "$(cat held.out)"
	same "version v1" "$(cat other.out)"
	stop_proxy
}
