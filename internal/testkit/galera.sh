#!/bin/sh
# Starts and stops a private MariaDB Galera cluster of three nodes for proofs.
# Clients reach the nodes through sockets in a folder; among themselves the
# nodes talk on free ports of the loopback address.
#
#   internal/testkit/galera.sh start          prints the folder and three DSNs
#   internal/testkit/galera.sh stop FOLDER    ends those three by their own
#                                             process ids and removes FOLDER
#   internal/testkit/galera.sh again FOLDER N starts node N again, which a proof
#                                             has killed, and waits until it is
#                                             one of the cluster
set -eu

nodes="1 2 3"

fail() {
	echo "galera.sh: $*" >&2
	exit 1
}

# Under root the nodes run as the user of the package: rsync, with which a node
# copies itself to a new one, gives root's rights away and could not write.
as_user() {
	if [ "$(id -u)" = 0 ]; then echo --user=mysql; fi
}

provider() {
	for f in /usr/lib/galera/libgalera_smm.so /usr/lib64/galera-4/libgalera_smm.so /usr/lib64/galera/libgalera_smm.so; do
		if [ -r "$f" ]; then
			echo "$f"
			return
		fi
	done
	fail "Galera is not installed: the proof on three nodes cannot run (Debian: apt-get install galera-4 rsync)"
}

# A block of ports on which nobody listens.
ports() {
	p=$((20000 + $$ % 8000))
	while :; do
		busy=
		for i in 0 1 2 3 4 5 6 7 8 9 10 11; do
			if grep -qi ":$(printf %04X $((p + i))) " /proc/net/tcp; then busy=1; fi
		done
		[ -n "$busy" ] || break
		p=$((p + 17))
	done
	echo "$p"
}

# run_node FOLDER NUMBER FIRST-PORT [--wsrep-new-cluster]
run_node() {
	dir=$1/node$2
	listen=$(($3 + 3 * $2 - 3))
	shift 3
	if [ ! -d "$dir/data" ]; then
		mariadb-install-db --no-defaults $(as_user) --datadir="$dir/data" --auth-root-authentication-method=normal \
			--skip-test-db >"$dir/install.log" 2>&1 || fail "mariadb-install-db failed, see $dir/install.log"
	fi
	nohup "$server" --no-defaults $(as_user) --datadir="$dir/data" --socket="$dir/sock" --skip-networking --pid-file="$dir/pid" \
		--default-storage-engine=InnoDB --binlog-format=ROW --innodb-autoinc-lock-mode=2 --innodb-buffer-pool-size=64M \
		--wsrep-on=ON --wsrep-provider="$library" --wsrep-cluster-name="gatehouse-$first" --wsrep-cluster-address="gcomm://$peers" \
		--wsrep-node-name="node$listen" --wsrep-node-address="127.0.0.1:$listen" --wsrep-sst-method=rsync \
		--wsrep-sst-receive-address="127.0.0.1:$((listen + 2))" --wsrep-slave-threads=2 \
		--wsrep-provider-options="base_host=127.0.0.1;base_port=$listen;gmcast.listen_addr=tcp://127.0.0.1:$listen;ist.recv_addr=127.0.0.1:$((listen + 1));gcache.size=64M;evs.keepalive_period=PT0.5S;evs.suspect_timeout=PT2S;evs.inactive_timeout=PT4S;evs.inactive_check_period=PT0.5S" \
		"$@" >"$dir/server.log" 2>&1 </dev/null &
	echo $! >"$dir/started"
	tries=0
	until synced "$dir"; do
		tries=$((tries + 1))
		if [ $tries -gt 600 ] || ! kill -0 "$(cat "$dir/started")" 2>/dev/null; then
			grep -E "ERROR|SST" "$dir/server.log" | tail -n 20 >&2
			fail "a node did not join"
		fi
		sleep 0.1
	done
}

synced() {
	[ -S "$1/sock" ] && mariadb --no-defaults -uroot --socket="$1/sock" -Ne "SHOW STATUS LIKE 'wsrep_local_state_comment'" 2>/dev/null |
		grep -q Synced
}

again() {
	library=$(provider)
	server=$(command -v mariadbd || command -v /usr/sbin/mariadbd) || fail "mariadbd is not installed"
	first=$(cat "$1/first")
	peers="127.0.0.1:$first,127.0.0.1:$((first + 3)),127.0.0.1:$((first + 6))"
	rm -f "$1/node$2/sock"
	run_node "$1" "$2" "$first"
}

start() {
	library=$(provider)
	command -v rsync >/dev/null || fail "rsync is not installed, which nodes copy themselves with (Debian: apt-get install rsync)"
	server=$(command -v mariadbd || command -v /usr/sbin/mariadbd) || fail "mariadbd is not installed"
	base=/tmp
	if [ -w /dev/shm ] && [ "$(df -Pk /dev/shm | awk 'NR == 2 { print $4 }')" -gt 4000000 ]; then base=/dev/shm; fi
	dir0=$(mktemp -d "$base/gatehouse-galera.XXXXXX")
	trap 'stop "$dir0"' EXIT
	first=$(ports)
	echo "$first" >"$dir0/first"
	peers="127.0.0.1:$first,127.0.0.1:$((first + 3)),127.0.0.1:$((first + 6))"
	for n in $nodes; do mkdir -p "$dir0/node$n"; done
	if [ "$(id -u)" = 0 ]; then chown -R mysql "$dir0"; fi
	run_node "$dir0" 1 "$first" --wsrep-new-cluster
	run_node "$dir0" 2 "$first"
	run_node "$dir0" 3 "$first"
	trap - EXIT
	echo "$dir0 root@unix($dir0/node1/sock)/ root@unix($dir0/node2/sock)/ root@unix($dir0/node3/sock)/"
}

stop() {
	for n in 3 2 1; do
		[ -f "$1/node$n/started" ] || continue
		pid=$(cat "$1/node$n/started")
		kill "$pid" 2>/dev/null || continue
		tries=0
		while kill -0 "$pid" 2>/dev/null; do
			tries=$((tries + 1))
			if [ $tries -gt 200 ]; then kill -9 "$pid" 2>/dev/null || true; fi
			sleep 0.1
		done
	done
	rm -rf "$1"
}

case "${1:-}" in
start) start ;;
again) again "${2:?folder}" "${3:?number}" ;;
stop)
	[ -d "${2:?folder}/node1" ] || fail "$2 holds no cluster of ours"
	stop "$2"
	;;
*) fail "want start, stop or again" ;;
esac
