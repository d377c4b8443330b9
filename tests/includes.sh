#!/bin/sh
# The direction of the includes: a room includes only itself and the rooms that its row names. They are in the table of deploy/docs/built.md.
set -eu
cd "$(dirname "$0")/.."

h=handlers
base='server/core db alertmanager'
rooms() {
	cat <<-END
	server/core
	alertmanager    server/core
	db              server/core
	$h/settings     $base
	$h/steps        $base $h/settings
	$h/checks       $base $h/settings $h/steps
	$h/incident     $base $h/settings $h/steps $h/checks
	$h/engine       $base $h/settings $h/steps $h/checks $h/incident
	$h/offline      $base $h/settings $h/steps $h/checks $h/incident
	$h/compare      $base $h/settings $h/steps $h/checks $h/incident
	$h/readiness    $base $h/settings $h/steps $h/checks $h/incident
	$h/gates        $base $h/settings $h/steps $h/checks $h/incident $h/readiness
	$h/plan         $base $h/settings $h/steps $h/checks $h/incident $h/offline $h/compare $h/readiness $h/gates
	$h/notify       $base $h/settings $h/steps $h/checks $h/incident
	$h/reports      $base $h/settings $h/steps $h/checks $h/incident $h/compare $h/readiness $h/gates $h/plan
	$h/api          $base server/web $h/settings $h/steps $h/checks $h/incident $h/engine $h/offline $h/compare $h/readiness $h/gates $h/plan $h/reports $h/notify
	server/web      server/core
	server/http     server/core server/web
	server/auth     server/core server/http server/web $h/settings server/config
	server/config   server/core alertmanager $h/settings $h/notify
	END
}

bad=0
while read -r room below; do
	allowed="$room/"
	for r in $below; do allowed="$allowed|$r/"; done
	found=$(grep -rnE '^#include "' --include='*.[ch]' "$room" | grep -vE "#include \"($allowed)" || true)
	[ -z "$found" ] || { echo "$room may not include this:"; echo "$found"; bad=1; }
done <<END
$(rooms)
END

for room in "$h"/*/ server/*/; do
	rooms | grep -q "^${room%/}\b" || [ "$room" = server/ctl/ ] || { echo "$room has no row in tests/includes.sh"; bad=1; }
done

only() {
	found=$(grep -rlE "#include <$1" --include='*.[ch]' server handlers db alertmanager | grep -vE "$2" || true)
	[ -z "$found" ] || { echo "<$1> belongs to $2 only:"; echo "$found"; bad=1; }
}
only microhttpd.h '^server/http/'
only sqlite3.h '^db/(sqlite|sqlite_log|migrate)\.c'
only curl/ '^server/(core/loop|ctl/)'
only yaml.h '^(handlers/settings|server/(config|auth))/'
only crypt.h '^server/auth/basic\.c$'
only jq.h '^handlers/notify/'
exit $bad
