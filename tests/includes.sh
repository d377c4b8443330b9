#!/bin/sh
# The direction of the includes: a folder includes only itself and what its row below allows.
set -eu
cd "$(dirname "$0")/.."

allowed() {
	case $1 in
	server/core) echo 'server/core/' ;;
	alertmanager | db) echo "$1/|server/core/" ;;
	handlers/rollout) echo 'handlers/rollout/|handlers/rollback/|db/|alertmanager/|server/core/' ;;
	handlers/rollback | handlers/notify) echo "$1/|db/|alertmanager/|server/core/" ;;
	handlers/api) echo 'handlers/|db/|alertmanager/|server/core/' ;;
	esac
}

bad=0
for room in server/core alertmanager db handlers/rollback handlers/rollout handlers/notify handlers/api; do
	found=$(grep -rnE '^#include "' --include='*.[ch]' "$room" 2>/dev/null |
		grep -vE "#include \"($(allowed $room))" || true)
	[ -z "$found" ] || { echo "$room may not include this:"; echo "$found"; bad=1; }
done
only() {
	found=$(grep -rlE "#include <$1" --include='*.[ch]' server handlers db alertmanager | grep -vE "$2" || true)
	[ -z "$found" ] || { echo "<$1> belongs to $2 only:"; echo "$found"; bad=1; }
}
only microhttpd.h '^server/http[a-z_]*\.[ch]$'
only sqlite3.h '^db/'
only curl/ '^server/(core/loop|ctl/)'
only yaml.h '^server/(web_)?config'
only crypt.h '^server/auth_basic\.c$'
only jq.h '^handlers/notify/'
exit $bad
