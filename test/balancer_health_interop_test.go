// SPDX-License-Identifier: MIT

//go:build interop

package test

import (
	"bufio"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"posthouse/internal/maillab"
)

// TestHealthBesideNGINX has a primary that takes connections and is of no use: it says nothing, says that it is closing, shows a wrong
// certificate, resets, or is unreachable. NGINX finds out by its clients, if at all; we ask beforehand, and no client of ours waits.
func TestHealthBesideNGINX(t *testing.T) {
	t.Parallel()
	ca := maillab.NewCA(t)
	p, s := newPost(t, ca, "primary"), newPost(t, ca, "backup")
	a, b := p.Backend, s.Backend
	nginx, ours := door(t), door(t)
	maillab.NGINX(t, fmt.Sprintf("upstream u { server %s; server %s backup; }\nserver { listen %s; proxy_pass u; proxy_connect_timeout 1s; }", a.Addr(), b.Addr(), nginx))
	dir := maillab.Room(t, "ca-", "go test ./test")
	writeFile(t, dir, "ca.pem", string(ca.PEM()), 0o644)
	lb := startBalancer(t, "", service("imap", ours, []string{at(a, ""), at(b, "backup")}, "connect_timeout: 1s",
		fmt.Sprintf("health_check: {protocol: imap, tls: implicit, tls_name: imap.test, tls_ca_file: %q, interval: 1s}", dir+"/ca.pem")))
	long := tlsCall(t, ca, ours)
	if long.name != "primary" {
		t.Fatalf("served by %q at first (%v)", long.name, long.err)
	}
	var table strings.Builder
	for _, step := range []struct {
		what       string
		fail, mend func()
		nginx      string // what two clients of NGINX get
	}{
		{"says nothing", func() { a.Be(t, maillab.Stalls) }, func() { a.Be(t, maillab.Works) }, "nothing nothing"},
		{"certificate of another name", func() { p.broken.Store(true) }, func() { p.broken.Store(false) }, "nothing nothing"},
		{"says BYE", func() { p.closing.Store(true) }, func() { p.closing.Store(false) }, "BYE BYE"},
		{"resets at the first octet", func() { a.ResetAfter(t, 1) }, func() { a.Be(t, maillab.Works) }, "nothing nothing"},
		{"unreachable", func() { a.Be(t, maillab.BlackHole) }, func() { a.Be(t, maillab.Works) }, "backup,late backup"},
	} {
		step.fail()
		waitServer(t, lb, a, "down")
		fmt.Fprintf(&table, "  %-28s NGINX: %-20s", step.what, step.nginx)
		for _, who := range []struct{ name, address, want string }{{"NGINX", nginx, step.nginx}, {"we", ours, "backup backup"}} {
			if got := tlsCall(t, ca, who.address).name + " " + tlsCall(t, ca, who.address).name; got != who.want {
				t.Errorf("%s: %s: %s, want %s", step.what, who.name, got, who.want)
			}
		}
		step.mend()
		waitServer(t, lb, a, "up")
		c, other := tlsCall(t, ca, ours), tlsCall(t, ca, nginx)
		if c.name != "primary" {
			t.Errorf("%s: it came back, and a new client is served by %q", step.what, c.name)
		}
		fmt.Fprintf(&table, " we: backup backup; when it is back: NGINX %s, we primary\n", other.name)
		io.WriteString(long, "a NOOP\r\n")
		if line, err := long.line(); err != nil || line != "a OK" {
			t.Errorf("%s: the long session hears %q, %v", step.what, line, err)
		}
	}
	t.Logf("two clients while the primary fails\n%s", table.String())
}

// post is an IMAP server over TLS that can show the wrong certificate, or say that it is closing.
type post struct {
	*maillab.Backend
	broken, closing atomic.Bool
}

func newPost(t *testing.T, ca maillab.CA, name string) *post {
	t.Helper()
	good, wrong := ca.Certificate(t, "imap.test"), ca.Certificate(t, "other.test")
	p := &post{}
	p.Backend = maillab.NewBackend(t, name, maillab.BackendOptions{Serve: func(c *maillab.BackendConn) {
		shown, word := good, "OK"
		if p.broken.Load() {
			shown = wrong
		}
		if p.closing.Load() {
			word = "BYE"
		}
		conn := tls.Server(c, &tls.Config{Certificates: []tls.Certificate{shown}})
		fmt.Fprintf(conn, "* %s [CAPABILITY IMAP4rev1] %s\r\n", word, name)
		for lines := bufio.NewScanner(conn); lines.Scan(); {
			tag, _, _ := strings.Cut(lines.Text(), " ")
			fmt.Fprintf(conn, "%s OK\r\n", tag)
		}
	}})
	return p
}

// tlsCall is a client of IMAP over TLS that looks at the certificate and waits for two seconds. Its name is the server's, with ",late" if
// a connect had to time out before; BYE; or "nothing".
func tlsCall(t *testing.T, ca maillab.CA, address string) *caller {
	t.Helper()
	plain, began := dialFrom(t, address, ""), time.Now()
	conn := tls.Client(plain, &tls.Config{RootCAs: ca.Pool(), ServerName: "imap.test"})
	conn.SetDeadline(began.Add(2 * time.Second))
	c := &caller{Conn: conn, r: bufio.NewReader(conn)}
	line, err := c.line()
	words := strings.Fields(line)
	switch {
	case err != nil || len(words) < 5 && !strings.HasPrefix(line, "* BYE"):
		c.name, c.err = "nothing", err
	case words[1] == "BYE":
		c.name = "BYE"
	case time.Since(began) > 700*time.Millisecond:
		c.name = words[4] + ",late"
	default:
		c.name = words[4]
	}
	conn.SetDeadline(time.Now().Add(maillab.Patience * 2))
	return c
}

// waitServer waits until `balancer status` says of a server that it is up, or that it is not.
func waitServer(t *testing.T, lb *balanced, server *maillab.Backend, want string) {
	t.Helper()
	maillab.Wait(t, maillab.Patience, fmt.Sprintf("%s that is %s", server.Name, want), func() bool {
		var s struct {
			Servers []struct{ Server, State string }
		}
		if err := json.Unmarshal([]byte(lb.command(t, "balancer", "status", "--json").out), &s); err != nil {
			t.Fatal(err)
		}
		for _, one := range s.Servers {
			if one.Server == server.Addr() {
				return (one.State == "up") == (want == "up")
			}
		}
		return false
	})
}
