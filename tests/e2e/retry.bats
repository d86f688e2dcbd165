#!/usr/bin/env bats
# What is tried again and what is not; the app's own log is the witness.
load helper

@test "a GET whose connection dies without an answer is tried again once" {
	service web v1
	start_proxy
	ready web
	same 502 "$(code a.org /die-before)"
	same 2 "$(begun web /die-before)"
	stop_proxy
}

@test "the second instance answers what the first one dropped" {
	service web v1
	start_proxy
	ready web
	in_background slow get a.org '/slow?ms=60000'
	reached web /slow 1
	start_app web2 "$S/web/app.sock.new" v2
	mv "$S/web/app.sock.new" "$S/web/app.sock"
	ready web
	crash_app web
	reached web2 /slow 1
	signal KILL slow
	stop_proxy
}

@test "a POST of which the app has read something is never sent again" {
	service web v1
	start_proxy
	ready web
	same 502 "$(code a.org /die-before -d body)"
	same 1 "$(begun web /die-before)"
	same 502 "$(code a.org /die-reset -d body)"
	same 1 "$(begun web /die-reset)"
	stop_proxy
}

@test "PUT and DELETE are idempotent, PATCH is not" {
	service web v1
	start_proxy
	ready web
	same 502 "$(code a.org /die-before -X PUT -d body)"
	same 2 "$(begun web /die-before)"
	same 502 "$(code a.org /die-before -X DELETE)"
	same 4 "$(begun web /die-before)"
	same 502 "$(code a.org /die-before -X PATCH -d body)"
	same 5 "$(begun web /die-before)"
	stop_proxy
}

@test "a PUT whose body was too much to keep is not sent again" {
	service web v1
	head -c 5000000 /dev/zero >big
	start_proxy
	ready web
	same 502 "$(code a.org /die-before -T big)"
	same 1 "$(begun web /die-before)"
	stop_proxy
}

@test "after the first byte of an answer nothing is tried again" {
	service web v1
	start_proxy
	ready web
	same 502 "$(code a.org /die-head)"
	same 1 "$(begun web /die-head)"
	run get a.org '/die-mid?n=1000'
	[ "$status" -ne 0 ]
	same 1 "$(begun web /die-mid)"
	run get a.org /die-chunk
	[ "$status" -ne 0 ]
	same 1 "$(begun web /die-chunk)"
	stop_proxy
}

@test "a pooled connection that the app closed meanwhile costs nothing, even for a POST" {
	service web v1
	start_proxy --workers 1
	ready web
	for n in 1 2 3 4 5 6 7 8; do
		same OK "$(get a.org /up)"
		crash_app web
		rm "$S/web/app.sock"
		start_app web "$S/web/app.sock" v1
		same "body $n" "$(get a.org /echo -d "body $n")"
	done
	same 8 "$(begun web /echo)"
	stop_proxy
}

@test "crash in mid-request: only what it had begun and what may not be repeated fails" {
	service web v1
	start_proxy
	ready web
	in_background get get a.org '/slow?ms=1000' -w '%{http_code}'
	in_background post get a.org '/slow?ms=1001' -d body -o /dev/null -w '%{http_code}'
	in_background cut get a.org '/chunked?n=1000&ms=50'
	reached web /slow 2
	reached web /chunked 1
	eventually test -s cut.out
	crash_app web
	start_app web2 "$S/web/app.sock" v2 --unlink-bind
	await get
	same "version v2
200" "$(cat get.out)"
	await post
	same 502 "$(cat post.out)"
	run await cut
	[ "$status" -ne 0 ]
	same 1 "$(grep -c ' begin GET /slow' "$T/web2.log")"
	same 0 "$(grep -c ' begin POST' "$T/web2.log" || :)"
	stop_proxy
}
