// SPDX-License-Identifier: MIT

//go:build interop

package test

import (
	"bufio"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"posthouse/internal/maillab"
)

// TestForwardedMailPassesRealSPF is TestForwardedMailPassesSPF with a receiver that asks pyspf, which asks NSD.
func TestForwardedMailPassesRealSPF(t *testing.T) {
	t.Parallel()
	p := newPySPF(t, nameServer(t))
	if got := p.check("198.51.100.7", "x.test", "a@sender.test"); got != "pass" {
		t.Fatalf("the sender itself: %s", got)
	}
	forwardHome(t, p.check)
}

// pySPF is python3-spf, asked by lines.
type pySPF struct {
	t   *testing.T
	mu  sync.Mutex
	in  *bufio.Writer
	out *bufio.Reader
}

const pySPFScript = `
import sys, dns.resolver, spf
r = dns.resolver.Resolver(configure=False)
r.nameservers, r.port = ["127.0.0.1"], int(sys.argv[1])
dns.resolver.default_resolver = r
for line in sys.stdin:
    client, helo, sender = line.rstrip("\n").split(" ")
    print(spf.check2(i=client, s=sender, h=helo)[0], flush=True)
`

func newPySPF(t *testing.T, port int) *pySPF {
	t.Helper()
	cmd := exec.Command("/usr/bin/python3", "-c", pySPFScript, fmt.Sprint(port)) // Debian's: its packages are not another's
	in, out := interview(t, cmd)
	return &pySPF{t: t, in: bufio.NewWriter(in), out: out}
}

func (p *pySPF) check(client, helo, from string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	fmt.Fprintf(p.in, "%s %s %s\n", client, helo, from)
	if err := p.in.Flush(); err != nil {
		p.t.Error(err)
	}
	result, err := p.out.ReadString('\n')
	if err != nil {
		p.t.Errorf("pyspf: %v", err)
	}
	return strings.TrimSpace(result)
}

// nameServer runs NSD for the zone test with the policies, and returns its port.
func nameServer(t *testing.T) int {
	t.Helper()
	dir, port := room(t), maillab.FreePort(t)
	zone := "$ORIGIN test.\n$TTL 60\n@ SOA ns h 1 60 60 60 60\n@ NS ns\nns A 127.0.0.1\n"
	for domain, policy := range senderPolicies {
		zone += fmt.Sprintf("%s. TXT %q\n", domain, policy)
	}
	writeFile(t, dir, "zone", zone, 0o644)
	writeFile(t, dir, "nsd.conf", fmt.Sprintf(`server:
 ip-address: 127.0.0.1@%[2]d
 zonesdir: "%[1]s"
 database: ""
 pidfile: "%[1]s/pid"
 zonelistfile: "%[1]s/list"
 xfrdfile: "%[1]s/xfrd"
 xfrdir: "%[1]s"
 username: ""
remote-control:
 control-enable: no
zone:
 name: test
 zonefile: zone
`, dir, port), 0o644)
	p := maillab.Start(t, dir, "nsd", "-d", "-c", filepath.Join(dir, "nsd.conf"))
	maillab.Wait(t, maillab.Patience, "NSD", func() bool {
		c, err := net.DialTimeout("tcp", maillab.Local(port), time.Second)
		if err == nil {
			c.Close()
		}
		if p.Ended() {
			t.Fatal("NSD ended")
		}
		return err == nil
	})
	return port
}
