#!/usr/bin/env bats
# What is typed at a shell.
load helper

@test "version, help, help COMMAND" {
	[[ $(kp version) =~ [0-9]+\.[0-9]+ ]]
	for verb in run list status check wait set version; do
		contains "$verb" "$(kp help)"
		[ -n "$(kp help $verb)" ]
	done
	for option in --http-port --services-dir --head-timeout --access-log; do
		contains "$option" "$(kp run --help)"
	done
}

@test "wrong usage: 2, on stderr, nothing on stdout" {
	for args in nonsense "wait" "wait web --nonsense" "run --nonsense" "run --http-port" \
		"run --http-port many" "status" "set" "help nonsense" "wait web --timeout soon"; do
		code=0
		# shellcheck disable=SC2086
		kp $args >out 2>err || code=$?
		same "$args: 2" "$args: $code"
		[ -s err ]
		[ ! -s out ]
	done
	code=0
	kp >out 2>err || code=$?
	same 2 "$code"
}

@test "list: a table, and json" {
	service blog.example.com
	mkdir "$S/empty"
	ini empty 'path_prefix = /empty'
	start_proxy
	ready blog.example.com
	eventually field_is empty state no-socket
	table=$(kp list)
	for word in Service Host Path Target State TLS; do
		contains "$word" "$(head -1 <<<"$table")"
	done
	grep -qE '^blog\.example\.com +blog\.example\.com .*app\.sock.* running' <<<"$table"
	grep -qE '^empty .*/empty.* no-socket' <<<"$table"
	same "$table" "$(kp ls)"
	kp list --json | jq -e . >/dev/null
	contains blog.example.com "$(kp list --json | jq -c .)"
	stop_proxy
}

@test "list: many hosts do not push all else off the screen" {
	service web
	printf 'customer%s.example.com\n' $(seq 500) >"$S/web/hosts"
	start_proxy
	ready web
	table=$(kp list)
	[ "$(awk '{ print length }' <<<"$table" | sort -n | tail -1)" -lt 150 ]
	contains "customer1.example.com, customer2.example.com, ..." "$table"
	contains customer500.example.com "$(kp list --json)"
	contains customer500.example.com "$(kp status web)"
	stop_proxy
}

@test "status: the file, and json" {
	service web
	start_proxy
	ready web
	contains running "$(kp status web)"
	same running "$(kp status web --json | jq -r .state)"
	same 0 "$(kp status web --json | jq -r .in_flight)"
	run kp status nobody
	[ "$status" -eq 1 ]
	stop_proxy
}

@test "check: silent content, or every problem and 1" {
	service web
	kp check
	ini web 'hoosts = x'
	mkdir "$S/other"
	ini other 'path_prefix = /a' 'target_timeout = never'
	run kp check
	[ "$status" -eq 1 ]
	contains hoosts "$output"
	contains target_timeout "$output"
	echo '[proxy]
http_port = 70000' >kamal-proxy.ini
	run kp check
	[ "$status" -eq 1 ]
	contains http_port "$output"
	contains 70000 "$output"
}

@test "wait without a running proxy: 1, and it says so" {
	service web
	run kp wait web --ready --timeout 1s
	[ "$status" -eq 1 ]
	contains "not running" "$output"
	start_proxy
	ready web
	stop_proxy
	run kp wait web --drained --timeout 1s
	[ "$status" -eq 1 ]
	contains "not running" "$output"
}

@test "wait for a service that does not exist: 1 at once or at the timeout" {
	start_proxy
	run kp wait nobody --ready --timeout 300ms
	[ "$status" -eq 1 ]
	[ -n "$output" ]
	stop_proxy
}

@test "wait --ready returns when the socket comes, wait --running likewise" {
	mkdir "$S/web"
	start_proxy
	in_background ready kp wait web --ready --timeout 10s
	in_background running kp wait web --running --timeout 10s
	run kp wait web --ready --timeout 200ms
	[ "$status" -eq 1 ]
	start_app web "$S/web/app.sock" v1
	await ready
	await running
	stop_proxy
}

