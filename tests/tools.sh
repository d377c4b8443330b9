#!/bin/bash
# tools.sh DIR [SUITE]: Debian's Prometheus and Alertmanager, unpacked below DIR and not installed, so that no service starts.
# Afterwards DIR/usr/bin has prometheus, promtool, prometheus-alertmanager and amtool. SUITE names another Debian than the one that runs
# here (bookworm, trixie, forky): its package lists are kept below DIR, and nothing of this machine's apt changes.
set -euo pipefail

# PACKAGES and PROGRAMS name others, with blanks between.
read -ra packages <<<"${PACKAGES:-prometheus prometheus-alertmanager}"
read -ra programs <<<"${PROGRAMS:-prometheus promtool prometheus-alertmanager amtool}"

[ $# -eq 1 ] || [ $# -eq 2 ] || { echo "usage: $0 DIR [SUITE]" >&2; exit 2; }
suite=${2-}
mkdir -p "$1"
dir=$(cd "$1" && pwd)
stamp=$dir/.unpacked

die() {
	echo "tools.sh: $*" >&2
	exit 1
}

complete() {
	local p
	for p in "${programs[@]}"; do
		[ -x "$dir/usr/bin/$p" ] || return 1
	done
}

# apt's options: for another suite a state of its own.
apt=()
use_suite() {
	mkdir -p "$dir/apt/lists/partial" "$dir/apt/cache/archives/partial"
	echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian $suite main" >"$dir/apt/sources.list"
	: >"$dir/apt/status"
	apt=(-o "Dir::Etc::SourceList=$dir/apt/sources.list" -o Dir::Etc::SourceParts=/dev/null -o Dir::Etc::Preferences=/dev/null
		-o Dir::Etc::PreferencesParts=/dev/null -o "Dir::State::Lists=$dir/apt/lists" -o "Dir::State::status=$dir/apt/status"
		-o "Dir::Cache=$dir/apt/cache" -o APT::Sandbox::User=root)
}

# Only the names and checksums of packages: nothing is installed.
update_lists() {
	echo "updating the package lists"
	if [ -n "$suite" ]; then
		apt-get "${apt[@]}" update -qq
	elif [ "$(id -u)" -eq 0 ]; then
		apt-get update -qq
	elif command -v sudo >/dev/null; then
		sudo apt-get update -qq
	else
		die "the package lists are empty or old, and updating them needs root: run 'apt-get update' as root, then try again"
	fi
}

download() {
	local sandbox=()
	[ "$(id -u)" -ne 0 ] || sandbox=(-o APT::Sandbox::User=root) # apt's own user may not enter our directory
	# From Debian 13 on promtool is a package of its own.
	[ -n "${PACKAGES-}" ] || [ -z "$(apt-cache "${apt[@]}" pkgnames promtool)" ] || packages=(prometheus prometheus-alertmanager promtool)
	(cd "$dir/deb" && apt-get -qq "${apt[@]}" "${sandbox[@]}" download "${packages[@]}")
}

# Debian's Alertmanager reads its default template and its page from a fixed directory below /usr/share. So that it finds
# ours instead of needing an installation, that name becomes one of the same length: file descriptor 9, which a
# wrapper of the program's own name opens on our directory. Nothing else of the program changes.
relocate_alertmanager() {
	local from=/usr/share/prometheus/alertmanager to=/proc/self/fd/9///////////////////
	local program=$dir/usr/bin/prometheus-alertmanager

	[ ${#from} -eq ${#to} ] || die "two names of different length"
	[ -x "$program" ] || return 0
	grep -qaF "$from" "$program" || return 0 # a later package that does not need it
	mkdir -p "$dir/usr/libexec"
	LC_ALL=C sed "s#$from#$to#g" "$program" >"$dir/usr/libexec/prometheus-alertmanager"
	chmod +x "$dir/usr/libexec/prometheus-alertmanager"
	rm "$program"
	cat >"$program" <<-'EOF2'
		#!/bin/sh
		usr=$(dirname "$(dirname "$(readlink -f "$0")")")
		exec 9<"$usr/share/prometheus/alertmanager"
		exec "$usr/libexec/prometheus-alertmanager" "$@"
	EOF2
	chmod +x "$program"
}

check_libraries() {
	local p missing
	for p in "${programs[@]}"; do
		missing=$(ldd "$dir/usr/bin/$p" 2>/dev/null | awk '/not found/ { print $1 }' | sort -u | paste -sd ' ')
		[ -z "$missing" ] || die "$p cannot run here, these libraries are missing: $missing"
	done
}

if [ -e "$stamp" ] && complete; then
	exit 0
fi

exec 9>"$dir/.lock"
flock -w 300 9 || die "another tools.sh works in $dir and does not come to an end"
if [ -e "$stamp" ] && complete; then
	exit 0
fi
rm -rf "$dir/deb"
mkdir "$dir/deb"
[ -z "$suite" ] || use_suite
echo "fetching ${packages[*]}${suite:+ of $suite} (unpacked below $dir, not installed)"
# The first try fails on a machine whose lists are empty, or too old for what the mirror still has.
if ! download 2>"$dir/deb/why"; then
	update_lists
	download || die "cannot download ${packages[*]}"
fi
for deb in "$dir"/deb/*.deb; do
	dpkg -x "$deb" "$dir"
done
rm -rf "$dir/deb" "$dir/apt"
complete || die "the packages do not hold all of: ${programs[*]}"
check_libraries
relocate_alertmanager
touch "$stamp"
