#!/usr/bin/env bash
# 100,000 queued messages with the next hop down: memory, the time a restart takes until /readyz, and how long mail for
# another destination takes meanwhile. N, BENCH_TOOLS, POSTHOUSE and SCRATCH as in run.sh.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
BENCH_TOOLS=${BENCH_TOOLS:-$top/../shared/bench}
POSTHOUSE=${POSTHOUSE:-$top/bin/posthouse}
. "$BENCH_TOOLS/lib.sh"
. "$here/posthouse.sh"
set +e
[ -x "$bin/relay" ] && [ -x "$bin/under" ] || build || exit 1
n=${N:-100000} port=${PORT:-7425} d=$scratch/queue
trap 'stop "$scratch/queue.pid"' EXIT

# the dead next hop is a port where nobody listens
posthouse_config "$d" "$port" "dead.example smtp:[127.0.0.1]:$((port + 5))" "* smtp:[127.0.0.1]:$((port + 9))"
start() {
	sut queue "$scratch/queue.pid" "$POSTHOUSE" smtp-in --config "$d/posthouse.yaml"
	until curl -fs -o /dev/null "http://127.0.0.1:$((port + 1))/readyz"; do sleep 0.02; done
}
# memory of the process itself, below the reaper
rss() {
	local pid
	pid=$(pgrep -P "$(cat "$scratch/queue.pid")" posthouse | head -n 1)
	awk '/^VmRSS/ {printf "%.0f MiB\n", $2 / 1024}' "/proc/${pid:-$(cat "$scratch/queue.pid")}/status"
}

start
echo "| what | figure |"
echo "|---|---|"
"$bin/relay" -target "127.0.0.1:$port" -size 4096 -sessions 50 -per-conn 0 -n "$n" -to b@dead.example -limit 600s >"$scratch/load.json"
echo "| messages queued | $(jq .sent "$scratch/load.json") |"
echo "| resident, next hop down | $(rss) |"
"$bin/relay" -target "127.0.0.1:$port" -sink "127.0.0.1:$((port + 9))" -size 4096 -sessions 10 -n 500 -to b@live.example \
	-limit 60s >"$scratch/live.json"
echo "| meanwhile to another destination | $(jq -r '"\(.delivered)/\(.sent) at \(.relayed_per_s | round)/s, p99 of the 250 \(.p99_ms) ms"' "$scratch/live.json") |"
stop "$scratch/queue.pid"
begin=$(date +%s.%N)
start
echo "| restart to ready | $(awk -v b="$begin" -v e="$(date +%s.%N)" 'BEGIN {printf "%.2f s", e - b}') |"
echo "| resident after the restart | $(rss) |"
