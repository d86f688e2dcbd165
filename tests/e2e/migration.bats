#!/usr/bin/env bats
# A real change of a real schema under load, in a pause window that its process leases.
load helper

RATE=600
CLIENTS=200

# database_app NAME SOCKET SCHEMA: returns when it answers.
database_app() {
	background "$1" python3 "$ROOT/tests/apps/database_app.py" "$2" "$T/app.db" "$3"
	APP[$1]=$!
	answers() {
		curl -s -o /dev/null --unix-socket "$1" http://warm.up/up
	}
	eventually answers "$2"
}

# seen NAME: how many requests that instance has had. (The database is looked at when all is over: a
# reader's lock may be a failed request.)
seen() {
	wc -l <"$T/$1.out"
}

visits() {
	python3 -c 'import sqlite3, sys
print(sqlite3.connect(sys.argv[1]).execute(sys.argv[2]).fetchone()[0])' "$T/app.db" "$1"
}

# The first version, the proxy with one worker, the load.
begin() {
	mkdir "$S/web"
	leasable web
	python3 "$ROOT/tests/apps/database_migrate.py" "$T/app.db" create
	database_app old "$S/web/app.sock" 1
	start_proxy --workers 1
	ready web
	LOAD_PATH=/ start_load -c $CLIENTS --rate $RATE --numbered --detail --ok 200 --mix get:4,post:1
	served() { [ "$(seen old)" -ge 300 ]; }
	eventually served
}

# in_order NAME FROM: the held ones, one of each client, came to that instance, after FROM others, in the
# order in which they were sent. What meets in one turn of the proxy's loop is of the same moment: 12 are
# sent in 20 ms.
in_order() {
	local late
	late=$(tail -n "+$(($2 + 1))" "$1.out" | sed -n 's|.* /\([0-9]\)|\1|p' | awk -v clients=$CLIENTS '
		NR == 1 { first = $1 }
		$1 >= first + clients { next }
		$1 > most { most = $1 }
		most - $1 > late { late = most - $1 }
		END { print late + 0 }')
	echo "# the one furthest out of order: $late behind a later one" >&3
	[ "$late" -le 12 ]
}

# The loader's answer times, from the moment at which each request should have begun.
print_times() {
	sed -n 's/^\(<=\|status\|requests=\)/# &/p' load.out >&3
}

# Each request was seen by the app exactly once.
once() {
	local sent
	sent=$(sed -n 's/^requests=\([0-9]*\) .*/\1/p' load.out)
	same "$sent" "$(visits 'SELECT count(*) FROM visits')"
	same 0 "$(visits "SELECT count(*) - count(DISTINCT path) FROM visits WHERE path != '/echo'")"
}

migrate_and_deploy() {
	cd "$S/web" || return 1
	mkfifo pause
	exec 9>pause
	[ -p pause ] || return 1
	python3 "$ROOT/tests/apps/database_migrate.py" "$T/app.db" change 3
	mv app.sock.new app.sock
	"$KAMAL_PROXY" wait web --drained
}

@test "a schema change of 3 s under 200 clients: 0 failed, the held ones come in order" {
	begin
	database_app new "$S/web/app.sock.new" 2
	in_background migration migrate_and_deploy
	eventually grep -q changing migration.out
	before=$(seen old)
	held web $CLIENTS
	await migration
	kp wait web --running
	mark v2
	after() { [ "$(seen new)" -ge 3000 ]; }
	eventually after
	end_load >/dev/null
	contains "failed=0" "$RESULT"
	print_times
	in_order new 0
	once
	same "$before" "$(seen old)"
	same "GRACE HOPPER" "$(visits 'SELECT full_name FROM people')"
	same 1 "$(field web generation)"
	stop_proxy
}

migrate_for_long() {
	cd "$S/web" || return 1
	mkfifo pause
	exec 9>pause
	exec python3 "$ROOT/tests/apps/database_migrate.py" "$T/app.db" change 30
}

@test "a migration killed by SIGKILL in the middle: the site resumes before 1 s, 0 failed" {
	begin
	in_background migration migrate_for_long
	eventually grep -q changing migration.out
	held web $CLIENTS
	before=$(seen old)
	from=$("$TEST_LOAD" --now)
	kill -KILL "${JOB[migration]}"
	resumed() { [ "$(seen old)" -ge $((before + 1000)) ]; }
	eventually resumed
	us=$((($(sed -n "$((before + 1))s/ .*//p" old.out) - from) / 1000))
	echo "# kill -9 of the migration to the first request at the app: $us us" >&3
	[ "$us" -lt 1000000 ]
	kp wait web --running
	end_load >/dev/null
	contains "failed=0" "$RESULT"
	print_times
	in_order old "$before"
	once
	same 'Grace Hopper' "$(visits 'SELECT name FROM people')"
	[ ! -e "$S/web/pause" ]
	stop_proxy
}
