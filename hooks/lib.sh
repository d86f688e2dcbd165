#!/bin/sh
# What the verbs beside this file share; each begins with: . "${0%/*}/lib.sh"
# A list is lines: unquoted, a variable is split at line ends alone, and nothing is globbed.
set -euf
umask 022
nl='
'
IFS=$nl
verb=${0##*/}

say() {
	printf '%s\n' "$1"
}

# fail CODE MESSAGE: 1 it did not happen, 2 wrong usage.
fail() {
	printf 'kamal-proxy: %s\n' "$2" >&2
	exit "$1"
}

help_if_asked() {
	for arg; do
		case $arg in
		--) return ;;
		-h | --help) usage && exit 0 ;;
		esac
	done
}

# find_service [NAME]: $service, its directory $dir, its status file $status.
find_service() {
	case ${1-} in
	'' | -*) fail 2 "$verb: name a service first, as in: kamal-proxy $verb blog" ;;
	.* | *[!a-z0-9._-]*)
		fail 2 "$verb: '$1' is no service name: those are of a-z 0-9 . _ - and begin with no dot"
		;;
	esac
	service=$1
	dir=$KAMAL_PROXY_SERVICES_DIR/$service
	status=$KAMAL_PROXY_RUNTIME_DIR/status/$service
}

need_service() {
	[ -d "$dir" ] || fail 1 "there is no service $service: $dir does not exist"
}

is_running() {
	[ "${KAMAL_PROXY_RUNNING-}" = yes ]
}

need_proxy() {
	is_running ||
		fail 1 "kamal-proxy is not running (nobody holds $KAMAL_PROXY_RUNTIME_DIR/lock); \
start it: kamal-proxy run"
}

# need_write DIRECTORY: said before a tool would say it in words of its own.
need_write() {
	[ ! -r "$1" ] || [ ! -w "$1" ] || [ ! -x "$1" ] || return 0
	me=$(id -un 2>/dev/null) || me="uid $(id -u)"
	owner=$(stat -c %U "$1")
	fail 1 "$service: $me may not write to $1 (mode $(stat -c %a "$1"), of $owner); nothing was \
changed. Do it as $owner, or as root give it to a group of $me: chgrp $(id -gn 2>/dev/null || id -g) \
$1 && chmod g+rwx $1"
}

# ms_of DURATION: nothing when it is none.
ms_of() {
	case $1 in
	*ms) number=${1%ms} factor=1 ;;
	*s) number=${1%s} factor=1000 ;;
	*m) number=${1%m} factor=60000 ;;
	*h) number=${1%h} factor=3600000 ;;
	*) return ;;
	esac
	case $number in
	'' | *[!0-9]*) ;;
	*) echo $((number * factor)) ;;
	esac
}

need_duration() {
	[ -n "$(ms_of "$2")" ] || fail 2 "$verb: $1 $2 is no duration; write 500ms, 30s, 5m"
}

now_ms() {
	IFS=' ' read -r uptime _ </proc/uptime
	echo $((${uptime%.*} * 1000 + 1${uptime#*.}0 - 1000))
}

# proxy_may_write FILE: the proxy has an account of its own. What that may not write to it cannot
# connect to, and from such a directory it removes nothing. As root we ask in its place; else the
# mode has to tell.
proxy_may_write() {
	lock=$KAMAL_PROXY_RUNTIME_DIR/lock
	user=$(stat -c %u "$lock")
	if [ "$user" -eq 0 ] || [ "$user" -eq "$(id -u)" ]; then
		[ -w "$1" ]
	elif [ "$(id -u)" -eq 0 ]; then
		getent passwd "$user" >/dev/null && groups=--init-groups || groups=--clear-groups
		setpriv --reuid "$user" --regid "$(stat -c %g "$lock")" "$groups" test -w "$1"
	else
		case $(stat -L -c %a "$1") in
		*[2367]) ;;
		*[2367]?) id -G "$user" | tr ' ' '\n' | grep -qx "$(stat -L -c %g "$1")" ;;
		*) [ "$(stat -L -c %u "$1")" -eq "$user" ] ;;
		esac
	fi
}

# One deploy, rollback, prune or remove at a time. The lock is on the directory itself, so that
# whoever is killed leaves nothing behind. False: the directory was replaced while we waited.
lock() {
	exec 8<&-
	command exec 8<"$1" || return
	flock -n 8 || {
		say "$service: somebody else is at work on it; waiting for them" >&2
		flock 8
	}
	same /proc/self/fd/8 "$1"
}

lock_service() {
	need_write "$dir"
	until lock "$dir"; do
		need_service
		need_write "$dir"
	done
}

# same A B: the same inode, links followed.
same() {
	# shellcheck disable=SC3013 # POSIX has it since 2024, every sh before that
	[ "$1" -ef "$2" ]
}

# door_refused NAME: that FIFO is there, but the proxy does not honour it and holds nobody.
door_refused() {
	is_running && [ "$(field state) $(field "$1")" = 'invalid -' ]
}

# A line of the status file, or of what `set --dry-run` printed into $options.
field() {
	sed -n "s/^$1: *//p" "$status" 2>/dev/null || :
}

option() {
	printf '%s\n' "$options" | sed -n "s/^$1 = //p"
}

option_ms() {
	ms=$(option "$1")
	echo "${ms%ms}"
}

# The service's options as they will be with these flags; a wrong one ends the verb.
read_options() {
	options=$("$KAMAL_PROXY" set "$service" --dry-run "$@" 2>&1) || {
		code=$?
		printf '%s\n' "$options" |
			sed "s|: set: name one.*|: $verb: one service, as in: ${example-}|" >&2
		exit "$code"
	}
	host=$(option health_check_host)
	[ -n "$host" ] ||
		host=$(option hosts | tr -d ' ' | tr ',' '\n' | grep -v '[*]' | head -n 1) || :
	[ -n "$host" ] || host=$service
	proto=http
	[ "$(option tls)" != true ] || proto=https
}

# What is in flight is cut off after drain_timeout: somewhat longer than that.
drain_limit() {
	ms=$(option_ms drain_timeout)
	[ "$ms" -gt 0 ] || ms=3600000
	echo "$((ms + 10000))ms"
}

# sockets DIRECTORY PATTERN: their paths.
sockets() {
	find "$1" -mindepth 1 -maxdepth 1 -name "$2" 2>/dev/null | sort
}

# ask SOCKET PATH: the status of the answer to one request as the proxy would send it; 000: none.
# From within its directory, since a socket's path must be short.
ask() (
	cd -- "${1%/*}" && exec 8<&- && curl -qs --noproxy '*' --path-as-is --max-time 5 \
		-o /dev/null -w '%{http_code}' --unix-socket "./${1##*/}" -H "Host: $host" \
		-H "X-Forwarded-Proto: $proto" "http://localhost$2"
) || :

# Does it certainly lead nowhere, or refuse? Connects, says nothing, and leaves. 7: refused; all
# else, a full backlog for one, may mean that somebody is there.
is_dead() {
	if [ ! -e "$1" ]; then
		[ -L "$1" ] && LC_ALL=C stat -L -- "$1" 2>&1 | grep -q ': No such file'
		return
	fi
	[ -S "$1" ] && [ -w "$1" ] || return
	refused=0
	(cd -- "${1%/*}" && exec curl -qs --max-time 0.3 --unix-socket "./${1##*/}" \
		telnet://localhost </dev/null >/dev/null 8<&-) || refused=$?
	[ "$refused" -eq 7 ]
}
