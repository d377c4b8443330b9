#!/bin/bash
# A whole rollback, as it happens: a real Prometheus notices a bad canary, a real Alertmanager posts it, rollbackd lowers
# the percentage, verifies that the service follows, records the incident and tells the chat.
#
# Called by `make demo`. Everything lives below build/demo and listens on loopback, on ports that are free.
# KEEP=1 leaves it running. O is where the programs were built, TOOLS where tests/tools.sh unpacked Prometheus.
set -euo pipefail
export LC_ALL=C TZ=UTC

cd "$(dirname "$0")/../.."
root=$PWD
here=$root/deploy/demo
demo=$root/build/demo
bin=$(realpath "${O:-build/release}")
tools=$(realpath "${TOOLS:-build/tools}")
keep=${KEEP:-0}
limit=170 # seconds, for everything
break_at=

# --- telling ---

# The time of day, the time since the canary broke, and a sentence.
say() {
	local now=${EPOCHREALTIME/./} since=
	[ -z "$break_at" ] || since=$(printf '+%d.%d s' $(((now - break_at) / 1000000)) $(((now - break_at) / 100000 % 10)))
	printf '%(%H:%M:%S)T.%s %9s  %s\n' "${now:0:-6}" "${now: -6:1}" "$since" "$*"
}

