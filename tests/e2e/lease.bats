#!/usr/bin/env bats
# A pause window that cannot outlive whoever asked for it: "pause" is a FIFO, and is in force while
# somebody has it open for writing.
load helper

# fifo SERVICE [NAME]: a lease file, unopened.
fifo() {
	leasable "$1"
	mkfifo "$S/$1/${2:-pause}"
}

gone() {
	[ ! -e "$1" ]
}

# opened NAME: until such a writer's open has returned.
opened() {
	eventually test -s "$1.out"
}

# first_us FROM NAME PATH: from that moment (ns) to the first such request at the app.
first_us() {
	local at
	at=$(awk -v path="$3" '/ begin / && $5 == path { print $1; exit }' "$2.log")
	echo $(((at - $1) / 1000))
}

replaced() {
	[ "$(workers | wc -l)" -ge 2 ] && [ -z "$(comm -12 <(workers | sort) <(echo "$before"))" ]
}

@test "the open returns when all hold and nothing is in flight; kill -9 of the writer resumes at once" {
	service web
	start_proxy
	ready web
	in_background slow get a.org '/slow?ms=700'
	reached web /slow 1
	fifo web
	writer hook "$S/web/pause"
	in_background held get a.org /
	opened hook
	grep -q ' end 200' web.log
	same 0 "$(begun web /)"
	same paused "$(field web state)"
	kp wait web --paused
	held web 1
	from=$("$TEST_LOAD" --now)
	kill -KILL "${JOB[hook]}"
	await held
	us=$(first_us "$from" web /)
	echo "# kill -9 of the writer to the first request at the app: $us us" >&3
	[ "$us" -lt 500000 ]
	gone "$S/web/pause"
	await slow
	kp wait web --running
	same - "$(field web pause)"
	grep -q 'web: .*writer' proxy.err
	stop_proxy
}

@test "as long as one worker has not seen it, nothing is paused and no writer's open returns" {
	service web
	start_proxy
	ready web
	victim=$(workers | head -1)
	kill -STOP "$victim"
	fifo web
	writer hook "$S/web/pause"
	run kp wait web --paused --timeout 400ms
	[ "$status" -eq 1 ]
	same "" "$(cat hook.out)"
	same running "$(field web state)"
	kill -CONT "$victim"
	opened hook
	kp wait web --paused
	same paused "$(field web state)"
	kill -STOP "$victim"
	kill -KILL "${JOB[hook]}"
	eventually gone "$S/web/pause"
	run kp wait web --seen --timeout 300ms
	[ "$status" -eq 1 ]
	kill -CONT "$victim"
	kp wait web --running
	stop_proxy
}

@test "a whole pause window in one line of sh" {
	service web
	start_proxy
	ready web
	leasable web
	start_load -c 16 --mix get:3,post:1
	(cd "$S/web" && mkfifo pause && sh -c 'test -p pause && echo ran >ran' 9>pause)
	same ran "$(cat "$S/web/ran")"
	kp wait web --running
	end_load
	gone "$S/web/pause"
	stop_proxy
}

@test "one window after the other under load: nothing lost, none forgotten" {
	service web
	start_proxy
	ready web
	leasable web
	start_load -c 32 --mix get:3,post:2,oneshot:1
	times=25
	[ -z "$TORTURE" ] || times=1000
	for n in $(seq "$times"); do
		(
			cd "$S/web"
			mkfifo pause
			: 9>pause
		)
		WITHIN=3 eventually gone "$S/web/pause"
	done
	kp wait web --running
	end_load
	same "$times" "$(grep -c 'web: pause window of .*writer' proxy.err)"
	stop_proxy
}

@test "SIGHUP, a worker's death and the writer's patience in mid-lease" {
	service web
	start_proxy
	ready web
	fifo web
	writer hook "$S/web/pause"
	opened hook
	before=$(workers | sort)
	kill -HUP "$PROXY"
	eventually replaced
	kp wait web --paused
	kill -KILL "$(workers | head -1)"
	kp wait web --paused
	in_background held get a.org /
	held web 1
	[ -p "$S/web/pause" ]
	same "" "$(cat web.log)"
	kill -KILL "${JOB[hook]}"
	await held
	same "version v1" "$(cat held.out)"
	eventually gone "$S/web/pause"
	stop_proxy
}

