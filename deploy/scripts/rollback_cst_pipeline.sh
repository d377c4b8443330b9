#!/bin/sh
# Rolls the CST pipeline back to 0 %, by hand:
#
#   rollback_cst_pipeline.sh --stage N [--reason TEXT]
#
# N is the stage that is meant to be rolled back; when the rollout is at another one, nothing is done. rollbackd preserves the
# metrics, tells the team and opens the incident. When it does not answer within 3 s, the percentage is lowered and verified
# from here, under the same lock on the flags file, and rollbackd puts that on record at its next start.
#
# Exit code: 0 rolled back and verified, 1 not verified or failed, 2 usage, 3 refused, 4 cannot tell.
# Environment: ROLLOUT (cst-pipeline), ROLLBACKD_URL (http://127.0.0.1:9595), ROLLBACKD_USER and ROLLBACKD_PASSWORD_FILE,
# ROLLBACKD_CONFIG (/etc/rollbackd/rollbackd.yml), ROLLBACKD_STORAGE (/var/lib/rollbackd), ROLLBACKCTL (rollbackctl).
# Without rollbackd it must run as rollbackd's user or as root.
set -u

usage() {
	echo "usage: ${0##*/} --stage N [--reason TEXT]" >&2
	exit 2
}

stage='' reason=''
while [ $# -gt 0 ]; do
	case $1 in
	--stage) [ $# -ge 2 ] || usage; stage=$2; shift 2 ;;
	--stage=*) stage=${1#*=}; shift ;;
	--reason) [ $# -ge 2 ] || usage; reason=$2; shift 2 ;;
	--reason=*) reason=${1#*=}; shift ;;
	*) usage ;;
	esac
done
case $stage in
'' | *[!0-9]*) usage ;;
esac

"${ROLLBACKCTL:-rollbackctl}" rollback "${ROLLOUT:-cst-pipeline}" --stage "$stage" --or-offline \
	--reason "${reason:-emergency rollback by ${0##*/}}"
code=$?
case $code in
0) echo "rolled back and verified" ;;
1) echo "CRITICAL: the rollback failed, or could not be verified" >&2 ;;
2) ;;
3) echo "refused: nothing was done" >&2 ;;
4) echo "cannot tell whether it is rolled back: look at the incident" >&2 ;;
*) echo "CRITICAL: ${ROLLBACKCTL:-rollbackctl} did not run (exit code $code)" >&2; code=1 ;;
esac
exit $code
