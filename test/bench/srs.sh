#!/usr/bin/env bash
# srs.sh: PostSRSd's TCP table of rewritten senders and ours, in turns in one run, as a Markdown table of medians.
#
# Needs PostSRSd, jq and the load tool (BENCH_TOOLS, README.md there), and `make build`. FOR is how long each is measured in
# each of ROUNDS.
set -euo pipefail
cd "$(dirname "$0")/../.."
tools=${BENCH_TOOLS:-$PWD/../shared/bench}
scratch=${SCRATCH:-$(mktemp -d)}
results=${RESULTS:-$scratch/srs.jsonl}
PATH=$PATH:/usr/sbin:/sbin
posthouse=${POSTHOUSE:-$PWD/bin/posthouse}

(cd "$tools" && go build -o "$scratch/" ./srs ./under)
secret=$scratch/secret
(umask 077 && head -c 18 /dev/urandom | base64 >"$secret")
port=${PORT:-7961}

# run NAME CONNECTIONS WINDOW COMMAND...: the command listens on $port and on the one after it
run() {
	local name=$1 conns=$2 window=$3 i
	shift 3
	rm -f "$scratch/pid"
	"$scratch/under" "$scratch/pid" "$@" >>"$scratch/$name.log" 2>&1 &
	for i in $(seq 200); do
		(exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null && break
		sleep 0.05
	done
	timeout 60 "$scratch/srs" -label "$name" -conns "$conns" -window "$window" -for "${FOR:-5s}" \
		-target "127.0.0.1:$port" -pids "@$scratch/pid" >>"$results" || echo "$name: no result" >&2
	kill "$(cat "$scratch/pid")"
	wait $! || true
	port=$((port + 2))
}

for _ in $(seq "${ROUNDS:-5}"); do
	for row in "1 1" "1 100" "20 1" "20 100"; do
		set -- $row
		run PostSRSd "$1" "$2" postsrsd -4 -l 127.0.0.1 -f "$port" -r "$((port + 1))" -d srs.test -s "$secret"
		run posthouse "$1" "$2" "$posthouse" srs serve -f "127.0.0.1:$port" -r "127.0.0.1:$((port + 1))" -d srs.test -s "$secret"
	done
done

echo "| connections | in flight on each | system | look-ups/s | CPU s per 1,000 | load tool's | peak RSS | not 200 |"
echo "|---|---|---|---|---|---|---|---|"
jq -rs 'def median(f): map(f) | sort | .[length / 2 | floor];
	def places(n): . * n | round / n;
	group_by([.conns, .window, .label == "posthouse"])[] |
	"| \(.[0].conns) | \(.[0].window) | \(.[0].label) | \(median(.lookups_per_s) | round) | \(median(.cpu_s_per_1000) | places(10000)) | \(median(.tool_cpu_s_per_1000) | places(10000)) | \(median(.peak_rss_mb) | round) MB | \(map(.not_200) | add) |"' "$results"
