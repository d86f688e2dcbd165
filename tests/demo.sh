#!/bin/sh
# A site to play with: the proxy on 127.0.0.1:8080 (or $PORT) over a scratch tree, version 1 of a tiny
# app behind it, version 2 warmed up beside it. Ctrl-C ends and removes everything.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
: "${KAMAL_PROXY:=$root/build/kamal-proxy}"
: "${TEST_APP:=$root/build/tests/app}"
: "${PORT:=8080}"
tree=$(mktemp -d /tmp/kamal-proxy-demo.XXXXXX)
pids=

finish() {
	trap - EXIT INT TERM
	# shellcheck disable=SC2086 # a list of pids
	[ -z "$pids" ] || kill $pids 2>/dev/null || :
	wait
	rm -rf "$tree"
}
trap finish EXIT
trap 'exit 0' INT TERM

mkdir -p "$tree/services/demo" "$tree/run" "$tree/state"
chmod 0755 "$tree" "$tree"/*
set -- --services-dir "$tree/services" --runtime-dir "$tree/run" --state-dir "$tree/state" \
	--bind 127.0.0.1 --http-port "$PORT" --https-port 0 --access-log off
if [ "$(id -u)" -eq 0 ]; then
	chown nobody "$tree/run" "$tree/state"
	set -- "$@" --user nobody
fi

"$TEST_APP" --socket "$tree/services/demo/app.sock" --version v1 >"$tree/ready" &
pids=$!
"$TEST_APP" --socket "$tree/services/demo/app.sock.new" --version v2 >"$tree/ready" &
pids="$pids $!"
"$KAMAL_PROXY" run "$@" &
proxy=$!
pids="$pids $proxy"

KAMAL_PROXY_SERVICES_DIR=$tree/services
KAMAL_PROXY_RUNTIME_DIR=$tree/run
export KAMAL_PROXY_SERVICES_DIR KAMAL_PROXY_RUNTIME_DIR
until kill -0 "$proxy" 2>/dev/null && "$KAMAL_PROXY" wait demo --ready --timeout 5s 2>/dev/null; do
	kill -0 "$proxy" 2>/dev/null || wait "$proxy"
done

cat <<TEXT

A site is being served. Open (or curl):

    http://127.0.0.1:$PORT/

Version 1 answers; version 2 is warmed up beside it. Deploy it, from another terminal:

    mv $tree/services/demo/app.sock.new $tree/services/demo/app.sock

and load the page again. What the proxy knows: cat $tree/run/status/demo
Ctrl-C ends it.

TEXT
wait "$proxy"
