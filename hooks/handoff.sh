#!/bin/sh
# How a service is handed over, for deploy and rollback: . "${0%/*}/handoff.sh"
# In $into lie the live sockets, $targets is a list of those to come. Whatever is killed here leaves
# the old or the new in place, and who calls again goes on from there.
# shellcheck source=hooks/lib.sh
. "${0%/*}/lib.sh"
into='' targets='' force=''

# shown TARGET: by the name that whoever called us knows; rollback has put it aside.
shown() {
	case $1 in
	"$into"/.rollback/*) echo "$into/${1##*/}" ;;
	*) echo "$1" ;;
	esac
}

# why_not SOCKET CODE
why_not() {
	if [ ! -e "$1" ]; then
		echo "there is no socket $(shown "$1")"
	elif is_dead "$1"; then
		echo "nobody listens on $(shown "$1")"
	else
		echo "$(shown "$1") did not answer GET $path with 200 (last: $2)"
	fi
}

# warm_up SOCKET…: until each has answered the health check with exactly 200.
warm_up() {
	limit=$(option_ms deploy_timeout)
	path=$(option health_check_path)
	end=$(($(now_ms) + limit))
	for socket; do
		[ -e "$socket" ] || say "$service: $socket is not there yet; waiting for it" >&2
		until code=$(ask "$socket" "$path") && [ "$code" = 200 ]; do
			[ "$limit" -eq 0 ] || [ "$(now_ms)" -lt "$end" ] ||
				fail 1 "$service: $(why_not "$socket" "$code"), not within $limit ms; \
nothing was changed"
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
			fail 1 "$service: the proxy may not connect to $(shown "$target"): chmod 0666 it, \
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

before() {
	since=$(now_ms)
	requests=$(field requests) errors=$(field errors) cut_off=$(field cut_off)
}

# after TIMEOUT: waits for the drain and says how the handoff went. It has happened: a drain that takes
# longer, or a proxy that died meanwhile, is a warning. False: as things are nobody is served.
after() {
	undone=''
	said=$("$KAMAL_PROXY" wait "$service" --drained --timeout "$1" 2>&1 8<&-) || undone=yes
	said=${said#kamal-proxy: }
	state=$(field state)
	[ "$state" != no-socket ] || [ -n "$undone" ] || state=running
	case $state in
	conflict | invalid | no-socket)
		warn "the sockets are in place ($(live)), but the state is $state: $(field error)"
		return 1
		;;
	esac
	say_counts
	if [ -n "$undone" ]; then
		warn "$(live) is in place, but ${said#"$service: "}; \
keep the old app until: kamal-proxy wait $service --drained"
	else
		say_live
	fi
	case $state in
	paused) say "$service: it is paused: requests are held. To go on: kamal-proxy resume $service" ;;
	stopped) say "$service: it is stopped: users get 503. To go on: kamal-proxy resume $service" ;;
	esac
}

warn() {
	printf 'kamal-proxy: %s: %s\n' "$service" "$1" >&2
}

say_counts() {
	took=$(($(now_ms) - since))
	cut=$(($(field cut_off) - ${cut_off:-0}))
	[ "$cut" -ne 0 ] && cut=", $cut cut off" || cut=
	served=$(($(field requests) - ${requests:-0}))
	failed=$(($(field errors) - ${errors:-0}))
	printf '%s: generation %s, %d requests served during the handoff, %d failed%s, ' \
		"$service" "$(field generation)" "$served" "$failed" "$cut"
	printf '%sdrained in %d.%02d s\n' "${undone:+not }" $((took / 1000)) $((took % 1000 / 10))
}

# live: which target has which name now.
live() {
	n=0 list='' prefix=''
	[ "$into" = "$dir" ] || prefix=rollout/
	for target in $targets; do
		n=$((n + 1))
		name=$(name_of "$target" $n)
		case $target in
		"$into"/.rollback/*) list="$list, $name (which was $name.old)" ;;
		*) list="$list, $prefix$name -> $target" ;;
		esac
	done
	echo "${list#, }"
}

say_live() {
	if [ "$into" != "$dir" ]; then
		say "$service: the canary: $(live); to send it users: kamal-proxy rollout set $service --percent 5"
	elif [ -n "$(sockets "$into" '[!.]*.sock.old')" ]; then
		say "$service: live: $(live); the old version may go \
(back to it, while it runs: kamal-proxy rollback $service)"
	else
		say "$service: live: $(live)"
	fi
}
