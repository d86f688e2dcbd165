#!/usr/bin/env bats
# The scripts that docs/deploying.md shows, run as they stand there, under a load that loses nothing.
load helper

# What the page takes for granted: kamal-proxy, my-app and my-migrate on the PATH, a home for the app.
stage() {
	mkdir -p "$T/path" "$T/home"
	export BLOG=$T/home TEST_APP SCHEMA=$T/schema PATH=$T/path:$PATH
	printf '#!/bin/sh\nexec "%s" "$@"\n' "$KAMAL_PROXY" >"$T/path/kamal-proxy"
	cat >"$T/path/my-app" <<'APP'
#!/bin/sh
version=${1##*/}
exec "$TEST_APP" --socket "$1" --version "${version%.sock}" </dev/null >/dev/null 2>&1 3>&-
APP
	cat >"$T/path/my-migrate" <<'MIGRATE'
#!/bin/sh
sed -n 's/^state: //p; s/^in_flight: //p' "$KAMAL_PROXY_RUNTIME_DIR/status/blog" | xargs >"$SCHEMA"
MIGRATE
	chmod +x "$T/path"/*
	start_proxy
}

# shown NAME [ARGUMENTS…]: that block of the page, in a group that is ended with what it started.
shown() {
	begin_shown "$@"
	await script
}

begin_shown() {
	local name=$1
	shift
	awk -v mark="<!-- run: $name -->" '
		$0 == mark { found = 1; next }
		found && /^```/ { if (inside) exit; inside = 1; next }
		inside' "$ROOT/docs/deploying.md" >"$T/$name.sh"
	[ -s "$T/$name.sh" ] || fail "no such block: $name"
	in_background script timeout --foreground 60 sh "$T/$name.sh" "$@"
}

serves() {
	same "version $1" "$(get a.org / "${@:2}")"
}

@test "deploy, go back, migrate, canary, promote, replicas" {
	stage
	shown deploy v1
	serves v1
	leasable blog
	start_load -c 8 --think 2 --mix get:6,post:3,oneshot:1
	shown deploy v2
	serves v2
	in_background again "$T/path/my-app" "$BLOG/v1.sock.again"
	answers() { curl -s -o /dev/null --unix-socket "$BLOG/v1.sock.again" http://up/up; }
	eventually answers
	ln -f "$BLOG/v1.sock.again" "$S/blog/app.sock.old"
	shown rollback
	serves v1.sock.again
	shown rollback
	serves v2
	shown migrate v3
	same "paused 0" "$(cat "$SCHEMA")"
	serves v3
	[ ! -e "$S/blog/pause" ]
	shown canary v4
	serves v3
	serves v4 -b kamal-rollout=alice
	shown promote v4
	serves v4
	[ ! -e "$S/blog/rollout.ini" ]
	same "" "$(ls "$S/blog/rollout")"
	same 1 "$(sed '1,/^targets:/d' "$T/run/status/blog" | wc -l)"
	shown replicas v5 3
	[[ $(get a.org /) = "version v5-"[123] ]]
	end_load
	stop_proxy
}

@test "deploy: killed in the drain, no version is ended; a long drain is waited for" {
	stage
	shown deploy v1
	in_background slow get a.org '/slow?ms=3000'
	eventually field_is blog in_flight 1
	begin_shown deploy v2
	draining() { pgrep -g "${JOB[script]}" -f -- '--drained --timeout' >/dev/null; }
	eventually draining
	kill -TERM $(pgrep -g "${JOB[script]}" -f 'hooks/deploy')
	await script && fail "it was killed"
	serves v2
	await slow
	contains "version v1" "$(cat slow.out)"
	same v1 "$(cat "$BLOG/current")"
	stop_proxy
}

@test "deploy: a version without health changes nothing" {
	stage
	shown deploy v1
	kp set blog --deploy-timeout 300ms --health-check-path '/status?code=503'
	run shown deploy v2
	[ "$status" -ne 0 ]
	serves v1
	same v1 "$(cat "$BLOG/current")"
	stop_proxy
}
