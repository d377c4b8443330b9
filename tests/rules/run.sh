#!/bin/bash
# run.sh [TOOLS]: the shipped rules are well-formed, and each fires where it should and nowhere else.
set -euo pipefail
cd "$(dirname "$0")/../.."
promtool=${1:-build/tools}/usr/bin/promtool

"$promtool" check config --syntax-only deploy/prometheus/prometheus.yml
"$promtool" check rules --lint-fatal deploy/prometheus/*-recording.yml deploy/prometheus/*-alerts.yml
printf '%s\0' tests/rules/*.yml | xargs -0 -n 1 -P "$(nproc)" "$promtool" test rules
