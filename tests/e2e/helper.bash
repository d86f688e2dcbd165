# shellcheck shell=bash
# The ground that every scenario stands on: a tree of its own below $T, a proxy over it, test apps
# behind it. A scenario waits for what it waits for (wait, inotifywait, a FIFO, eventually), it never
# sleeps in the hope that something has come about.

ROOT=$(cd "${BASH_SOURCE[0]%/*}/../.." && pwd)
: "${KAMAL_PROXY:=$ROOT/build/kamal-proxy}"
: "${TEST_APP:=$ROOT/build/tests/app}"
: "${TEST_LOAD:=$ROOT/build/tests/load}"
TORTURE=${TORTURE:-}
SAN=${SAN:-}

# A setting of the machine's own must not reach the proxy under test.
unset HTTP_PORT HTTPS_PORT METRICS_PORT DEBUG http_proxy HTTP_PROXY all_proxy ALL_PROXY

setup() {
	export T
	T=$(mktemp -d /tmp/kamal-proxy-test.XXXXXX)
	mkdir -p "$T/services" "$T/run" "$T/state" "$T/log"
	: >"$T/kamal-proxy.ini"
	chmod 0755 "$T" "$T"/*/
	chmod 0644 "$T/kamal-proxy.ini"
	[ "$(id -u)" -ne 0 ] || chown nobody "$T/run" "$T/state" "$T/log"
	export KAMAL_PROXY_CONFIG=$T/kamal-proxy.ini
	export KAMAL_PROXY_SERVICES_DIR=$T/services
	export KAMAL_PROXY_RUNTIME_DIR=$T/run
	export KAMAL_PROXY_STATE_DIR=$T/state
	export ASAN_OPTIONS=quarantine_size_mb=8:${ASAN_OPTIONS:-}
	within_reach
	S=$T/services
	PROXY=
	PORT=
	LOAD_PID=
	declare -gA APP=() JOB=()
	GROUPS_STARTED=()
	AS=()
	mkfifo "$T/.tick"
	exec {TICK}<>"$T/.tick"
	cd "$T" || return 1
}

# Started as root the proxy becomes nobody, who must be able to execute the binary anew at SIGHUP: from a
# checkout that nobody may enter it is taken along, and what belongs to it.
within_reach() {
	[ "$(id -u)" -eq 0 ] || return 0
	setpriv --reuid nobody --clear-groups test -x "$KAMAL_PROXY" && return
	mkdir "$T/bin"
	cp "$KAMAL_PROXY" "$T/bin/kamal-proxy"
	cp -R "$ROOT/hooks" "$T/hooks"
	chmod -R a+rX "$T/bin" "$T/hooks"
	KAMAL_PROXY=$T/bin/kamal-proxy
}

teardown() {
	local group
	for group in "${GROUPS_STARTED[@]}"; do
		kill -CONT -- "-$group" 2>/dev/null
		kill -KILL -- "-$group" 2>/dev/null
	done
	wait 2>/dev/null
	[ -n "${BATS_TEST_COMPLETED:-}" ] || dump
	if [ -n "${KEEP:-}" ]; then
		echo "# kept: $T" >&3
	else
		rm -rf "$T"
	fi
}

# What a failed scenario leaves behind, for whoever reads it.
dump() {
	local file
	for file in "$T"/*.err "$T"/*.out "$T"/*.log "$T"/log/*.log "$T"/run/status/*; do
		[ -s "$file" ] || continue
		echo "--- ${file#"$T/"} (last lines)"
		tail -n 30 "$file"
	done
	echo "--- tree"
	ls -lRA "$S" "$T/run"
}

fail() {
	echo "$*" >&2
	return 1
}

# eventually COMMAND…: for what gives no event; looks every 10 ms, up to 10 s (or $WITHIN).
eventually() {
	local end=$((SECONDS + ${WITHIN:-10}))
	until "$@"; do
		[ "$SECONDS" -lt "$end" ] || fail "never came true: $*" || return 1
		read -rt 0.01 -u "$TICK" || :
	done
}

now_ms() {
	local ns
	ns=$("$TEST_LOAD" --now)
	echo $((ns / 1000000))
}

free_port() {
	local port
	while :; do
		port=$((20000 + RANDOM % 12000))
		(: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null || break
	done
	echo "$port"
}

# background NAME COMMAND…: a process group of its own, so that teardown ends all of it; pid in $!.
background() {
	local name=$1
	shift
	set -m
	"$@" >"$T/$name.out" 2>>"$T/$name.err" 3>&- &
	set +m
	GROUPS_STARTED+=("$!")
}

listening() {
	(: <"/dev/tcp/127.0.0.1/$PORT") 2>/dev/null
}

proxy_args() {
	ARGS=(run --bind 127.0.0.1 --http-port "$PORT" --https-port 0 --workers 2
		--access-log "$T/log/access.log")
	[ "$(id -u)" -ne 0 ] || ARGS+=(--user nobody)
}

# start_proxy [FLAGS…]: returns when it takes connections; $PORT, $PROXY.
start_proxy() {
	PORT=${PORT:-$(free_port)}
	proxy_args
	background proxy "$KAMAL_PROXY" "${ARGS[@]}" "$@"
	PROXY=$!
	proxy_up
}

proxy_up() {
	eventually over_or_listening
	kill -0 "$PROXY" 2>/dev/null || fail "the proxy did not start"
}

over_or_listening() {
	listening || ! kill -0 "$PROXY" 2>/dev/null
}

# Ends it as an operator would; it must drain, exit 0 and leave no sanitizer's report.
stop_proxy() {
	local status=0
	kill -TERM "$PROXY"
	wait "$PROXY" || status=$?
	no_reports
	[ "$status" -eq 0 ] || fail "the proxy ended with $status"
}

no_reports() {
	! grep -E 'Sanitizer|runtime error:|[Aa]ssertion' "$T/proxy.err"
}

workers() {
	pgrep -P "$PROXY"
}

# start_app NAME SOCKET VERSION [FLAGS…]: returns when it listens; log in $T/NAME.log.
start_app() {
	local name=$1 socket=$2 version=$3
	shift 3
	rm -f "$T/$name.ready"
	mkfifo "$T/$name.ready"
	set -m
	"$TEST_APP" --socket "$socket" --version "$version" --log "$T/$name.log" "$@" \
		>"$T/$name.ready" 2>>"$T/$name.err" 3>&- &
	set +m
	APP[$name]=$!
	GROUPS_STARTED+=("$!")
	read -r _ <"$T/$name.ready" || fail "app $name did not start: $(cat "$T/$name.err")"
}

# Graceful: finishes what it has and exits 0.
stop_app() {
	kill -TERM "${APP[$1]}"
	wait "${APP[$1]}"
}

crash_app() {
	kill -KILL "${APP[$1]}"
	wait "${APP[$1]}" 2>/dev/null || :
}

# service NAME [VERSION]: a directory with one app behind app.sock.
service() {
	mkdir -p "$S/$1"
	start_app "${3:-$1}" "$S/$1/app.sock" "${2:-v1}"
}

# ini SERVICE LINE…: replaces service.ini as it should be done, by rename.
ini() {
	local name=$1
	shift
	printf '%s\n' "$@" >"$S/$name/.service.ini"
	mv "$S/$name/.service.ini" "$S/$name/service.ini"
}

# put SERVICE NAME [TEXT]: another of its files, by rename too.
put() {
	printf '%s' "${3:-}" >"$S/$1/.put"
	mv "$S/$1/.put" "$S/$1/$2"
}

# pause SERVICE [TEXT]: returns when every worker holds and nothing is in flight at the app.
pause() {
	put "$1" pause "${2:-}"
	kp wait "$1" --paused --timeout 20s
}

# resume SERVICE: returns when every worker has seen that pause and stop are gone.
resume() {
	rm -f "$S/$1/pause" "$S/$1/stop"
	kp wait "$1" --seen --timeout 20s
}

# held SERVICE COUNT: until so many wait.
held() {
	eventually field_is "$1" held "$2"
}

# leasable SERVICE: its directory is the proxy's account's to write, as a leased window needs.
leasable() {
	[ "$(id -u)" -ne 0 ] || chown nobody "$S/$1"
}

# writer NAME FIFO: one process that holds it open for writing; NAME.out is not empty from then on.
writer() {
	in_background "$1" open_for_writing "$2"
}

open_for_writing() {
	exec 9>"$1"
	echo open
	exec sleep 600
}

kp() {
	"$KAMAL_PROXY" "$@"
}

# ready SERVICE: until every worker knows a listening socket of it.
ready() {
	kp wait "$1" --ready --timeout 10s
}

# deploy SERVICE: app.sock.new takes over; returns when nothing is left on the old one.
deploy() {
	mv "$S/$1/app.sock.new" "$S/$1/app.sock"
	kp wait "$1" --drained --timeout 20s
}

# get HOST PATH [CURL FLAGS…]
get() {
	local host=$1 path=$2
	shift 2
	curl -sSN --path-as-is --max-time "${MAX_TIME:-20}" -H "Host: $host" "$@" \
		"http://127.0.0.1:$PORT$path"
}

# code HOST PATH [CURL FLAGS…]: the status alone; 000 when no answer came.
code() {
	local host=$1 path=$2
	shift 2
	get "$host" "$path" -o /dev/null -w '%{http_code}' "$@" || :
}

# talk [--hold]: bytes from standard input as they are, everything that comes back.
talk() {
	timeout 60 "$TEST_LOAD" --talk "$@" --url "http://127.0.0.1:$PORT"
}

# typed NAME [--hold]: a talk in the background whose input is what is written to the FIFO "in".
typed() {
	local name=$1
	shift
	mkfifo in
	in_background "$name" sh -c 'exec timeout 60 "$@" <in' sh "$TEST_LOAD" --talk "$@" \
		--url "http://127.0.0.1:$PORT"
}

# bytes FORMAT: a request by hand, its sending half held open; the answer without its CRs.
bytes() {
	# shellcheck disable=SC2059 # the format is the request
	printf "$1" | timeout 20 "$TEST_LOAD" --talk --hold --url "http://127.0.0.1:$PORT" | tr -d '\r'
}

# status_of FORMAT: the status code of the (first) answer to bytes.
status_of() {
	bytes "$1" | sed -n '1s/^HTTP\/1\.[01] \([0-9]*\).*/\1/p'
}

