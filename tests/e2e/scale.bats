#!/usr/bin/env bats
# Ten thousand services: started quickly, routed as fast as one.
load helper

COUNT=10000

@test "10,000 services: under 2 CPU seconds at the start, and routed in constant time" {
	[ -z "$SAN" ] || skip "a sanitizer's time says nothing"
	(cd "$S" && seq -f 'site-%g.example.com' $COUNT | xargs mkdir)
	start_app web "$T/web.sock" v1
	ln -s "$T/web.sock" "$S/site-1.example.com/app.sock"
	ln -s "$T/web.sock" "$S/site-9999.example.com/app.sock"
	start_proxy --workers 1
	WITHIN=20 eventually has_all
	WITHIN=20 eventually ready site-9999.example.com
	used=$(cpu_ms)
	echo "# start: $used ms of CPU time" >&3
	[ "$used" -lt 2000 ]
	same "version v1" "$(get site-1.example.com /)"
	same 404 "$(code site-0.example.com /)"
	first=$(load_p50 site-1.example.com)
	last=$(load_p50 site-9999.example.com)
	echo "p50: first $first us, last $last us"
	[ "$last" -lt $((first * 2 + 100)) ]
	began=$(now_ms)
	mkdir "$S/new.example.org"
	ln -s "$T/web.sock" "$S/new.example.org/app.sock"
	ready new.example.org
	echo "one more: $(($(now_ms) - began)) ms"
	same "version v1" "$(get new.example.org /)"
	stop_proxy
}

has_all() {
	[ "$(find "$T/run/status" -type f | wc -l)" -ge $COUNT ]
}

# Of the master and its worker, user and system time.
cpu_ms() {
	local pid sum=0
	for pid in $PROXY $(workers); do
		sum=$((sum + $(awk '{ print $14 + $15 }' "/proc/$pid/stat") * 10))
	done
	echo "$sum"
}

load_p50() {
	"$TEST_LOAD" --url "http://127.0.0.1:$PORT/" --host "$1" -c 4 -n 2000 --json | jq .p50_us
}