@test "a writer that ends in the very middle of an upgrade" {
	service web
	start_proxy
	ready web
	fifo web
	writer hook "$S/web/pause"
	opened hook
	before=$(workers | sort)
	in_background held get a.org /
	held web 1
	kill -HUP "$PROXY"
	kill -KILL "${JOB[hook]}"
	WITHIN=5 eventually gone "$S/web/pause"
	await held
	eventually replaced
	kp wait web --running
	stop_proxy
}

@test "a FIFO that comes in the very middle of an upgrade" {
	service web
	start_proxy
	ready web
	before=$(workers | sort)
	kill -HUP "$PROXY"
	fifo web
	writer hook "$S/web/pause"
	opened hook
	eventually replaced
	kp wait web --paused
	in_background held get a.org /
	held web 1
	kill -KILL "${JOB[hook]}"
	await held
	eventually gone "$S/web/pause"
	stop_proxy
}

@test "the master killed in mid-lease: its workers hold on, its successor keeps the lease" {
	service web
	start_proxy
	ready web
	fifo web
	writer hook "$S/web/pause"
	opened hook
	kill -KILL "$PROXY"
	wait "$PROXY" || :
	in_background orphaned code a.org / --max-time 0.3
	await orphaned || :
	same 000 "$(cat orphaned.out)"
	start_proxy
	serves_again() { [ "$(grep -c 'of workers serves' proxy.err)" -eq 2 ]; }
	eventually serves_again
	kp wait web --paused
	in_background held get a.org /
	held web 1
	same "" "$(cat web.log)"
	kill -KILL "${JOB[hook]}"
	await held
	eventually gone "$S/web/pause"
	stop_proxy
}

@test "a restart of the proxy in mid-lease; a writer that ended meanwhile is noticed" {
	service web
	start_proxy --shutdown-timeout 300ms
	ready web
	fifo web
	writer hook "$S/web/pause"
	opened hook
	stop_proxy
	[ -p "$S/web/pause" ]
	start_proxy
	kp wait web --paused
	in_background held get a.org /
	held web 1
	same "" "$(cat web.log)"
	kill -KILL "${JOB[hook]}"
	await held
	gone "$S/web/pause"
	fifo web
	ini web 'lease_timeout = 500ms'
	writer hook2 "$S/web/pause"
	opened hook2
	stop_proxy
	kill -KILL "${JOB[hook2]}"
	start_proxy
	WITHIN=5 eventually gone "$S/web/pause"
	same "version v1" "$(get a.org /)"
	stop_proxy
}

@test "a FIFO that nobody opens is removed after lease_timeout, and the log says so" {
	service web
	ini web 'lease_timeout = 700ms'
	start_proxy
	ready web
	fifo web
	kp wait web --paused
	began=$(now_ms)
	same "version v1" "$(get a.org /)"
	took=$(($(now_ms) - began))
	[ "$took" -ge 500 ] && [ "$took" -lt 4000 ]
	gone "$S/web/pause"
	contains lease_timeout "$(cat proxy.err)"
	stop_proxy
}

flood() {
	exec 9>"$1"
	echo open
	exec dd if=/dev/zero bs=64k count=4096 >&9
}

@test "two writers: the pause ends with the last one; what they write is ignored" {
	service web
	start_proxy
	ready web
	fifo web
	writer one "$S/web/pause"
	opened one
	in_background two flood "$S/web/pause"
	opened two
	in_background held get a.org /
	held web 1
	kill -KILL "${JOB[one]}"
	await two || :
	await held
	contains "4096+0 records out" "$(cat two.err)"
	gone "$S/web/pause"
	fifo web
	writer one "$S/web/pause"
	writer two "$S/web/pause"
	opened one
	opened two
	kill -KILL "${JOB[two]}"
	kp wait web --paused
	in_background again get a.org /
	held web 1
	[ -p "$S/web/pause" ]
	kill -KILL "${JOB[one]}"
	await again
	gone "$S/web/pause"
	stop_proxy
}

with_child() {
	exec 9>"$1"
	sleep 600 &
	echo open
	exec sleep 500
}