@test "set: the named keys change, the others stay, wrong values change nothing" {
	service web
	ini web 'hosts = a.org' 'target_timeout = 7s'
	start_proxy
	ready web
	kp set web --host b.org --host c.org --drain-timeout 3s
	moved() { [ "$(get c.org /)" = "version v1" ]; }
	eventually moved
	same 404 "$(code a.org /)"
	grep -qE '^target_timeout *= *7s' "$S/web/service.ini"
	grep -qE '^drain_timeout *= *3s' "$S/web/service.ini"
	cp "$S/web/service.ini" before
	run kp set web --target-timeout soon
	[ "$status" -ne 0 ]
	contains soon "$output"
	cmp before "$S/web/service.ini"
	run kp set web --no-such-option 1
	[ "$status" -eq 2 ]
	cmp before "$S/web/service.ini"
	stop_proxy
}

@test "set: a boolean alone means true; the age of the claim is carried over" {
	service web
	ini web 'hosts = a.org'
	touch -d '2020-01-02 03:04:05' "$S/web/service.ini"
	before=$(stat -c %Y "$S/web/service.ini")
	kp set web --strip-path-prefix --target-timeout 5s
	grep -qE '^strip_path_prefix *= *true' "$S/web/service.ini"
	same "$before" "$(stat -c %Y "$S/web/service.ini")"
	kp set web --host b.org
	[ "$(stat -c %Y "$S/web/service.ini")" -gt "$before" ]
}

@test "a verb that is a script in hooks" {
	run kp no-such-verb
	[ "$status" -eq 2 ]
	contains no-such-verb "$output"
}

# Each way to fail at the start: exit 2 and one line.
fails_to_start() {
	local code=0
	timeout 20 "${AS[@]}" "$KAMAL_PROXY" "${ARGS[@]}" "${@:2}" >out 2>err || code=$?
	cat err
	same 2 "$code"
	grep -q -- "$1" err || fail "no \"$1\" in it"
	same 1 "$(grep -c . err)"
}

@test "the port is taken" {
	start_proxy
	other=$(mktemp -d "$T/run2.XXXX")
	chmod 0777 "$other"
	proxy_args
	fails_to_start "$PORT" --runtime-dir "$other"
	stop_proxy
}

@test "another proxy holds the runtime directory" {
	start_proxy
	taken=$PORT
	PORT=$(free_port)
	proxy_args
	fails_to_start "$T/run"
	PORT=$taken
	stop_proxy
}

@test "a directory is missing, or may not be written" {
	PORT=$(free_port)
	proxy_args
	fails_to_start "$T/nowhere" --services-dir "$T/nowhere"
	fails_to_start "$T/kamal-proxy.ini" --runtime-dir "$T/kamal-proxy.ini"
	mkdir -m 0555 locked
	[ "$(id -u)" -ne 0 ] || AS=(setpriv --reuid=nobody --regid=nogroup --clear-groups)
	fails_to_start "$T/locked" --runtime-dir "$T/locked"
}

@test "the ini is wrong: file, section, key and value" {
	PORT=$(free_port)
	proxy_args
	printf '[proxy]\nhead_timeout = soon\n' >kamal-proxy.ini
	fails_to_start head_timeout
	contains kamal-proxy.ini "$(cat err)"
	contains soon "$(cat err)"
	printf '[proxy]\nno_such = 1\n' >kamal-proxy.ini
	fails_to_start no_such
	printf '[service]\ntarget_timeout = x\n' >kamal-proxy.ini
	fails_to_start target_timeout
	printf '[nonsense]\na = 1\n' >kamal-proxy.ini
	fails_to_start nonsense
	export KAMAL_PROXY_CONFIG=$T/absent.ini
	fails_to_start absent.ini
}

@test "root is refused as the user" {
	PORT=$(free_port)
	proxy_args
	fails_to_start root --user root
	fails_to_start no-such-account --user no-such-account
}

