#!/usr/bin/env bash
# Runs every fuzz target of the tree, two at once, and writes a table of what
# each did: fuzz.sh FILE [DURATION]. A target that found something keeps its
# input under testdata/fuzz, where the next `go test` runs it again.
set -euo pipefail

file=${1:?usage: fuzz.sh FILE [DURATION]} time=${2:-10m}
logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT
one() {
  log="$3/$(echo "$1" | tr -c 'a-zA-Z0-9\n' _)-$2.log"
  verdict=none
  go test -run '^$' -fuzz "^$2\$" -fuzztime "$4" -parallel 1 "$1" >"$log" 2>&1 || verdict="**$(grep -m1 -E -- '--- FAIL|^panic|FAIL' "$log" || echo failed)**"
  # fuzz: elapsed: 10m0s, execs: 1234 (5/sec), new interesting: 6 (total: 7)
  last=$(grep -E '^fuzz: elapsed: .*execs' "$log" | tail -1)
  figures=$(sed -nE 's/.*elapsed: ([^,]*), execs: ([0-9]+).*new interesting: ([0-9]+).*/\1 | \2 | \3/p' <<<"$last")
  echo "| $1 | $2 | ${figures:-? | ? | ?} | $verdict |" >"$log.row"
}
export -f one
git ls-files '*_test.go' | xargs grep -oE '^func Fuzz[A-Za-z0-9]+' | sed -E 's#^(.*)/[^/]*:func (.*)#./\1 \2#' | sort -u |
  xargs -P 2 -L 1 bash -c 'one "$0" "$1" "'"$logs"'" "'"$time"'"'
{
  printf '%s, %s, %s, %s each\n\n' "$(date -u +%F)" "$(go env GOVERSION)" "$(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -1), $(nproc) processors" "$time"
  printf '| package | target | time | executions | new inputs | findings |\n|---|---|---|---|---|---|\n'
  cat "$logs"/*.row
} >"$file"
! grep -q '\*\*' "$file"
