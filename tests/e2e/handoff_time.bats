#!/usr/bin/env bats
# How long a handoff takes: from the rename to the first request on the new socket.
load helper

@test "1,000 handoffs: from rename to the first request on the new socket" {
	mkdir -m 0777 "$S/web"
	start_proxy
	times=1000
	[ -z "$SAN" ] || times=200
	RESULT=$("$TEST_LOAD" --swap "$S/web" -n "$times" --url "http://127.0.0.1:$PORT/")
	echo "$RESULT"
	echo "# $RESULT" >&3
	contains "lost=0" "$RESULT"
	median=${RESULT#*p50_us=}
	[ -n "$SAN" ] || [ "${median%% *}" -lt 2000 ]
	stop_proxy
}
