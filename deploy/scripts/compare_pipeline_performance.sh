#!/bin/sh
# Compares the CST pipeline with the legacy one:
#
#   compare_pipeline_performance.sh [--cst-percentage 50] [--duration 7d] [--threshold 0.05]
#
# --cst-percentage: the share of the traffic that the comparison is meant for; another one observed is not that comparison.
# --threshold: how much worse is still equal (0.05: 5 %).
#
# Exit code: 0 equal or better, 1 worse, 2 usage, 4 cannot tell (too little data, another share, rollbackd does not answer).
# Environment: ROLLOUT (cst-pipeline), ROLLBACKD_URL (http://127.0.0.1:9595), ROLLBACKD_USER and ROLLBACKD_PASSWORD_FILE,
# ROLLBACKCTL (rollbackctl).
set -u

usage() {
	echo "usage: ${0##*/} [--cst-percentage 50] [--duration 7d] [--threshold 0.05]" >&2
	exit 2
}

percentage=50 duration=7d threshold=0.05
while [ $# -gt 0 ]; do
	case $1 in
	*=*) set -- "${1%%=*}" "${1#*=}" "$@"; name=$1 value=$2; shift 3 ;;
	*) [ $# -ge 2 ] || usage; name=$1 value=$2; shift 2 ;;
	esac
	case $name in
	--cst-percentage) percentage=$value ;;
	--duration) duration=$value ;;
	--threshold) threshold=$value ;;
	*) usage ;;
	esac
done

"${ROLLBACKCTL:-rollbackctl}" compare "${ROLLOUT:-cst-pipeline}" --percentage "$percentage" --duration "$duration" \
	--threshold "$threshold"
code=$?
case $code in
0 | 1 | 2) exit $code ;;
*) exit 4 ;;
esac
