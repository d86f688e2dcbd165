#!/bin/sh
# How a service is handed over, for deploy and rollback: . "${0%/*}/handoff.sh"
# In $into lie the live sockets, $targets is a list of those to come. Whatever is killed here leaves
# the old or the new in place, and who calls again goes on from there.
# shellcheck source=hooks/lib.sh
. "${0%/*}/lib.sh"
into='' targets='' force=''

# warm_up SOCKET…: until each has answered the health check with exactly 200.
warm_up() {
	limit=$(option_ms deploy_timeout)
	path=$(option health_check_path)
	end=$(($(now_ms) + limit))
	for socket; do
		[ -e "$socket" ] || say "$service: $socket is not there yet; waiting for it" >&2
		until code=$(ask "$socket" "$path") && [ "$code" = 200 ]; do
			[ "$limit" -eq 0 ] || [ "$(now_ms)" -lt "$end" ] ||
				fail 1 "$service: $socket did not answer GET $path with 200 \
within $limit ms (last: $code); nothing was changed"
			sleep 0.1
		done
	done
}

# name_of TARGET N: app.sock, app-2.sock …; an old one gets the name back that it had.
name_of() {
	case $1 in
	"$into"/.rollback/*.old) basename -- "$1" .old ;;
	*) [ "$2" -gt 1 ] && echo "app-$2.sock" || echo app.sock ;;
	esac
}

is_ours() {
	same "${1%/*}" "$into" || [ "${1%/*}" = "$into/.rollback" ]
}

# stage TARGET NAME: $staged is what it is called where one rename makes it live. Not a copying mv,
# which would leave a socket that nobody listens on. The name that it has in the service's directory
# goes at the very end; where linking is not permitted it is what will be renamed.
stage() {
	staged=$into/.$2.new.$$
	if is_ours "$1"; then
		ln -T -- "$1" "$staged" 2>/dev/null || staged=$1
		return
	fi
	real=$(readlink -f -- "$1")
	ln -T -- "$real" "$staged" 2>/dev/null || ln -s -T -- "$real" "$staged" ||
		fail 1 "$service: cannot write to $into; nothing was changed"
}

unstage() {
	for temporary in $(sockets "$into" '.*.sock.new.*'); do
		rm -f -- "$temporary"
	done
}

# One that is live already is left where it is: renaming one link over another does nothing.
stage_all() {
	n=0 again='' stages='' names=''
	for target in $targets; do
		n=$((n + 1))
		name=$(name_of "$target" $n)
		names=$names$name$nl
		if same "$target" "$into/$name"; then
			again=yes
			say "$service: $target is live already as $name"
			continue
		fi
		stage "$target" "$name"
		[ -n "$force" ] || proxy_may_write "$staged" ||
			fail 1 "$service: the proxy may not connect to $target: chmod 0666 it, \
and let the proxy enter its directory; nothing was changed"
		stages=$stages$name/$staged$nl
	done
}

# Those before are kept as NAME.old until the next handoff; one that goes on from where another was
# killed has kept them already.
go_live() {
	for old in $(sockets "$into" '[!.]*.sock.old'); do
		[ -n "$again" ] || [ -e "${old%.old}" ] || rm -f -- "$old"
	done
	for pair in $stages; do
		live=$into/${pair%%/*}
		keep "$live"
		mv -fT -- "${pair#*/}" "$live"
	done
	for live in $(sockets "$into" '[!.]*.sock'); do
		is_new "${live##*/}" || retire "$live"
	done
}

keep() {
	[ -e "$1" ] || [ -L "$1" ] || return 0
	same "$1" "$1.old" || ln -fT -- "$1" "$1.old" 2>/dev/null || mv -fT -- "$1" "$1.old"
}

is_new() {
	for name in $names; do
		[ "$1" != "$name" ] || return 0
	done
	return 1
}

# A surplus one; if it is a second name of a new one, only the name is.
retire() {
	for name in $names; do
		same "$1" "$into/$name" || continue
		rm -f -- "$1"
		return
	done
	mv -fT -- "$1" "$1.old"
}

forget_own_names() {
	for target in $targets; do
		is_new "${target##*/}" || ! is_ours "$target" || rm -f -- "$target"
	done
}

# before … after TIMEOUT: waits for the drain and says in one line how the handoff went.
before() {
	since=$(now_ms)
	requests=$(field requests) errors=$(field errors) cut_off=$(field cut_off)
}

after() {
	"$KAMAL_PROXY" wait "$service" --drained --timeout "$1" 8<&- ||
		fail 1 "$service: the new sockets are in place in $into, but see above"
	took=$(($(now_ms) - since))
	cut=$(($(field cut_off) - ${cut_off:-0}))
	[ "$cut" -ne 0 ] && cut=", $cut cut off" || cut=
	served=$(($(field requests) - ${requests:-0}))
	failed=$(($(field errors) - ${errors:-0}))
	printf '%s: generation %s, %d requests served during the handoff, %d failed%s, ' \
		"$service" "$(field generation)" "$served" "$failed" "$cut"
	printf 'drained in %d.%02d s\n' $((took / 1000)) $((took % 1000 / 10))
}

# What is left on replaced sockets is cut off after drain_timeout: somewhat longer than that.
drain_limit() {
	ms=$(option_ms drain_timeout)
	[ "$ms" -gt 0 ] || ms=3600000
	echo "$((ms + 10000))ms"
}
