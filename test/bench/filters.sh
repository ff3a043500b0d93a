#!/usr/bin/env bash
# What the door costs: `posthouse smtp-in` takes the same mail from outside mynetworks twice, bare (who may relay and who exists)
# and with everything on (six DNSBL questions a message, SPF, a DKIM signature that is verified, DMARC), and relays it to the
# sink of the load tool. Names come from a real Unbound and stay in our cache, as they would in production. In both rows the
# same process stands before posthouse (outside/), which writes the PROXY header and signs.
#
#   filters.sh [ROW ...]     default: bare full bare full
#
# N, WARM, BENCH_TOOLS, POSTHOUSE and SCRATCH as in run.sh. Needs jq and Unbound (test/peers.sh).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/tools.sh"
set +e
[ -x "$bin/relay" ] && [ -x "$bin/under" ] || build || exit 1
(cd "$top" && go build -o "$bin/outside" ./test/bench/outside) || exit 1
port=${PORT:-7325}
warm=${WARM:-2000} n=${N:-6000}
: >"$out"
trap 'for f in "$scratch"/*.pid; do stop "$f"; done' EXIT

# The sender's domain: SPF names the client, DMARC asks for rejection, the key is real.
d=$scratch/filters
mkdir -p "$d"
[ -s "$d/rsa.pem" ] || openssl genrsa -out "$d/rsa.pem" 2048 2>/dev/null
key=$(openssl rsa -in "$d/rsa.pem" -pubout -outform DER 2>/dev/null | base64 -w0)
zones=(zen.bl.test dbl.bl.test rev.bl.test one.bl.test two.bl.test three.bl.test)

unbound_start() {
	{
		cat <<-CONF
			server:
			  interface: 127.0.0.1@$1
			  do-daemonize: no
			  username: ""
			  chroot: ""
			  directory: "$d"
			  pidfile: ""
			  use-syslog: no
			  module-config: "iterator"
			  local-zone: "." static
			  local-data: ". 3600 IN SOA a. b. 1 3600 3600 3600 3600"
			  local-data: "example.com. 3600 IN MX 10 mx.example.com."
			  local-data: "mx.example.com. 3600 IN A 192.0.2.7"
			  local-data: "7.2.0.192.in-addr.arpa. 3600 IN PTR mx.example.com."
			  local-data: 'example.com. 3600 IN TXT "v=spf1 mx -all"'
			  local-data: '_dmarc.example.com. 3600 IN TXT "v=DMARC1; p=reject"'
		CONF
		echo "  local-data: 'bench._domainkey.example.com. 3600 IN TXT \"v=DKIM1; k=rsa; p=${key:0:200}\" \"${key:200}\"'"
	} >"$d/unbound.conf"
	sut unbound "$scratch/unbound.pid" unbound -d -c "$d/unbound.conf"
}

# door ROW: the lines of smtp_in that a row adds
door() {
	[ "$1" = full ] || {
		echo '  sender_authentication: {spf: false, dkim: false, dmarc: false}'
		return
	}
	cat <<-CONF
		  sender_authentication: {dmarc_enforcement: reject}
		  recipient_restrictions:
		    - reject_rbl_client ${zones[0]}=127.0.0.[2..11]
		    - reject_rhsbl_sender ${zones[1]}=127.0.1.[2..99]
		    - reject_rhsbl_helo ${zones[1]}=127.0.1.[2..99]
		    - reject_rhsbl_reverse_client ${zones[1]}=127.0.1.[2..99]
		    - reject_rbl_client ${zones[3]}
		    - reject_rbl_client ${zones[4]}=127.0.0.[7..9]
	CONF
}

row() {
	local row=$1 w=$scratch/$1
	rm -rf "$w"
	mkdir -p "$w"
	port=$((port + 12))
	echo "* smtp:[127.0.0.1]:$((port + 9))" >"$w/transport"
	printf '%s\n' 'postmaster@example.org b@example.net' 'b@example.org b@example.net' >"$w/virtual"
	{
		cat <<-CONF
			cluster: example.org
			nodes:
			  - {host: mx.example.org, services: [smtp_in]}
			data_dir: state
			admin: {listen: "127.0.0.1:$((port + 1))"}
			resolver: {servers: ["127.0.0.1:$dns"]}
			smtp_in:
			  hostname: mx.example.org
			  listen: [{address: "127.0.0.1:$port", proxy_protocol: required, proxy_networks: ["127.0.0.0/8"]}]
			  client_connection_count_limit: 0
			  relay_restrictions: [reject_unauth_destination]
			  virtual_alias_domains: [example.org]
			  virtual_alias_maps: virtual
			  delivery: {transport_maps: transport, destination_concurrency_limit: 50}
		CONF
		door "$row"
	} >"$w/posthouse.yaml"
	sut "posthouse-$row" "$scratch/posthouse.pid" "$POSTHOUSE" smtp-in --config "$w/posthouse.yaml"
	wait_port "$port"
	sut outside "$scratch/outside.pid" "$bin/outside" -listen "127.0.0.1:$((port + 2))" -target "127.0.0.1:$port" -key "$d/rsa.pem"
	wait_port $((port + 2))
	local args=(-label "$row" -target "127.0.0.1:$((port + 2))" -sink "127.0.0.1:$((port + 9))" -pids "@$scratch/posthouse.pid"
		-from a@example.com -to b@example.org -size 4096 -sessions 100 -limit 100s)
	timeout 120 "$bin/relay" "${args[@]}" -n "$warm" >/dev/null
	timeout 120 "$bin/relay" "${args[@]}" -n "$n" | record
	curl -s "http://127.0.0.1:$((port + 1))/metrics" >"$w/metrics"
	stop "$scratch/outside.pid"
	stop "$scratch/posthouse.pid"
}

dns=$((port + 7))
unbound_start "$dns"
for r in ${*:-bare full bare full}; do row "$r"; done
echo
"$BENCH_TOOLS/table.sh" label relayed_per_s accepted_per_s cpu_s_per_1000 tool_cpu_s_per_1000 p99_ms sent delivered dup <"$out"