fail() {
	local log
	{
		echo
		echo "The demo failed: $*"
		for log in "$demo"/log/*; do
			[ ! -s "$log" ] || { echo; echo "--- the end of ${log#"$root"/}"; tail -n 20 "$log"; }
		done
	} >&2
	exit 1
}

# --- starting and stopping ---

# start NAME PROGRAM ARGUMENT...: in a session of its own, so that it outlives this terminal when it should.
start() {
	local name=$1 stat fields
	shift
	setsid "$@" </dev/null >"$demo/log/$name" 2>&1 &
	stat=$(cat "/proc/$!/stat") || fail "$name did not start"
	read -ra fields <<<"${stat##*) }"
	echo "$name $! ${fields[19]}" >>"$demo/pids"
	started=$!
}

check_alive() {
	local name pid _
	while read -r name pid _; do
		grep -q '^State:[[:space:]]*[^ZX[:space:]]' "/proc/$pid/status" 2>/dev/null || fail "$1: $name has ended"
	done <"$demo/pids"
}

# The port a program with --port 0 or the like says it listens on.
port_of() {
	grep -om1 'listening on 127.0.0.1:[0-9]*' "$demo/log/$1" | grep -o '[0-9]*$'
}

# Below the range that the kernel gives to clients; all are held at once, so they differ.
free_ports() {
	/usr/bin/python3 -I - "$1" <<-'PY'
		import random, socket, sys
		held = []
		for port in random.sample(range(15000, 32000), 2000):
		    s = socket.socket()
		    try:
		        s.bind(("127.0.0.1", port))
		    except OSError:
		        continue
		    held.append(s)
		    if len(held) == int(sys.argv[1]):
		        break
		print(*(s.getsockname()[1] for s in held))
	PY
}

at_exit() {
	local code=$?
	trap - EXIT INT TERM HUP
	if [ "$keep" = 1 ] && [ $code -le 1 ] && [ -s "$demo/pids" ]; then
		where_to_look
	else
		"$here/stop.sh" "$demo/pids" || true
	fi
	exit $code
}

where_to_look() {
	cat <<-EOF2

		Left running, as KEEP=1 asked:
		  rollbackd      ${rollbackd-}
		                 $bin/rollbackctl --url ${rollbackd-} status
		  the service    ${service-}/flags and /metrics
		  Prometheus     ${prometheus-}/alerts
		  Alertmanager   ${alertmanager-}
		  chat           $demo/chat.jsonl
		  configs, logs  $demo
		heal the canary: /usr/bin/python3 $here/ask.py --method POST ${service-}/fault/clear
		stop it all:     $here/stop.sh
	EOF2
}

# --- waiting, with a bound ---

ask() {
	/usr/bin/python3 -I "$here/ask.py" "$@"
}

# until_answer SECONDS WHAT ARGUMENT-OF-ask...: leaves the answer in $answer.
until_answer() {
	local within=$1 what=$2 end=$((SECONDS + $1))
	shift 2
	until answer=$(ask --timeout 1 "$@"); do
		check_alive "$what"
		((SECONDS < end && SECONDS < limit)) || fail "$what: not within $within s (the last answer: $answer)"
	done
}

# until_true SECONDS WHAT COMMAND...
until_true() {
	local within=$1 what=$2 end=$((SECONDS + $1))
	shift 2
	until "$@" >/dev/null 2>&1; do
		check_alive "$what"
		((SECONDS < end && SECONDS < limit)) || fail "$what: not within $within s"
		sleep 0.1
	done
}

# --- the configs ---

write_prometheus() {
	cat >"$demo/prometheus.yml" <<-EOF2
		global: {scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}
		rule_files: [rules.yml]
		alerting:
		  alertmanagers:
		  - static_configs: [{targets: ['${alertmanager#http://}']}]
		scrape_configs:
		- {job_name: lapce-ai-service, static_configs: [{targets: ['${service#http://}']}]}
		- {job_name: rollbackd, static_configs: [{targets: ['${rollbackd#http://}']}]}
		- {job_name: alertmanager, static_configs: [{targets: ['${alertmanager#http://}']}]}
	EOF2
	cp "$here/rules.yml" "$demo/rules.yml"
	"$tools/usr/bin/promtool" check config "$demo/prometheus.yml" >"$demo/log/check-prometheus" 2>&1 ||
		fail "promtool does not like build/demo/prometheus.yml"
}

write_alertmanager() {
	cat >"$demo/alertmanager.yml" <<-EOF2
		route:
		  receiver: people
		  group_by: [alertname]
		  group_wait: 0s
		  group_interval: 5s
		  repeat_interval: 10s
		  routes:
		  - matchers: ['action="auto_rollback"']
		    receiver: rollbackd
		    group_by: [rollout, alertname]
		  - matchers: ['alertname="Watchdog"']
		    receiver: rollbackd
		receivers:
		- name: people
		- name: rollbackd
		  webhook_configs:
		  - {url: '$rollbackd/webhook', send_resolved: true, max_alerts: 0}
	EOF2
	"$tools/usr/bin/amtool" check-config "$demo/alertmanager.yml" >"$demo/log/check-alertmanager" 2>&1 ||
		fail "amtool does not like build/demo/alertmanager.yml"
}

# How the service is told to reload: argv, no shell. Debian's smallest images have no /bin/kill.
reload_argv() {
	if [ -x /bin/kill ]; then
		echo "[/bin/kill, -HUP, \"$1\"]"
	else
		echo "[/usr/bin/python3, -c, \"import os; os.kill($1, 1)\"]"
	fi
}

write_rollbackd() {
	cat >"$demo/rollbackd.yml" <<-EOF2
		global:
		  external_url: $rollbackd
		  environment: production
		  prometheus: {url: "$prometheus", timeout: 3s}
		  alertmanager: {url: "$alertmanager"}
		heartbeat: {match: ['alertname="Watchdog"'], timeout: 1m}
		rollouts:
		  - name: cst-pipeline
		    title: CST Pipeline
		    dashboard_url: $prometheus/alerts
		    flags:
		      file: "$demo/flags.env"
		      percentage: CST_ROLLOUT_PERCENTAGE
		    apply:
		      - {command: $(reload_argv "$service_pid"), timeout: 5s}
		    fallback_probe:
		      - {name: reachable, http: {url: "$service/probe?pipeline=legacy"}}
		      - {name: fast enough, http: {url: "$service/probe?pipeline=legacy", value: /seconds}, max: 1}
		    verify:
		      delay: 1s
		      every: 1s
		      passes: 2
		      timeout: 30s
		      checks:
		        - {prometheus: cst_rollout_percentage, instances: 'count(up{job="lapce-ai-service"})'}
		        - {http: {url: "$service/flags", value: /rollout_percentage}}
		    snapshot:
		      window: 5m
		      queries:
		        - {name: error_rate_cst, unit: ratio, query: 'cst:error_ratio:rate10s'}
		        - {name: error_rate_legacy, unit: ratio, query: 'legacy:error_ratio:rate10s'}
		        - {name: requests_cst, unit: per second, query: 'sum(rate(cst_requests_total[10s]))'}
		    stages:
		      - {number: 0, name: Pre-Production, percentage: 100, environment: staging, duration: 7d}
		      - {number: 1, name: Canary, percentage: 10, duration: 48h}
		      - {number: 2, name: Quarter, percentage: 25, duration: 72h}
		      - {number: 3, name: Half, percentage: 50, duration: 7d}
		      - {number: 4, name: Full, percentage: 100}
		playbooks:
		  - name: auto-rollback
		    match: ['action="auto_rollback"']
		    rollback: {to: 0}
		channels:
		  - {name: rollouts, slack: {url: "$chat/services/T0/B0/demo"}, events: [rollout, incident]}
	EOF2
	"$bin/rollbackctl" check-config "$demo/rollbackd.yml" >"$demo/log/check-rollbackd" 2>&1 ||
		fail "rollbackctl check-config does not like build/demo/rollbackd.yml"
}

# --- the acts ---

start_everything() {
	local ports
	read -ra ports < <(free_ports 3)
	prometheus=http://127.0.0.1:${ports[0]}
	alertmanager=http://127.0.0.1:${ports[1]}
	rollbackd=http://127.0.0.1:${ports[2]}

	cat >"$demo/flags.env" <<-'EOF2'
		# The flags of lapce-ai-service. SIGHUP makes it read them again.
		CST_PIPELINE_ENABLED=true
		CST_ROLLOUT_PERCENTAGE=10
		CST_LEGACY_FALLBACK=true
	EOF2
	start service "$bin/demo-service" --listen 127.0.0.1:0 --flags "$demo/flags.env" --pid-file "$demo/service.pid"
	service_pid=$started
	start chat /usr/bin/python3 "$here/chat_sink.py" --port 0 --file "$demo/chat.jsonl"
	until_true 10 "starting the service" port_of service
	until_true 10 "starting the chat" port_of chat
	service=http://127.0.0.1:$(port_of service)
	chat=http://127.0.0.1:$(port_of chat)

	write_alertmanager
	write_prometheus
	write_rollbackd
	start rollbackd "$bin/rollbackd" --config.file "$demo/rollbackd.yml" --storage.path "$demo/data" \
		--web.listen-address "${rollbackd#http://}"
	start alertmanager "$tools/usr/bin/prometheus-alertmanager" --config.file="$demo/alertmanager.yml" \
		--storage.path="$demo/alertmanager" --web.listen-address="${alertmanager#http://}" \
		--cluster.listen-address=
	start prometheus "$tools/usr/bin/prometheus" --config.file="$demo/prometheus.yml" \
		--storage.tsdb.path="$demo/prometheus" --web.listen-address="${prometheus#http://}" \
		--rules.alert.resend-delay=5s --web.local-assets="$tools/usr/share/prometheus/web/" \
		--web.console.templates="$tools/etc/prometheus/consoles" \
		--web.console.libraries="$tools/etc/prometheus/console_libraries"
	until_answer 20 "starting rollbackd" "$rollbackd/-/ready"
	until_answer 20 "starting Alertmanager" "$alertmanager/-/ready"
	until_answer 30 "starting Prometheus" "$prometheus/-/ready"
}

wait_for_a_healthy_canary() {
	until_answer 5 "the service at 10%" --until 10 "$service/flags" /rollout_percentage
	until_answer 40 "Prometheus sees the canary" --until 10 --query 'cst_rollout_percentage' "$prometheus"
	until_answer 30 "Prometheus sees traffic on both pipelines" --until '[0-9.e-]+' \
		--query 'cst:error_ratio:rate10s + legacy:error_ratio:rate10s and (sum(rate(cst_requests_total[10s])) > 1)' \
		"$prometheus"
	until_answer 20 "Alertmanager has the watchdog alert" --until 'active' \
		"$alertmanager/api/v2/alerts?filter=alertname%3DWatchdog" /0/status/state
	say "All is well: the service gives 10% of its keys to cst, Prometheus sees both pipelines, the alert path is alive"
}

break_the_canary() {
	ask --method POST "$service/fault?pipeline=cst&errors=0.3" >/dev/null || fail "breaking the canary"
	break_at=${EPOCHREALTIME/./}
	say "The canary breaks: from now on 30% of the requests on cst fail"
}

watch_the_rollback() {
	local alert='ALERTS{alertname="CanaryErrorRateBurst"'

	until_answer 30 "Prometheus notices" --until 'pending|firing' --query "$alert}" "$prometheus" \
		/data/result/0/metric/alertstate
	say "Prometheus: CanaryErrorRateBurst is $answer"
	until_answer 20 "the alert fires" --until 1 --query "$alert,alertstate=\"firing\"}" "$prometheus"
	say "Prometheus: CanaryErrorRateBurst is firing, off to Alertmanager"
	until_answer 20 "rollbackd opens an incident" --until '[0-9]+' \
		"$rollbackd/api/v1/incidents?rollout=cst-pipeline" /data/0/id
	incident=$answer
	say "rollbackd: took Alertmanager's webhook and opened incident $incident"
	until_true 20 "the flags file says 0" grep -qx 'CST_ROLLOUT_PERCENTAGE=0' "$demo/flags.env"
	say "the flags file: CST_ROLLOUT_PERCENTAGE=0"
	until_answer 20 "the service follows" --until 0 "$service/flags" /rollout_percentage
	say "the service: 0% of its keys go to cst, says the service itself"
	until_answer 45 "the rollback is verified" --until 'rolled_back|failed|held|cancelled' \
		"$rollbackd/api/v1/incidents/$incident" /data/state
	[ "$answer" = rolled_back ] || fail "incident $incident is $answer, it should be rolled_back"
	say "rollbackd: verified, incident $incident is rolled_back"
	until_true 20 "the chat is told" grep -q 'Rolled back to 0%' "$demo/chat.jsonl"
	say "the chat: was told"
}

show_the_outcome() {
	echo
	echo "--- rollbackctl incident $incident"
	"$bin/rollbackctl" --url "$rollbackd" incident "$incident" || fail "rollbackctl incident $incident"
	echo
	echo "--- the chat messages, as received"
	sed 1d "$demo/log/chat"

	local percentage state
	percentage=$(ask "$service/flags" /rollout_percentage) || fail "asking the service: $percentage"
	state=$(ask "$rollbackd/api/v1/incidents/$incident" /data/state) || fail "asking rollbackd: $state"
	echo "The service's own percentage: $percentage. Incident $incident: $state."
	[ "$percentage/$state" = 0/rolled_back ] || fail "that is not the end the story should have"
}

for program in "$bin"/{rollbackd,rollbackctl,demo-service} \
	"$tools"/usr/bin/{prometheus,promtool,prometheus-alertmanager,amtool}; do
	[ -x "$program" ] || { echo "$program is missing: run 'make demo', which builds it" >&2; exit 1; }
done
"$here/stop.sh" "$demo/pids" # of an earlier KEEP=1
rm -rf "$demo"
mkdir -p "$demo/log"
: >"$demo/pids"
trap at_exit EXIT
trap 'exit 130' INT TERM HUP

say "Starting the service, Prometheus, Alertmanager, rollbackd and a chat below ${demo#"$root"/}"
start_everything
wait_for_a_healthy_canary
break_the_canary
watch_the_rollback
show_the_outcome
