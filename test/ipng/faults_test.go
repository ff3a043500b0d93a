// SPDX-License-Identifier: MIT

//go:build interop

package ipng

import (
	"crypto/rand"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"posthouse/internal/maillab"
)

// faulty starts ours with the example's lists and a fault: lines of the cluster file, and what replaces the resolver.
func faulty(t *testing.T, n int, resolver string, lines ...string) *cluster {
	t.Helper()
	lab(t)
	s := readSets(t, "testdata/probes/ipng.txt")[0]
	s.probes, s.both["posthouse"] = nil, append(lines, "delivery: {transport_maps: \"inline:{ *=smtp:[10.0.3.9] }\"}")
	c := &cluster{mx: prepareSet(t, s, 100+n, example(t))}
	if resolver != "" {
		write(t, c.dir+"/posthouse.yaml", strings.Replace(read(t, c.dir+"/posthouse.yaml"), `"127.0.0.1:53"`, `"`+resolver+`"`, 1))
	}
	c.start(t)
	return c
}

// bounded sends a clean message and wants it taken, in time.
func (c *cluster) bounded(t *testing.T, limit time.Duration, message string) {
	t.Helper()
	began := time.Now()
	c.send(t, probe{client: "198.51.100.1", from: "<alice@eritap.com>", to: []string{"<pim@ipng.ch>"}}, message, taken)
	if took := time.Since(began); took > limit {
		t.Errorf("took %v, more than %v", took, limit)
	}
}

// explained wants words in what is said of a message like the one before.
func (c *cluster) explained(t *testing.T, words ...string) {
	t.Helper()
	out := c.command(t, "explain", "--client", "198.51.100.1", "--helo", "mx.eritap.com", "--from", "alice@eritap.com", "--to", "pim@ipng.ch")
	for _, w := range words {
		if !strings.Contains(out, w) {
			t.Errorf("explain does not say %q:\n%s", w, out)
		}
	}
}

// A resolver that is not there lists nobody: mail goes on, and at once.
func TestNoResolver(t *testing.T) {
	t.Parallel()
	c := faulty(t, 0, "127.0.0.99:53")
	c.bounded(t, 2*moment, mail("noresolver", ""))
	c.explained(t, "zen.spamhaus.org", "server 127.0.0.99:53", "connection refused")
}

// One that never answers costs its time-out, not one for each list.
func TestSilentResolver(t *testing.T) {
	t.Parallel()
	c := faulty(t, 1, "127.0.0.253:5300")
	c.bounded(t, 3*maillab.Patience/2, mail("silent", ""))
	c.explained(t, "zen.spamhaus.org", "server 127.0.0.253:5300", "timeout")
}

// What answers with nonsense is as good as what does not answer.
func TestGarbageResolver(t *testing.T) {
	t.Parallel()
	lab(t)
	conn, err := net.ListenPacket("udp", "127.0.0.98:53")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	go func() {
		b := make([]byte, 1500)
		for {
			n, from, err := conn.ReadFrom(b)
			if err != nil {
				return
			}
			rand.Read(b[12:n]) // the header stays, so that the answer belongs to the question
			b[2] |= 0x80
			b[7] = 9 // answers
			conn.WriteTo(b[:n], from)
			rand.Read(b[:n])
			conn.WriteTo(b[:n], from)
			conn.WriteTo(nil, from)
		}
	}()
	c := faulty(t, 2, "127.0.0.98:53")
	c.bounded(t, 3*maillab.Patience/2, mail("garbage", ""))
	c.explained(t, "zen.spamhaus.org", "server 127.0.0.98:53")
}

// A filter that takes the connection and says nothing is given up after its time, and default_action decides.
func TestStallingMilter(t *testing.T) {
	t.Parallel()
	lab(t)
	l, err := net.Listen("tcp", "10.0.6.1:11332")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go io.Copy(io.Discard, c)
		}
	}()
	accept := faulty(t, 3, "", `milters: [{address: "inet:10.0.6.1:11332", default_action: accept, connect_timeout: 1s, command_timeout: 1s, content_timeout: 2s}]`)
	began := time.Now()
	p := probe{client: "192.0.2.1", from: "<alice@eritap.com>", to: []string{"<pim@ipng.ch>"}}
	accept.send(t, p, mail("stall", ""), taken)
	if took := time.Since(began); took > moment {
		t.Errorf("took %v", took)
	}
	later := faulty(t, 4, "", `milters: [{address: "inet:10.0.6.1:11332", connect_timeout: 1s, command_timeout: 1s, content_timeout: 2s}]`)
	later.send(t, p, mail("stall2", ""), "MAIL 451 4.7.1")
	if out := later.command(t, "explain", "--last", "1"); !strings.Contains(out, "10.0.6.1:11332") || !strings.Contains(out, "451 4.7.1") {
		t.Errorf("explain --last does not say why:\n%s", out)
	}
	later.explained(t, "milter 10.0.6.1:11332", "failed: tempfail", "451 4.7.1")
	accept.explained(t, "milter 10.0.6.1:11332", "failed: accept")
}

// A refusal can be asked about afterwards, by the service that gave it.
func TestExplainLast(t *testing.T) {
	t.Parallel()
	c := faulty(t, 5, "")
	p := probe{client: "198.51.100.1", from: "<alice@eritap.com>", to: []string{"<pim@ipng.ch>"}}
	c.send(t, p, mail("refused", ""), "RCPT 554 5.7.1")
	out := c.command(t, "explain", "--last", "1")
	for _, w := range []string{"198.51.100.1", "alice@eritap.com", "pim@ipng.ch", "554 5.7.1", "reject_rbl_client zen.spamhaus.org=127.0.0.[2..11]", "127.0.0.4"} {
		if !strings.Contains(out, w) {
			t.Errorf("explain --last does not say %q:\n%s", w, out)
		}
	}
	c.explained(t, "554 5.7.1", "zen.spamhaus.org", "127.0.0.4", "listed by the example")
}
