#!/bin/sh
# Installs the Debian packages named as arguments that are missing. Needs root (or sudo) only when one is.
set -eu

missing=
for p in "$@"; do
	dpkg-query -W -f='${db:Status-Status}' "$p" 2>/dev/null | grep -qx installed || missing="$missing $p"
done
[ -n "$missing" ] || exit 0

as_root=
[ "$(id -u)" -eq 0 ] || as_root=sudo
echo "installing:$missing"
export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086 # a list of package names
$as_root apt-get install -y -q --no-install-recommends $missing >/dev/null 2>&1 || {
	$as_root apt-get update -q
	$as_root apt-get install -y -q --no-install-recommends $missing
}