@test "a descriptor that was inherited keeps the window open" {
	service web
	start_proxy
	ready web
	fifo web
	in_background hook with_child "$S/web/pause"
	opened hook
	child=$(pgrep -P "${JOB[hook]}" -x sleep)
	kill -KILL "${JOB[hook]}"
	await hook || :
	in_background held get a.org /
	held web 1
	[ -p "$S/web/pause" ]
	kill -KILL "$child"
	await held
	same "version v1" "$(cat held.out)"
	stop_proxy
}

never_hangs() {
	exec 9<>"$1"
	echo open
	exec sleep 600
}

@test "a writer in another pid namespace, as in a container" {
	unshare --pid --fork true 2>/dev/null || skip "no pid namespaces here"
	service web
	start_proxy
	ready web
	fifo web
	in_background hook unshare --pid --fork sh -c "exec 9>'$S/web/pause'; echo open; exec sleep 600"
	opened hook
	in_background held get a.org /
	held web 1
	signal KILL hook
	await held
	eventually gone "$S/web/pause"
	stop_proxy
}

@test "opened for reading and writing, as by one who must not hang" {
	service web
	start_proxy
	ready web
	fifo web
	in_background hook never_hangs "$S/web/pause"
	opened hook
	kp wait web --paused
	in_background held get a.org /
	held web 1
	signal KILL hook
	await held
	eventually gone "$S/web/pause"
	stop_proxy
}

@test "a regular pause turns into a lease, and a lease into a regular pause" {
	service web
	start_proxy
	pause web 20s
	in_background held get a.org /
	held web 1
	fifo web .lease
	writer hook "$S/web/.lease"
	mv "$S/web/.lease" "$S/web/pause"
	opened hook
	same "" "$(cat web.log)"
	same "$(stat -c '%i %.9Z' "$S/web/pause")" "$(field web pause)"
	put web pause 20s
	kp wait web --paused
	kill -KILL "${JOB[hook]}"
	await hook || :
	kp wait web --paused
	held web 1
	same "20s" "$(cat "$S/web/pause")"
	resume web
	await held
	same 1 "$(begun web /)"
	stop_proxy
}

@test "one FIFO renamed over another: the second writer's window counts" {
	service web
	start_proxy
	ready web
	fifo web
	writer one "$S/web/pause"
	opened one
	fifo web .lease
	writer two "$S/web/.lease"
	mv "$S/web/.lease" "$S/web/pause"
	opened two
	kill -KILL "${JOB[one]}"
	kp wait web --paused
	in_background held get a.org /
	held web 1
	kill -KILL "${JOB[two]}"
	await held
	eventually gone "$S/web/pause"
	stop_proxy
}

@test "a FIFO removed by hand resumes; the writer's end is of no account then" {
	service web
	start_proxy
	ready web
	fifo web
	writer hook "$S/web/pause"
	opened hook
	in_background held get a.org /
	held web 1
	rm "$S/web/pause"
	await held
	pause web 20s
	kill -KILL "${JOB[hook]}"
	await hook || :
	kp wait web --paused
	in_background again get a.org /
	held web 1
	resume web
	await again
	stop_proxy
}

@test "removed before the open: the shell makes a regular file, and a careful script notices" {
	service web
	start_proxy
	ready web
	fifo web
	rm "$S/web/pause"
	(
		cd "$S/web"
		exec 9>pause
		[ ! -p pause ]
	)
	kp wait web --paused
	resume web
	same "version v1" "$(get a.org /)"
	stop_proxy
}

@test "a FIFO that cannot be honoured is refused, and traffic goes on" {
	service web
	start_proxy
	ready web
	leasable web
	mkfifo "$S/web/pause"
	chmod 0200 "$S/web/pause"
	[ "$(id -u)" -eq 0 ] || chmod 0 "$S/web/pause"
	eventually field_is web state invalid
	contains pause "$(field web error)"
	contains ch "$(field web error)"
	same "version v1" "$(get a.org /)"
	run kp wait web --paused --timeout 200ms
	[ "$status" -eq 1 ]
	rm "$S/web/pause"
	kp wait web --running
	mkfifo "$S/web/.lease"
	[ "$(id -u)" -ne 0 ] || chown root "$S/web"
	mv "$S/web/.lease" "$S/web/pause"
	chmod 0555 "$S/web"
	eventually field_is web state invalid
	contains pause "$(field web error)"
	contains ch "$(field web error)"
	same "version v1" "$(get a.org /)"
	chmod 0755 "$S/web"
	leasable web
	kp wait web --paused
	writer hook "$S/web/pause"
	opened hook
	kill -KILL "${JOB[hook]}"
	kp wait web --running
	stop_proxy
}

