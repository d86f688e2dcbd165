#!/usr/bin/env bats
# One JSON object a line, whatever happens.
load helper

@test "the fields of a request's line" {
	service web
	ini web 'hosts = a.org' 'log_request_header = X-Asked, Accept' 'log_response_header = X-Version'
	start_proxy
	ready web
	get a.org '/echo?q=1&r=2' -d 'twelve bytes' -A 'tester/1.0' -H 'Content-Type: text/x-test' \
		-H 'X-Request-ID: id-of-mine' -H 'X-Asked: yes' >/dev/null
	eventually logged '.path == "/echo"'
	line=$(logged '.path == "/echo"')
	jq -e '
		.level == "INFO" and .msg == "Request" and .host == "a.org" and
		(.port | tostring) == "'"$PORT"'" and .request_id == "id-of-mine" and
		.status == 200 and .service == "web" and (.target | test("app.sock")) and
		(.duration | type) == "number" and .duration > 0 and .duration == (.duration | floor) and
		.method == "POST" and .req_content_length == 12 and
		.req_content_type == "text/x-test" and .resp_content_length == 12 and
		.client_addr == "127.0.0.1" and (.client_port | tostring | test("^[0-9]+$")) and
		.remote_addr == "127.0.0.1" and .user_agent == "tester/1.0" and
		.proto == "HTTP/1.1" and .scheme == "http" and .query == "q=1&r=2" and
		.req_x_asked == "yes" and .resp_x_version == "v1" and (.time | type) == "string"
	' <<<"$line" || fail "$line"
	stop_proxy
}

@test "what the client sends cannot break out of its string" {
	service web
	start_proxy
	ready web
	get a.org '/%22%0a?q="' -A $'quo"te\\ back\ttab \xff\xfe raw' >/dev/null
	eventually logged '.status == 404'
	line=$(logged '.status == 404')
	contains 'quo\"te\\ back' "$line"
	same "$(wc -l <log/access.log)" "$(jq -c . log/access.log | wc -l)"
	stop_proxy
}

@test "requests that no service took are logged too" {
	service web
	ini web 'hosts = a.org'
	start_proxy
	ready web
	code nowhere.org /x >/dev/null
	eventually logged '.status == 404 and .host == "nowhere.org"'
	bytes 'BAD\r\n\r\n' >/dev/null || :
	eventually logged '.status == 400'
	stop_proxy
}

@test "every request of a load has its line, whole" {
	service web
	start_proxy
	ready web
	"$TEST_LOAD" --url "http://127.0.0.1:$PORT/" -c 16 -n 5000 --mix get,post,oneshot
	all() { [ "$(wc -l <log/access.log)" -ge 5000 ]; }
	eventually all
	same 5000 "$(jq -c 'select(.status == 200)' log/access.log | wc -l)"
	stop_proxy
}

@test "SIGUSR1 opens the log anew" {
	service web
	start_proxy
	ready web
	get a.org /up >/dev/null
	eventually logged '.path == "/up"'
	mv log/access.log log/old.log
	kill -USR1 "$PROXY"
	eventually test -f log/access.log
	again() { get a.org /count >/dev/null && logged '.path == "/count"'; }
	eventually again
	stop_proxy
}

@test "a reader that stalls never holds up a request; its pipe's flags are left alone" {
	service web
	mkfifo pipe
	exec {READER}<>pipe
	PORT=$(free_port)
	proxy_args
	set -m
	"$KAMAL_PROXY" "${ARGS[@]/"$T/log/access.log"/stdout}" >pipe 2>>proxy.err 3>&- {READER}>&- &
	set +m
	PROXY=$!
	GROUPS_STARTED+=("$PROXY")
	proxy_up
	ready web
	"$TEST_LOAD" --url "http://127.0.0.1:$PORT/" -c 16 -n 3000
	# O_NONBLOCK is 04000: whoever shares this stdout must not find it set.
	same 0 $(($(awk '/^flags:/ { print $2 }' "/proc/$PROXY/fdinfo/1") & 04000))
	in_background drain bash -c "exec $READER>&-; exec cat <pipe"
	get a.org /up >/dev/null
	eventually grep -q '"path":"/up"' drain.out
	exec {READER}>&-
	stop_proxy
	await drain
	same "$(wc -l <drain.out)" "$(jq -c . drain.out | wc -l)"
}

@test "off" {
	service web
	start_proxy --access-log off
	ready web
	get a.org /up >/dev/null
	stop_proxy
	[ ! -s log/access.log ]
	lacks '"path"' "$(cat proxy.out)"
}
