// SPDX-License-Identifier: MIT

//go:build interop

package ipng

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// lab is what all tests share: the host and its Unbound.
func lab(t *testing.T) {
	t.Helper()
	if err := labOnce(); err != nil {
		t.Fatal(err)
	}
}

var labOnce = sync.OnceValue(func() error {
	dir := filepath.Dir(binary)
	if err := world(dir); err != nil {
		return err
	}
	return unbound(dir)
})

// zones are the example's names and those that the probes need besides.
var zones = []string{"../testdata/ipng/zone", "testdata/zone"}

// listenForEver hears questions and answers none, to the end of the process: a socket that nobody uses is closed by the garbage
// collector, and then its port refuses.
func listenForEver(c net.PacketConn) {
	b := make([]byte, 512)
	for {
		if _, _, err := c.ReadFrom(b); err != nil {
			return
		}
	}
}

// unbound starts the resolver of the lab: it knows what the zones say, and that nothing else exists. Below servfail.test its
// upstream is not there; below timeout.test it never answers.
func unbound(dir string) error {
	silent, err := net.ListenPacket("udp", "127.0.0.253:5300")
	if err != nil {
		return err
	}
	go listenForEver(silent)
	conf, err := unboundConf(dir)
	if err != nil {
		return err
	}
	file := filepath.Join(dir, "unbound.conf")
	if err := os.WriteFile(file, []byte(conf), 0o644); err != nil {
		return err
	}
	log, err := os.Create(filepath.Join(dir, "unbound.log"))
	if err != nil {
		return err
	}
	cmd := exec.Command("unbound", "-d", "-c", file)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return err
	}
	return answering(log.Name())
}

func answering(log string) error {
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if a, err := net.LookupHost("smtp-out.ipng.ch"); err == nil && a[0] == "10.0.2.1" {
			return nil
		}
	}
	text, _ := os.ReadFile(log)
	return fmt.Errorf("unbound does not answer:\n%s", text)
}

const unboundHead = `server:
  interface: 127.0.0.1@53
  interface: 127.0.0.2@53
  do-daemonize: no
  username: ""
  chroot: ""
  directory: "%[1]s"
  pidfile: "%[1]s/unbound.pid"
  use-syslog: no
  do-not-query-localhost: no
  module-config: "iterator"
  num-threads: 1
  cache-max-ttl: 5
  cache-max-negative-ttl: 1
  infra-host-ttl: 1
  local-zone: "." static
  local-data: '. 60 IN SOA ns.lab.test. postmaster.lab.test. 1 3600 600 86400 1'
  local-zone: "servfail.test." transparent
  local-zone: "timeout.test." transparent
  local-zone: "250.113.0.203.in-addr.arpa." transparent
  local-zone: "world.test." redirect
`

const unboundTail = `
forward-zone:
  name: "servfail.test."
  forward-addr: 127.0.0.254@5300
forward-zone:
  name: "250.113.0.203.in-addr.arpa."
  forward-addr: 127.0.0.254@5300
forward-zone:
  name: "timeout.test."
  forward-addr: 127.0.0.253@5300
remote-control:
  control-enable: no
`

func unboundConf(dir string) (string, error) {
	var b strings.Builder
	fmt.Fprintf(&b, unboundHead, dir)
	for _, name := range zones {
		text, err := os.ReadFile(name)
		if err != nil {
			return "", err
		}
		for line := range strings.Lines(string(text)) {
			if line = strings.TrimSpace(line); line != "" && line[0] != ';' {
				fmt.Fprintf(&b, "  local-data: '%s'\n", offLoopback(line))
			}
		}
	}
	b.WriteString(unboundTail)
	return b.String(), nil
}

// offLoopback moves the hosts of the example to 10.0.0.0/8: a loopback address in an MX set is ourselves. What blocklists answer
// stays.
func offLoopback(record string) string {
	for _, list := range []string{".spamhaus.org.", ".uceprotect.net.", ".0spam.org."} {
		if strings.Contains(record, list) {
			return record
		}
	}
	if strings.Contains(record, "bl.test.") || strings.Contains(record, "wl.test.") || strings.HasPrefix(record, "world.test.") {
		return record
	}
	return strings.ReplaceAll(record, "127.0.", "10.0.")
}