# field SERVICE KEY: a line of the status file.
field() {
	sed -n "s/^$2: *//p" "$T/run/status/$1" 2>/dev/null
}

field_is() {
	[ "$(field "$1" "$2")" = "$3" ]
}

same() {
	[ "$1" = "$2" ] || fail "expected \"$1\", got \"$2\""
}

# contains PART TEXT, lacks PART TEXT: whatever the case, as names of fields have none.
contains() {
	[[ ${2,,} == *"${1,,}"* ]] || fail "expected something with \"$1\", got: $2"
}

lacks() {
	[[ ${2,,} != *"${1,,}"* ]] || fail "expected nothing with \"$1\", got: $2"
}

# begun NAME PATH, ended NAME PATH: how many such requests the app's own log has seen.
begun() {
	grep -c " begin [A-Z]* $2\$" "$T/$1.log" || :
}

begun_is() {
	[ "$(begun "$1" "$2")" -eq "$3" ]
}

# logged JQ-CONDITION: the access log has such a line; it is printed.
logged() {
	[ -f "$T/log/access.log" ] &&
		jq -ce "select(.msg == \"Request\" and ($1))" "$T/log/access.log" 2>/dev/null | grep .
}

# start_load [FLAGS…]: in the background until end_load; result in $RESULT, fails on any loss.
start_load() {
	rm -f "$T/enough"
	background load "$TEST_LOAD" --url "http://127.0.0.1:$PORT${LOAD_PATH:-/}" --until-file \
		"$T/enough" --marks "$T/marks" "$@"
	LOAD_PID=$!
}