@test "a flag beats the environment, the environment beats the file" {
	service web
	one=$(free_port)
	two=$(free_port)
	three=$(free_port)
	printf '[proxy]\nhttp_port = %s\nidle_timeout = 300ms\n' "$one" >kamal-proxy.ini
	export KAMAL_PROXY_HTTP_PORT=$two
	PORT=$three
	start_proxy
	ready web
	same "version v1" "$(get a.org /)"
	contains OK "$(bytes 'GET /up HTTP/1.1\r\nHost: a.org\r\n\r\n')"
	stop_proxy
	PORT=$two
	ARGS=(run --bind 127.0.0.1 --https-port 0 --access-log off)
	[ "$(id -u)" -ne 0 ] || ARGS+=(--user nobody)
	background proxy "$KAMAL_PROXY" "${ARGS[@]}"
	PROXY=$!
	proxy_up
	ready web
	same "version v1" "$(get a.org /)"
	stop_proxy
	unset KAMAL_PROXY_HTTP_PORT
	export HTTP_PORT=$one
	PORT=$one
	background proxy "$KAMAL_PROXY" "${ARGS[@]}"
	PROXY=$!
	proxy_up
	stop_proxy
}

@test "[service] in kamal-proxy.ini: defaults for every service" {
	service web
	service own
	ini web 'hosts = a.org'
	ini own 'hosts = b.org' 'target_timeout = 5s'
	printf '[service]\ntarget_timeout = 200ms\n' >kamal-proxy.ini
	start_proxy
	ready web
	ready own
	same 504 "$(code a.org '/slow?ms=700')"
	same 200 "$(code b.org '/slow?ms=700')"
	stop_proxy
}

@test "set: a flag of the proxy's own is refused; a new service is said" {
	start_proxy
	run kp set shop --host a.org --http-port 99
	same 2 "$status"
	contains "--http-port" "$output"
	[ ! -e "$S/shop" ]
	run kp set shop --host a.org
	same 0 "$status"
	contains "shop: a new service" "$output"
	stop_proxy
}

@test "list and status of a service that is paused: colours on a terminal alone" {
	service web
	start_proxy
	: >"$S/web/pause"
	kp wait web --paused
	contains $'\e[33mpaused' "$(script -qec "'$KAMAL_PROXY' list" /dev/null)"
	lacks $'\e' "$(kp list)"
	lacks $'\e' "$(NO_COLOR=1 script -qec "'$KAMAL_PROXY' list" /dev/null)"
	in_background held get a.org /
	eventually field_is web held 1
	grep -qE '^held +1 request waiting until the pause ends$' <<<"$(kp status web)"
	grep -qE "^pause +since 2.*Z, inode $(stat -c %i "$S/web/pause")\$" <<<"$(kp status web)"
	kp status web --json | jq -e '.state == "paused" and .held == 1 and .pause.inode > 0'
	rm "$S/web/pause"
	await held
	kp wait web --seen
	kp wait web --running
	same - "$(field web pause)"
	stop_proxy
}

@test "wait --paused: only while there is a pause, and for one thing at a time" {
	service web
	start_proxy
	run kp wait web --paused --timeout 200ms
	[ "$status" -eq 1 ]
	contains "there is no pause" "$output"
	run kp wait web --paused --seen
	[ "$status" -eq 2 ]
	kp wait web --seen
	stop_proxy
}

@test "a hook hears whether the proxy runs; what follows -- is its own" {
	mkdir -p to/bin to/hooks
	cp "$KAMAL_PROXY" to/bin/kamal-proxy
	# shellcheck disable=SC2016 # the script's own variables
	printf '#!/bin/sh\necho "$KAMAL_PROXY_RUNNING $*"\n' >to/hooks/say
	chmod +x to/hooks/say
	same "no web -- x --runtime-dir y -c z" \
		"$(to/bin/kamal-proxy say web --services-dir "$S" -- x --runtime-dir y -c z)"
	start_proxy
	same "yes web" "$(to/bin/kamal-proxy say web)"
	stop_proxy
}
