#!/bin/sh
# Rolls the CST pipeline back to 0 % without a person, for whoever triggers that by another way than Alertmanager:
#
#   auto_rollback.sh [REASON]
#
# Lowers whatever stage it is at, verifies, and says how it went. A failure pages: through rollbackd, and through ALERT_ONCALL
# (a program that is given the text) and stderr in any case.
#
# Exit code: 0 rolled back and verified, 1 not verified or failed, 2 usage, 3 refused, 4 cannot tell.
# Environment: as rollback_cst_pipeline.sh, and ALERT_ONCALL (none).
set -u

[ $# -le 1 ] || { echo "usage: ${0##*/} [REASON]" >&2; exit 2; }

good='OK:' bad='FAILED:'
case ${LC_ALL:-${LC_CTYPE:-${LANG:-}}} in
*[Uu][Tt][Ff]-8 | *[Uu][Tt][Ff]8)
	if [ -t 1 ]; then
		good='✅' bad='❌'
	fi
	;;
esac

alert_oncall() {
	if [ -n "${ALERT_ONCALL:-}" ]; then
		timeout -k 5 30 "$ALERT_ONCALL" "$1" || echo "${0##*/}: $ALERT_ONCALL could not be told (exit code $?)" >&2
	fi
}

echo "Triggering automatic rollback..."
"${ROLLBACKCTL:-rollbackctl}" rollback "${ROLLOUT:-cst-pipeline}" --stage current --or-offline \
	--reason "${1:-${0##*/}}"
code=$?
[ $code -le 4 ] || code=1
if [ $code -eq 0 ]; then
	echo "$good Rollback successful"
	alert_oncall "AUTO_ROLLBACK: ${ROLLOUT:-cst-pipeline} rolled back"
else
	echo "$bad Rollback failed"
	echo "CRITICAL: AUTO_ROLLBACK FAILED: ${ROLLOUT:-cst-pipeline} (exit code $code)" >&2
	alert_oncall "CRITICAL: AUTO_ROLLBACK FAILED"
fi
exit $code
