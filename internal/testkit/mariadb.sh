#!/bin/sh
# Starts and stops a private MariaDB with stock settings for tests, reachable
# only through a socket in a folder of its own.
#
#   internal/testkit/mariadb.sh start [FOLDER]   prints the folder and the DSN:
#                                                FOLDER root@unix(FOLDER/sock)/
#   internal/testkit/mariadb.sh stop FOLDER      ends that instance by its own
#                                                process id and removes FOLDER
#
# Use it as:
#   set -- $(internal/testkit/mariadb.sh start)
#   GATEHOUSE_TEST_MYSQL=$2 go test ./...; internal/testkit/mariadb.sh stop "$1"
set -eu

fail() {
	echo "mariadb.sh: $*" >&2
	exit 1
}

# The server refuses to run as root unless it is told to.
as_user() {
	if [ "$(id -u)" = 0 ]; then echo --user=root; fi
}

# A folder in memory, if there is room, because tests make many tables and a
# table costs several flushes of the disk.
base() {
	free=$(df -Pk /dev/shm 2>/dev/null | awk 'NR == 2 { print $4 }')
	if [ -z "${TMPDIR:-}" ] && [ -w /dev/shm ] && [ "${free:-0}" -gt 2000000 ]; then
		echo /dev/shm
	else
		echo "${TMPDIR:-/tmp}"
	fi
}

start() {
	dir=${1:-$(mktemp -d "$(base)/gatehouse-mariadb.XXXXXX")}
	mkdir -p "$dir"
	server=$(command -v mariadbd || command -v /usr/sbin/mariadbd) || fail "mariadbd is not installed (Debian: apt-get install mariadb-server)"
	# A path longer than this does not fit into a socket address.
	[ ${#dir} -le 100 ] || fail "the folder name is too long for a socket: $dir"
	# --no-defaults: stock settings, whatever /etc/mysql says.
	mariadb-install-db --no-defaults $(as_user) --datadir="$dir/data" --auth-root-authentication-method=normal \
		--skip-test-db >"$dir/install.log" 2>&1 || fail "mariadb-install-db failed, see $dir/install.log"
	nohup "$server" --no-defaults $(as_user) --datadir="$dir/data" --socket="$dir/sock" --skip-networking \
		--pid-file="$dir/pid" >"$dir/server.log" 2>&1 </dev/null &
	echo $! >"$dir/started"
	tries=0
	until [ -S "$dir/sock" ] && [ -s "$dir/pid" ]; do
		kill -0 "$(cat "$dir/started")" 2>/dev/null || fail "mariadbd ended, see $dir/server.log"
		tries=$((tries + 1))
		[ $tries -le 300 ] || fail "mariadbd does not answer, see $dir/server.log"
		sleep 0.1
	done
	echo "$dir root@unix($dir/sock)/"
}

stop() {
	dir=$1
	[ -f "$dir/started" ] || fail "$dir holds no instance of ours"
	pid=$(cat "$dir/started")
	kill "$pid" 2>/dev/null || true
	tries=0
	while kill -0 "$pid" 2>/dev/null; do
		tries=$((tries + 1))
		if [ $tries -gt 200 ]; then kill -9 "$pid" 2>/dev/null || true; fi
		sleep 0.1
	done
	rm -rf "$dir"
}

case "${1:-}" in
start) start "${2:-}" ;;
stop) stop "${2:?folder}" ;;
*) fail "want start or stop" ;;
esac