end_load() {
	local status=0
	: >"$T/enough"
	wait "$LOAD_PID" || status=$?
	RESULT=$(cat "$T/load.out")
	echo "$RESULT"
	[ "$status" -eq 0 ]
}

# From this moment on, nothing older than VERSION may answer what begins.
mark() {
	echo "$("$TEST_LOAD" --now) $1" >>"$T/marks"
}

# reached NAME PATH COUNT: the app has begun so many.
reached() {
	eventually begun_is "$1" "$2" "$3"
}

# in_background NAME COMMAND…: a client that takes its time; await NAME for its status.
in_background() {
	local name=$1
	shift
	set -m
	"$@" >"$T/$name.out" 2>"$T/$name.err" 3>&- &
	set +m
	GROUPS_STARTED+=("$!")
	JOB[$name]=$!
}

await() {
	wait "${JOB[$1]}"
}

# The most that the workers together have ever had in memory, in kB.
peak() {
	local pid sum=0
	for pid in $(workers); do
		sum=$((sum + $(awk '/VmHWM/ { print $2 }' "/proc/$pid/status")))
	done
	echo "$sum"
}

flat() {
	local limit=20000
	[ -z "$SAN" ] || limit=120000
	echo "peak before $1 kB, after $2 kB"
	[ $(($2 - $1)) -lt "$limit" ]
}

# signal SIGNAL NAME: to all of such a client.
signal() {
	kill "-$1" -- "-${JOB[$2]}"
}

need_root() {
	[ "$(id -u)" -eq 0 ] || skip "needs root"
}
