#!/usr/bin/env bash
# Runs `posthouse smtp-in` and Postfix beside each other, in one run on one machine, and prints Markdown tables. Both take mail
# from the load tool by SMTP, put it on disk with fsync, and relay it to the sink of the same tool.
#
#   run.sh [SYSTEM ...]     default: posthouse postfix; gosmtp is a bare go-smtp relay without a disk
#
#   CASES        small large huge backlog idle: which rows (default: all)
#   WARM N       messages before a measured row, and in it (2000, 4000)
#   BENCH_TOOLS  the folder of the load tools (../shared/bench)
#   POSTHOUSE    the binary (bin/posthouse)
#   SCRATCH      where spools and logs go (a new temporary directory on the disk that is to be measured)
#
# Needs root (Postfix changes users), jq, and Postfix from test/peers.sh. delivered must equal sent, and dup be 0.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/tools.sh"
. "$BENCH_TOOLS/relay/peers.sh"
. "$here/posthouse.sh"
set +e
[ -x "$bin/relay" ] && [ -x "$bin/under" ] || build || exit 1
systems=${*:-posthouse postfix}
port=${PORT:-7025}
warm=${WARM:-2000} n=${N:-4000}
: >"$out"
trap 'for f in "$scratch"/*.pid; do stop "$f"; done' EXIT

# one SYSTEM FLAGS...: a fresh spool and server for each row
one() {
	local system=$1
	shift
	rm -rf "${scratch:?}/$system"
	port=$((port + 12)) # no clash with sockets in TIME_WAIT
	if "${system}_start" "$port" "$((port + 9))"; then
		local args=(-label "$system" -target "127.0.0.1:$port" -sink "127.0.0.1:$((port + 9))" -pids "@$pidfile" -to "$rcpt" -kick "$kick" "$@")
		case "$*" in
		*-backlog* | *-idle* | *-sessions\ 4*) ;;
		*) [ "$warm" = 0 ] || timeout 120 "$bin/relay" "${args[@]}" -n "$warm" >/dev/null ;;
		esac
		timeout 300 "$bin/relay" "${args[@]}" | record
	else
		tail -n 5 "$scratch/$system.log" >&2
	fi
	stop "$pidfile"
}

for c in ${CASES:-small large huge backlog idle}; do
	for s in $systems; do
		case $c in
		small) one "$s" -size 4096 -sessions 100 -n "$n" -limit 60s ;;
		large) one "$s" -size 102400 -sessions 100 -n "$n" -limit 120s ;;
		huge) one "$s" -size 20971520 -sessions 4 -n 40 -limit 120s ;;
		backlog) one "$s" -size 4096 -sessions 50 -per-conn 0 -n 10000 -backlog -limit 200s ;;
		idle) POSTFIX_PROCS=1200 one "$s" -idle "${IDLE:-1000}" ;;
		esac
	done
done

# table SELECT FIELD...: the rows that jq selects, as Markdown
table() {
	local select=$1
	shift
	jq -c "select($select)" "$out" >"$scratch/rows"
	[ -s "$scratch/rows" ] && { echo; "$BENCH_TOOLS/table.sh" "$@" <"$scratch/rows"; }
}
table '.mode != "idle" and .drain_s == null' \
	label size sessions accepted_per_s relayed_per_s cpu_s_per_1000 peak_rss_mb peak_pss_mb p99_ms sent delivered dup
table '.drain_s != null' label size sent delivered dup drain_s drained_per_s cpu_s_per_1000 peak_rss_mb
table '.mode == "idle"' label sessions rss_mb pss_mb pss_kb_per_session
exit 0