@test "what is sticky belongs to somebody else: refused as well" {
	need_root
	service web
	start_proxy
	ready web
	chmod 1777 "$S/web"
	mkfifo "$S/web/pause"
	eventually field_is web state invalid
	same "version v1" "$(get a.org /)"
	chown nobody "$S/web/pause"
	kp wait web --paused
	rm "$S/web/pause"
	kp wait web --running
	stop_proxy
}

@test "stop can be leased too" {
	service web
	start_proxy
	ready web
	fifo web stop
	writer hook "$S/web/stop"
	opened hook
	same stopped "$(field web state)"
	same 503 "$(code a.org /)"
	contains maintenance "$(get a.org /)"
	kill -KILL "${JOB[hook]}"
	kp wait web --running
	gone "$S/web/stop"
	same "version v1" "$(get a.org /)"
	stop_proxy
}

@test "both leased: each ends with its own writer" {
	service web
	start_proxy
	ready web
	fifo web
	writer paused "$S/web/pause"
	opened paused
	fifo web stop
	writer stopped "$S/web/stop"
	opened stopped
	same 503 "$(code a.org /)"
	kill -KILL "${JOB[stopped]}"
	eventually gone "$S/web/stop"
	kp wait web --paused
	same paused "$(field web state)"
	in_background held get a.org /
	held web 1
	kill -KILL "${JOB[paused]}"
	await held
	same "version v1" "$(cat held.out)"
	stop_proxy
}

@test "the service removed, or its directory replaced, in mid-lease" {
	service web
	start_proxy
	ready web
	fifo web
	writer hook "$S/web/pause"
	opened hook
	mv "$S/web" "$T/away"
	gone_from_status() { [ ! -e "$T/run/status/web" ]; }
	eventually gone_from_status
	kill -KILL "${JOB[hook]}"
	await hook || :
	[ -p "$T/away/pause" ]
	rm "$T/away/pause"
	mv "$T/away" "$S/web"
	kp wait web --running
	same "version v1" "$(get a.org /)"
	stop_proxy
}

