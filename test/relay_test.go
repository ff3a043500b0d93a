// SPDX-License-Identifier: MIT

package test

import (
	"fmt"
	"path/filepath"
	"testing"

	"posthouse/internal/maillab"
)

// relay is a single smtp-in that takes mail from this machine and hands all of it to a sink.
type relay struct {
	*maillab.Process
	dir, address, admin string
}

// relayFile is its cluster file: folder, ports of smtp-in and admin.
const relayFile = `cluster: relay.test
nodes:
  - {host: mx.relay.test, services: [smtp_in]}
data_dir: state
admin: {listen: "%s"}
resolver: {zone_file: zone}
mynetworks: ["127.0.0.0/8"]
smtp_in:
  hostname: mx.relay.test
  listen: ["%s"]
  message_size_limit: 50MiB
  relay_restrictions: [permit_mynetworks, reject_unauth_destination]
  virtual_alias_domains: [relay.test]
  virtual_alias_maps: virtual
  delivery:
    transport_maps: transport
    retry: {minimum: 1s, maximum: 2s, lifetime: 5d, delay_warning: 4h}
%s`

// newRelay writes the files of a relay to the next hop. Further lines of the cluster file, below smtp_in, may be given.
func newRelay(t *testing.T, dir, nextHop, more string) *relay {
	t.Helper()
	r := &relay{dir: dir, address: maillab.Local(maillab.FreePort(t)), admin: maillab.Local(maillab.FreePort(t))}
	writeFile(t, dir, "posthouse.yaml", fmt.Sprintf(relayFile, r.admin, r.address, more), 0o644)
	writeFile(t, dir, "zone", "$ORIGIN relay.test.\n$TTL 60\n@ IN SOA mx postmaster 1 60 60 60 60\n@ IN NS mx\nmx IN A 127.0.0.1\n", 0o644)
	writeFile(t, dir, "virtual", "postmaster@relay.test  operator@sink.test\n", 0o644)
	writeFile(t, dir, "transport", "*  smtp:"+bracketed(nextHop)+"\n", 0o644)
	return r
}

// bracketed writes host:port as transport(5) wants a host that is no MX name.
func bracketed(address string) string { return "[127.0.0.1]" + address[len("127.0.0.1"):] }

// config is the path of its cluster file.
func (r *relay) config() string { return filepath.Join(r.dir, "posthouse.yaml") }

// start starts it, also again, and waits until it takes mail.
func (r *relay) start(t *testing.T) {
	t.Helper()
	r.launch(t)
	waitReady(t, r.Process, r.admin)
	maillab.WaitPort(t, r.address)
}

// launch starts it and does not wait.
func (r *relay) launch(t *testing.T) {
	t.Helper()
	r.Process = start(t, r.dir, "smtp-in", "--config", r.config(), "--node", "mx.relay.test")
}

// command runs a posthouse command on it.
func (r *relay) command(t *testing.T, args ...string) result {
	t.Helper()
	return posthouse(t, r.dir, append(args, "--config", r.config(), "--node", "mx.relay.test")...)
}
