// SPDX-License-Identifier: MIT

package test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"posthouse/internal/maillab"
)

// TestDrain takes a server out of use and back by the command line: its sessions go on, new ones go elsewhere, also after a restart.
func TestDrain(t *testing.T) {
	t.Parallel()
	a, b, _ := backends3(t)
	listen := door(t)
	lb := startBalancer(t, "", service("s", listen, []string{at(a, ""), at(b, "backup")}))
	long := serves(t, listen, "", "a")
	drain := func(word string) {
		t.Helper()
		if r := lb.command(t, "balancer", word, a.Addr()); r.code != 0 {
			t.Fatalf("%s: %+v", word, r)
		}
	}
	drain("drain")
	if got := names(t, listen, 4); got != "b b b b" {
		t.Errorf("drained: %s", got)
	}
	long.says(t, "still here")
	if out := lb.command(t, "balancer", "status").out; !strings.Contains(out, "drained") || !strings.Contains(out, a.Addr()) {
		t.Errorf("status does not say so:\n%s", out)
	}
	long.Close() // a stop waits for sessions
	if err := lb.Stop(); err != nil {
		t.Fatal(err)
	}
	lb.start(t)
	if got := names(t, listen, 2); got != "b b" {
		t.Errorf("after a restart: %s", got)
	}
	drain("undrain")
	maillab.Wait(t, maillab.Patience, "service by a", func() bool { return names(t, listen, 1) == "a" })
	if r := lb.command(t, "balancer", "drain", "192.0.2.99:1"); r.code == 0 {
		t.Errorf("a server that is not there is drained: %+v", r)
	}
}

// TestListsAreReadAgain changes a file of networks while the balancer runs: it holds for new clients, and a broken file changes nothing.
func TestListsAreReadAgain(t *testing.T) {
	t.Parallel()
	a, listen := maillab.NewBackend(t, "a", maillab.BackendOptions{}), door(t)
	lb := newBalancer(t, "", service("s", listen, []string{at(a, "")}, `deny: ["bad"]`))
	writeFile(t, lb.dir, "bad", "127.0.0.66\n", 0o644)
	lb.start(t)
	serves(t, listen, "127.0.0.66", "")
	long := serves(t, listen, "127.0.0.67", "a")
	writeFile(t, lb.dir, "bad", "127.0.0.67\n", 0o644)
	maillab.Wait(t, maillab.Patience, "change of the list", func() bool { return call(t, listen, "127.0.0.66", maillab.Patience).name == "a" })
	serves(t, listen, "127.0.0.67", "")
	long.says(t, "who is in stays in")
	writeFile(t, lb.dir, "bad", "127.0.0.66\nwho knows\n", 0o644)
	maillab.Wait(t, maillab.Patience, "complaint about the list", func() bool { return maillab.Logged(lb.Log(), filepath.Join(lb.dir, "bad")+":2") })
	serves(t, listen, "127.0.0.66", "a")
	serves(t, listen, "127.0.0.67", "")
}

// TestRateLimit counts connections a minute, of each client for itself.
func TestRateLimit(t *testing.T) {
	t.Parallel()
	a, listen := maillab.NewBackend(t, "a", maillab.BackendOptions{}), door(t)
	startBalancer(t, "mynetworks: [\"127.0.0.72\"]\n", service("s", listen, []string{at(a, "")}, "client_connection_rate_limit: 3"))
	for _, step := range [][2]string{{"127.0.0.71", "a a a - -"}, {"127.0.0.73", "a a a -"}, {"127.0.0.72", "a a a a a a"}} {
		var got []string
		for range strings.Fields(step[1]) {
			c := call(t, listen, step[0], maillab.Patience)
			c.Close()
			got = append(got, nobody(c.name))
		}
		if s := strings.Join(got, " "); s != step[1] {
			t.Errorf("%s: %s, want %s", step[0], s, step[1])
		}
	}
}

// TestFewDescriptors has more clients than there are descriptors for: those who find no room wait, nobody is refused, and they get
// their turn.
func TestFewDescriptors(t *testing.T) {
	t.Parallel()
	a, listen := maillab.NewBackend(t, "a", maillab.BackendOptions{}), door(t)
	lb := newBalancer(t, "", service("s", listen, []string{at(a, "")}))
	lb.Process = maillab.Start(t, lb.dir, "/bin/sh", "-c", fmt.Sprintf("ulimit -n 128; exec %s balancer --config %s/posthouse.yaml --node lb.lb.test", binary, lb.dir))
	waitReady(t, lb.Process, lb.admin)
	var waiting, served []*caller
	for range 120 {
		c := dialFrom(t, listen, "")
		c.SetDeadline(time.Now().Add(200 * time.Millisecond))
		if c.name, c.err = c.line(); c.name == "a" {
			served = append(served, c)
		} else {
			waiting = append(waiting, c)
		}
		if len(waiting) == 20 {
			break
		}
	}
	if len(served) < 20 || len(waiting) != 20 {
		t.Fatalf("%d are served, %d wait", len(served), len(waiting))
	}
	for _, c := range served {
		c.SetDeadline(time.Now().Add(maillab.Patience))
		c.says(t, "those inside notice nothing")
		c.Close()
	}
	for i, c := range waiting {
		c.SetDeadline(time.Now().Add(maillab.Patience))
		if name, err := c.line(); name != "a" {
			t.Errorf("who waited as number %d gets %q, %v", i, name, err)
		}
	}
	if r := lb.command(t, "balancer", "status"); r.code != 0 {
		t.Errorf("status: %+v", r)
	}
}
