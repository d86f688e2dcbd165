#!/usr/bin/env bats
# What a held request costs: a connection, and nothing for the wait.
load helper

COUNT=2000

# Proportional set of the one worker, kB.
pss() {
	awk '/^Pss:/ { print $2 }' "/proc/$(workers)/smaps_rollup"
}

@test "2,000 held requests: memory of each" {
	service web
	start_proxy --workers 1
	ready web
	"$TEST_LOAD" --url "http://127.0.0.1:$PORT/" -c 32 -n 2000 --mix get:3,oneshot:1
	before=$(pss)
	pause web
	in_background crowd "$TEST_LOAD" --url "http://127.0.0.1:$PORT/" -c $COUNT -n $COUNT --ok 200
	held web $COUNT
	each=$((($(pss) - before) * 1024 / COUNT))
	echo "# $each bytes a held request, its client's connection included" >&3
	[ -n "$SAN" ] || [ "$each" -lt 8192 ]
	resume web
	await crowd
	contains "requests=$COUNT ok=$COUNT failed=0" "$(cat crowd.out)"
	stop_proxy
}