# example LANGUAGE: the program that docs/files.md shows.
example() {
	awk -v mark="<!-- lease: $1 -->" '
		$0 == mark { found = 1; next }
		found && /^```/ { if (inside) exit; inside = 1; next }
		inside' "$ROOT/docs/files.md"
}

# shown LANGUAGE FILE COMMAND…: it is there, runs, and its work is done in a pause window.
shown() {
	local language=$1 file=$2
	shift 2
	service web
	start_proxy
	ready web
	leasable web
	example "$language" >"$file"
	[ -s "$file" ] || fail "docs/files.md has no such example: $language"
	[ "$language" != c ] || "${CC:-cc}" -o example "$file"
	start_load -c 8 --mix get:3,post:1
	timeout 20 "$@" "$S/web"
	[ -e "$S/web/ran" ]
	kp wait web --running
	end_load
	gone "$S/web/pause"
	grep -q 'web: pause window of .*writer' proxy.err
	stop_proxy
}

@test "the example in sh" {
	shown sh example.sh sh example.sh
}

@test "the example in Ruby" {
	shown ruby example.rb ruby example.rb
}

@test "the example in Python" {
	shown python example.py python3 example.py
}

@test "the example in JavaScript" {
	shown node example.js node example.js
}

@test "the example in C" {
	shown c example.c ./example
}

# replace GROUP_DIRECTORY NAME: another instance takes over there, the one before it ends.
replace() {
	local old=${CURRENT[$2]}
	CURRENT[$2]=$2$((++INSTANCE))
	start_app "${CURRENT[$2]}" "$1/.next" v1
	mv "$1/.next" "$1/app.sock"
	kp wait web --drained
	[ -z "$old" ] || stop_app "$old"
}

lease_for_a_moment() {
	rm -f "$S/web/pause"
	mkfifo "$S/web/pause"
	timeout 5 sh -c ": 9>'$S/web/pause'" || :
}

nobodys_lease() {
	rm -f "$S/web/.lease"
	mkfifo "$S/web/.lease"
	mv "$S/web/.lease" "$S/web/pause"
}

@test "everything at once, in no order: nothing lost, nothing left behind" {
	declare -A CURRENT=([main]='' [canary]='')
	INSTANCE=0
	mkdir -p "$S/web/rollout"
	leasable web
	ini web 'lease_timeout = 200ms'
	start_proxy
	replace "$S/web" main
	replace "$S/web/rollout" canary
	ready web
	start_load -c 32 --mix get:3,post:2,oneshot:1 --think 1 --ok 200,503 --detail
	in_background others "$TEST_LOAD" --url "http://127.0.0.1:$PORT/" -c 16 --until-file enough \
		--mix get:3,post:2,oneshot:1 --think 1 --ok 200,503 --field 'Cookie: kamal-rollout=foobar'
	seconds=4
	[ -z "$TORTURE" ] || seconds=120
	RANDOM=${SEED:-7}
	end=$((SECONDS + seconds))
	while [ "$SECONDS" -lt "$end" ]; do
		case $((RANDOM % 14)) in
		0) put web pause ;;
		1) put web pause 20s ;;
		2 | 3) rm -f "$S/web/pause" ;;
		4) put web stop closed ;;
		5 | 6) rm -f "$S/web/stop" ;;
		7) lease_for_a_moment ;;
		8) nobodys_lease ;;
		9) replace "$S/web" main ;;
		10) replace "$S/web/rollout" canary ;;
		11) put web rollout.ini "percent = $((RANDOM % 101))" ;;
		12) kill -HUP "$PROXY" ;;
		13) kp wait web --seen ;;
		esac
		read -rt "0.0$((RANDOM % 9))" -u "$TICK" || :
	done
	resume web
	kp wait web --running
	end_load
	await others
	grep -q 'status 200' load.out
	eventually field_is web held 0
	eventually field_is web in_flight 0
	same 0 "$(field web cut_off)"
	same 200 "$(code a.org /)"
	stop_proxy
}

@test "after the master was killed: no window before the workers that it left behind have finished" {
	service web
	start_proxy
	ready web
	in_background slow get a.org '/slow?ms=2500'
	reached web /slow 1
	kill -KILL "$PROXY"
	wait "$PROXY" || :
	proxy_args
	background proxy "$KAMAL_PROXY" "${ARGS[@]}"
	PROXY=$!
	eventually kp status web
	fifo web
	writer hook "$S/web/pause"
	run kp wait web --paused --timeout 500ms
	[ "$status" -eq 1 ]
	[ ! -s hook.out ]
	opened hook
	grep -q ' end 200' web.log
	await slow
	kp wait web --paused
	kill -KILL "${JOB[hook]}"
	kp wait web --running
	stop_proxy
}

@test "a window that has begun is not broken off by a change of modes" {
	need_root
	service web
	start_proxy
	ready web
	fifo web
	writer hook "$S/web/pause"
	opened hook
	begun_for_a_second() {
		[ "$(stat -c %Z "$S/web/pause")" -lt "$(($(date +%s) - 1))" ]
	}
	eventually begun_for_a_second
	chown root "$S/web"
	chmod 0 "$S/web/pause"
	in_background held get a.org /
	held web 1
	same 0 "$(begun web /)"
	same paused "$(field web state)"
	kill -KILL "${JOB[hook]}"
	eventually grep -q "cannot remove" proxy.err
	rm "$S/web/pause"
	await held
	stop_proxy
}

@test "a writer that died while no master ran does not keep the site paused for lease_timeout" {
	service web
	start_proxy --workers 1
	ready web
	fifo web
	writer hook "$S/web/pause"
	opened hook
	kill -KILL "$PROXY"
	wait "$PROXY" || :
	kill -KILL "${JOB[hook]}"
	proxy_args
	background proxy "$KAMAL_PROXY" "${ARGS[@]}"
	PROXY=$!
	WITHIN=6 eventually gone "$S/web/pause"
	stop_proxy
}
