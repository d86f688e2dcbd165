#!/usr/bin/env bats
# Which service a request goes to.
load helper

@test "exact host, then the longest wildcard, then the catch-all" {
	service any v1
	service wide v2
	service narrow v3
	service exact v4
	ini wide 'hosts = *.example.com'
	ini narrow 'hosts = *.eu.example.com'
	ini exact 'hosts = shop.eu.example.com'
	start_proxy
	same "version v1" "$(get other.org /)"
	same "version v1" "$(get example.com /)"
	same "version v2" "$(get www.example.com /)"
	same "version v2" "$(get a.b.example.com /)"
	same "version v3" "$(get www.eu.example.com /)"
	same "version v3" "$(get a.b.eu.example.com /)"
	same "version v4" "$(get shop.eu.example.com /)"
	stop_proxy
}

@test "the directory's name is the host when it has a dot in it" {
	service blog.example.com v1
	start_proxy
	same "version v1" "$(get blog.example.com /)"
	same 404 "$(code other.example.com /)"
	stop_proxy
}

@test "hosts are compared in lower case, without port and trailing dot" {
	service web
	ini web 'hosts = Shop.Example.com'
	start_proxy
	for host in shop.example.com SHOP.example.COM shop.example.com:8080 shop.example.com. \
		shop.example.com.:80; do
		same "version v1" "$(get "$host" /)"
	done
	same 404 "$(code shop.example.com.evil.org /)"
	stop_proxy
}

@test "the hosts file adds names, wildcards too; comments are left out" {
	service web
	ini web 'hosts = first.org'
	printf '# customers\nsecond.org\n\n  third.org  # soon\n*.fourth.org\n' >"$S/web/hosts"
	start_proxy
	for host in first.org second.org third.org a.fourth.org; do
		same "version v1" "$(get $host /)"
	done
	same 404 "$(code fifth.org /)"
	stop_proxy
}

@test "a list of hosts in service.ini" {
	service web
	ini web 'hosts = a.org, b.org,*.c.org'
	start_proxy
	for host in a.org b.org x.c.org; do
		same "version v1" "$(get $host /)"
	done
	stop_proxy
}

@test "the longest path prefix, on a segment's boundary; stripped by default" {
	service root v1
	service api v2
	service apiv2 v3
	ini root 'hosts = a.org'
	ini api 'hosts = a.org' 'path_prefix = /api'
	ini apiv2 'hosts = a.org' 'path_prefix = /api/v2'
	start_proxy
	same "version v1" "$(get a.org /)"
	same "version v2" "$(get a.org /api)"
	same "version v2" "$(get a.org /api/)"
	same "version v2" "$(get a.org '/api?x=1')"
	same "version v3" "$(get a.org /api/v2/)"
	same 404 "$(code a.org /apiary)"
	contains "GET /headers?q=/api HTTP/1.1" "$(get a.org '/api/headers?q=/api')"
	same 1 "$(begun root /apiary)"
	stop_proxy
}

@test "strip_path_prefix = false leaves the path as it came" {
	service api
	ini api 'path_prefix = /up' 'strip_path_prefix = false'
	start_proxy
	same OK "$(get a.org /up)"
	same 404 "$(code a.org /)"
	same 1 "$(begun api /up)"
	stop_proxy
}

@test "several prefixes of one service" {
	service web
	ini web 'path_prefix = /one, /two'
	start_proxy
	same "version v1" "$(get a.org /one)"
	same "version v1" "$(get a.org /two/)"
	same 404 "$(code a.org /three)"
	stop_proxy
}

@test "no service for a host: 404" {
	service web
	ini web 'hosts = a.org'
	start_proxy
	same 404 "$(code b.org /)"
	stop_proxy
}

@test "a target with its authority in it is routed by that" {
	service a v1
	service b v2
	ini a 'hosts = a.org'
	ini b 'hosts = b.org'
	start_proxy
	contains "version v2" "$(bytes 'GET http://b.org/ HTTP/1.1\r\nHost: b.org\r\nConnection: close\r\n\r\n')"
	stop_proxy
}

@test "two services claim one host: the older has it, the other says what to write" {
	service old v1
	ini old 'hosts = a.org'
	touch -d '1 hour ago' "$S/old/service.ini"
	service new v2
	ini new 'hosts = a.org'
	start_proxy
	ready old
	same "version v1" "$(get a.org /)"
	eventually field_is new state conflict
	field_is old state running
	contains old "$(field new error)"
	run kp check
	[ "$status" -eq 1 ]
	contains new "$output"
	stop_app old
	rm -r "$S/old"
	eventually field_is new state running
	# Each worker gives a vanished directory its own moment to come back.
	taken_over() { [ "$(get a.org /)" = "version v2" ]; }
	eventually taken_over
	stop_proxy
}
