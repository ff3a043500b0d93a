#!/usr/bin/env bash
# Runs `posthouse balancer`, NGINX's stream module and HAProxy (mode tcp) in turns in one run on one machine, each with one server
# behind, which is the load tool itself, and prints Markdown tables of medians.
#
#   balancer.sh [SYSTEM ...]   default: nginx haproxy posthouse; also splice, a Go proxy of a few lines around io.Copy, and
#                              nginx_log and posthouse_log, which write a line a session
#
#   CASES        bulk short rtt idle: which rows (default: all)
#   ROUNDS       how often each is measured (5)
#   BYTES FOR    moved in a bulk row (8 GB), and how long the others take (5s)
#   IDLE         sessions held in the idle row (9500)
#   BENCH_TOOLS  the folder of the load tools (../shared/bench)
#   POSTHOUSE    the binary (bin/posthouse)
#   SCRATCH      where configurations and logs go (a new temporary directory)
#   RESULTS      file of the JSON lines
#
# Needs root for NGINX, jq, and NGINX and HAProxy from test/peers.sh. Neither writes a log in the default rows.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/tools.sh"
set +e
[ -x "$bin/tcp" ] && [ -x "$bin/under" ] || build || exit 1
systems=${*:-nginx haproxy posthouse}
port=${PORT:-7300}
pidfile=$scratch/balancer.pid
: >"$out"
trap 'stop "$pidfile"' EXIT

# nginx_start PORT SINKPORT [LINE]: a worker for each of two cores, as Debian's `auto` has it
nginx_start() {
	local d=$scratch/nginx
	mkdir -p "$d"
	cat >"$d/nginx.conf" <<-EOF2
		load_module /usr/lib/nginx/modules/ngx_stream_module.so;
		daemon off;
		worker_processes 2;
		worker_rlimit_nofile 20000;
		error_log $d/error.log;
		pid $d/nginx.pid;
		events { worker_connections 20000; }
		stream {
		    ${3:-}
		    upstream b { server 127.0.0.1:$2; }
		    server { listen 127.0.0.1:$1 backlog=4096; proxy_pass b; proxy_timeout 1h; }
		}
	EOF2
	sut nginx "$pidfile" nginx -e "$d/error.log" -c "$d/nginx.conf"
}

nginx_log_start() {
	nginx_start "$1" "$2" "log_format b '\$remote_addr \$upstream_addr \$bytes_sent \$bytes_received \$session_time'; access_log $scratch/nginx/access.log b;"
}

haproxy_start() {
	local d=$scratch/haproxy
	mkdir -p "$d"
	cat >"$d/haproxy.cfg" <<-EOF2
		global
		    maxconn 9600
		    maxpipes 100
		    ulimit-n 20000
		defaults
		    mode tcp
		    option splice-auto
		    timeout connect 5s
		    timeout client 1h
		    timeout server 1h
		listen b
		    bind 127.0.0.1:$1 backlog 4096
		    server s 127.0.0.1:$2
	EOF2
	sut haproxy "$pidfile" haproxy -db -f "$d/haproxy.cfg"
}

splice_start() { sut splice "$pidfile" "$bin/splice" -listen "127.0.0.1:$1" -to "127.0.0.1:$2"; }

# posthouse_start PORT SINKPORT [LINE]
posthouse_start() {
	local d=$scratch/posthouse
	mkdir -p "$d"
	cat >"$d/posthouse.yaml" <<-EOF2
		cluster: example.org
		nodes:
		  - {host: lb.example.org, services: [balancer]}
		data_dir: state
		balancer:
		  b:
		    listen: ["127.0.0.1:$1"]
		    timeout: 1h
		    session_log: ${3:-false}
		    upstream: ["127.0.0.1:$2"]
	EOF2
	sut posthouse "$pidfile" "$POSTHOUSE" balancer --config "$d/posthouse.yaml"
}

posthouse_log_start() { posthouse_start "$1" "$2" true; }

# listening PORT waits for the socket without connecting to it: the connection would go on to the load tool and be counted.
listening() {
	for _ in $(seq 200); do
		ss -Hltn "sport = :$1" | grep -q . && return
		sleep 0.05
	done
	echo "nothing listens on $1" >&2
}

# one SYSTEM FLAGS...: a fresh process for each row
one() {
	local system=$1
	shift
	port=$((port + 2))
	[ "$port" -gt 9000 ] && port=7302
	"${system}_start" "$port" "$((port + 1))"
	listening "$port"
	timeout 120 "$bin/tcp" -label "$system" -target "127.0.0.1:$port" -backend "127.0.0.1:$((port + 1))" -pids "@$pidfile" "$@" | record
	stop "$pidfile"
}

for c in ${CASES:-bulk short rtt idle}; do
	for _ in $(seq "${ROUNDS:-5}"); do
		for s in $systems; do
			case $c in
			bulk) for k in 1 8 100; do one "$s" -mode bulk -conns $k -bytes "${BYTES:-8000000000}"; done ;;
			short) one "$s" -mode short -conns 100 -for "${FOR:-5s}" ;;
			rtt) one "$s" -mode rtt -conns 100 -for "${FOR:-5s}" ;;
			idle) one "$s" -mode idle -conns "${IDLE:-9500}" ;;
			esac
		done
	done
done

# table MODE HEAD ROW: a Markdown table of medians; ROW is jq over the rows of one system and number of connections
table() {
	[ "$(jq -s "map(select(.mode == \"$1\")) | length" "$out")" -gt 0 ] || return 0
	printf '\n%s\n' "$2"
	sed 's/[^|]\+/---/g' <<<"$2"
	jq -rs "def median(f): map(f) | sort | .[length / 2 | floor];
		def places(n): . * n | round / n;
		map(select(.mode == \"$1\")) | group_by([.conns, .label])[] | \"$3\"" "$out"
}
table bulk '| connections | system | GB/s | CPU s per GB | load tool'"'"'s | peak RSS |' \
	'| \(.[0].conns) | \(.[0].label) | \(median(.gb_per_s) | places(100)) | \(median(.cpu_s_per_gb) | places(1000)) | \(median(.tool_cpu_s_per_gb) | places(1000)) | \(median(.peak_rss_mb) | round) MB |'
for m in short rtt; do
	table $m "| $m, 100 at once | a second | CPU s per 1,000 | p50 | p99 | failed |" \
		'| \(.[0].label) | \(median(.per_s) | round) | \(median(.cpu_s_per_1000) | places(10000)) | \(median(.p50_us) / 1000 | places(10)) ms | \(median(.p99_us) / 1000 | places(10)) ms | \(map(.failed) | add) |'
done
table idle '| idle sessions | system | RSS KiB each | PSS in all | CPU s in 5 s |' \
	'| \(.[0].conns) | \(.[0].label) | \(median(.rss_kb_per_conn) | places(10)) | \(median(.pss_mb) | round) MB | \(median(.cpu_s_in_5s) | places(100)) |'
exit 0
