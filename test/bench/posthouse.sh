# posthouse as a relay for the bench: posthouse_start PORT SINKPORT and posthouse_config DIR PORT TRANSPORT, beside the start
# functions of the other systems, which share its shape: they set $pidfile, $rcpt (the recipient to use) and $kick (a command
# that makes it retry its queue at once). POSTHOUSE is the binary.

# posthouse_config DIR PORT LINE...: the files of an smtp-in on PORT that relays for this machine, by these lines of a transport
# table. /readyz is on PORT+1. The limits are lifted that a bench from one address would run into, as for the others.
posthouse_config() {
	local d=$1 port=$2
	shift 2
	mkdir -p "$d"
	printf '%s\n' "$@" >"$d/transport"
	echo 'postmaster@example.org b@example.net' >"$d/virtual"
	cat >"$d/zone" <<-EOF2
		\$ORIGIN example.org.
		@  300 IN SOA mx postmaster 1 300 300 300 300
		@  300 IN NS mx
		mx 300 IN A 127.0.0.1
	EOF2
	cat >"$d/posthouse.yaml" <<-EOF2
		cluster: example.org
		nodes:
		  - {host: mx.example.org, services: [smtp_in]}
		data_dir: state
		admin: {listen: "127.0.0.1:$((port + 1))"}
		resolver: {zone_file: zone}
		mynetworks: ["127.0.0.0/8"]
		smtp_in:
		  hostname: mx.example.org
		  listen: ["127.0.0.1:$port"]
		  message_size_limit: 50MiB
		  relay_restrictions: [permit_mynetworks, reject_unauth_destination]
		  virtual_alias_domains: [example.org]
		  virtual_alias_maps: virtual
		  delivery:
		    transport_maps: transport
		    destination_concurrency_limit: 50
	EOF2
}

posthouse_start() {
	local port=$1 sinkport=$2 d=$scratch/posthouse
	posthouse_config "$d" "$port" "* smtp:[127.0.0.1]:$sinkport"
	pidfile=$scratch/posthouse.pid rcpt=b@example.net
	kick="$POSTHOUSE queue retry --all --config $d/posthouse.yaml >/dev/null"
	sut posthouse "$pidfile" "$POSTHOUSE" smtp-in --config "$d/posthouse.yaml"
	wait_port "$port"
}
