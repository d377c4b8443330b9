#!/bin/bash
# Ends what demo.sh started and wrote down (a process that merely has one of these numbers today is left alone).
set -euo pipefail

pids=${1:-$(dirname "$0")/../../build/demo/pids}
[ -e "$pids" ] || exit 0

# Prints the start time of a live process, field 22 of its stat; the second field may hold blanks.
born() {
	local stat fields
	stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 0
	read -ra fields <<<"${stat##*) }"
	[ "${fields[0]}" = Z ] || echo "${fields[19]}"
}

signal_all() {
	local name pid start left=1
	while read -r name pid start; do
		[ "$(born "$pid")" = "$start" ] || continue
		left=0
		kill "-$1" "$pid" 2>/dev/null || true
		[ "$1" != KILL ] || echo "$name ($pid) had to be killed" >&2
	done <"$pids"
	return $left
}

signal_all TERM || { rm -f "$pids"; exit 0; }
for ((i = 0; i < 100; i++)); do
	sleep 0.1
	signal_all 0 || { rm -f "$pids"; exit 0; }
done
signal_all KILL || true
rm -f "$pids"
