// SPDX-License-Identifier: MIT

package node

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"testing"

	"posthouse/internal/listen"
	"posthouse/mail"
	"posthouse/smtpd"
	"posthouse/smtpin"
	"posthouse/smtpout"
	"posthouse/table"
)

// mxAt is smtp-in of a cluster of two, that listens at an address and is reached by others.
func mxAt(t *testing.T, address string, proxies ...string) self {
	t.Helper()
	c := &smtpin.Config{Config: smtpd.Config{Hostname: "mx.test", Listen: make([]listen.Config, 1)}}
	if err := c.Listen[0].UnmarshalScalar(address); err != nil {
		t.Fatal(err)
	}
	for _, a := range proxies {
		c.ProxyAddresses = append(c.ProxyAddresses, netip.MustParseAddr(a))
	}
	here := Node{Host: "node.test", Services: []string{SMTPIn}}
	nodes := []Node{here, {Host: "second.test", Services: []string{SMTPIn}}, {Host: "drop.test", Services: []string{Maildrop}}}
	s := (&Cluster{Config: &Config{SMTPIn: c, Nodes: nodes}, Self: here}).selfOf(SMTPIn)
	s.local = func() ([]net.Addr, error) {
		_, ours, _ := net.ParseCIDR("192.0.2.25/32")
		return []net.Addr{ours}, nil
	}
	return s
}

// An exchanger is us by its name, or by an address that leads back to this service, whatever a stranger's zone calls it.
func TestSelf(t *testing.T) {
	t.Parallel()
	everywhere, fixed, elsewhere := mxAt(t, ":25"), mxAt(t, "192.0.2.9:25"), mxAt(t, ":2525")
	behind := mxAt(t, ":2525", "203.0.113.5", "::ffff:203.0.113.6")
	for _, c := range []struct {
		s          self
		host, addr string
		want       bool
	}{
		{everywhere, "mx.test", "192.0.2.1", true},
		{everywhere, "NODE.test", "192.0.2.1", true},
		{everywhere, "second.test", "192.0.2.1", true},
		{everywhere, "drop.test", "192.0.2.1", false},
		{everywhere, "other.test", "192.0.2.1", false},
		{everywhere, "other.test", "192.0.2.25", true},
		{everywhere, "other.test", "::ffff:192.0.2.25", true},
		{fixed, "other.test", "192.0.2.25", false}, // another service may stand there
		{fixed, "other.test", "192.0.2.9", true},
		{elsewhere, "mx.test", "192.0.2.1", true},
		{elsewhere, "node.test", "192.0.2.1", false}, // some other MTA's port 25
		{elsewhere, "other.test", "192.0.2.25", false},
		{elsewhere, "other.test", "203.0.113.5", false},
		{behind, "other.test", "203.0.113.5", true},
		{behind, "other.test", "203.0.113.6", true},
		{behind, "other.test", "203.0.113.7", false},
		{elsewhere, "other.test", "127.0.0.1", true},
		{elsewhere, "other.test", "127.1.2.3", true},
		{elsewhere, "other.test", "0.0.0.0", true},
		{elsewhere, "other.test", "::", true},
		{elsewhere, "other.test", "::1", true},
		{elsewhere, "other.test", "::ffff:127.0.0.1", true},
	} {
		if got := c.s.is(c.host, []netip.Addr{netip.MustParseAddr("198.51.100.7"), netip.MustParseAddr(c.addr)}); got != c.want {
			t.Errorf("%+v: %s %s: %v", c.s, c.host, c.addr, got)
		}
	}
}

// TestSelfBesideTheMX: on one machine smtp-out may have smtp-in's name, which in an MX record means smtp-in alone.
func TestSelfBesideTheMX(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{"mx.test": false, "out.test": true} {
		in := &smtpin.Config{Config: smtpd.Config{Hostname: "MX.test"}}
		out := &smtpout.Config{Config: smtpd.Config{Hostname: name}}
		s := (&Cluster{Config: &Config{SMTPIn: in, SMTPOut: out}}).selfOf(SMTPOut)
		if got := s.is(name, []netip.Addr{netip.MustParseAddr("192.0.2.25")}); got != want {
			t.Errorf("%s: %v", name, got)
		}
		if !s.is(name, []netip.Addr{netip.MustParseAddr("127.0.0.1")}) {
			t.Errorf("%s: a loopback address is not us", name)
		}
	}
}

func transport(t *testing.T, kind, lines string) *table.Table {
	t.Helper()
	dir := t.TempDir()
	write(t, dir, "transport", lines)
	tab, err := table.Open(table.MustRef(kind+":transport"), dir)
	if err != nil {
		t.Fatal(err)
	}
	return tab
}

// The order of transport(5): address, address without extension, domain, parents, *.
func TestTransport(t *testing.T) {
	t.Parallel()
	r := &routes{delimiter: "+", transport: transport(t, "hash", `
user+ext@a.test  smtp:[ext.test]
user@a.test      smtp:[user.test]
a.test           smtp:[a.test]
.a.test          smtp:[below.test]
.test            smtp:[test.test]
*                smtp:[all.test]
`)}
	for to, want := range map[string]string{
		"user+ext@a.test":   "ext.test",
		"User+EXT@a.test":   "ext.test",
		"user+other@a.test": "user.test",
		"user@a.test":       "user.test",
		"other@a.test":      "a.test",
		"user@b.a.test":     "below.test",
		"user@c.b.a.test":   "below.test",
		"user@b.test":       "test.test",
		"user@b.invalid":    "all.test",
	} {
		p, err := mail.ParseAddress(to)
		if err != nil {
			t.Fatal(err)
		}
		if got, _ := r.lookup(r.transport.View(), p); got != "smtp:["+want+"]" {
			t.Errorf("%s: %s, want %s", to, got, want)
		}
	}
	for destination, want := range map[string]string{"a.test": "a.test", "user@a.test": "a.test", "x.invalid": "all.test"} {
		if got := r.hop(destination); got != "smtp:["+want+"]" {
			t.Errorf("hop of %s: %s", destination, got)
		}
	}
	if got := (&routes{}).hop("user@a.test"); got != "a.test" {
		t.Errorf("hop without a table: %s", got)
	}
}

// A pattern sees the whole address, never its domain alone, or it would match half of everything.
func TestTransportPatterns(t *testing.T) {
	t.Parallel()
	r := &routes{transport: transport(t, "regexp", "/^a/  smtp:[a.test]\n")}
	for to, want := range map[string]string{"alice@b.test": "smtp:[a.test]", "bob@a.test": ""} {
		p, _ := mail.ParseAddress(to)
		if got, _ := r.lookup(r.transport.View(), p); got != want {
			t.Errorf("%s: %q, want %q", to, got, want)
		}
	}
}

// noter is a carrier that relays to all, and says its name.
type noter string

func (n noter) Carry(_ context.Context, env *mail.Envelope, _ *mail.Message) mail.Outcome {
	out := mail.All(len(env.Recipients), mail.Result{Status: mail.Relayed})
	for i, r := range env.Recipients {
		out[i].Remote = string(n) + " " + r.To.String()
	}
	return out
}

// Recipients of one message with next hops of their own get their results in the envelope's order.
func TestSplit(t *testing.T) {
	t.Parallel()
	r := &routes{transport: transport(t, "hash", "b@a.test smtp:[b.test]\nd@a.test smtp:[b.test]\n")}
	env := &mail.Envelope{}
	for _, name := range strings.Split("a b c d", " ") {
		p, _ := mail.ParseAddress(name + "@a.test")
		env.Recipients = append(env.Recipients, mail.Recipient{To: p})
	}
	var parts split
	for _, h := range r.hops(env.Recipients) {
		parts = append(parts, part{noter("[" + h.nexthop + "]"), h.recipients})
	}
	var got []string
	for _, result := range parts.Carry(t.Context(), env, nil) {
		got = append(got, result.Remote)
	}
	want := "[] a@a.test, [smtp:[b.test]] b@a.test, [] c@a.test, [smtp:[b.test]] d@a.test"
	if s := strings.Join(got, ", "); s != want {
		t.Errorf("got  %s\nwant %s", s, want)
	}
}

// replies is a carrier that says what it likes, whoever the recipients are.
type replies mail.Outcome

func (r replies) Carry(context.Context, *mail.Envelope, *mail.Message) mail.Outcome {
	return mail.Outcome(r)
}

// TestSplitCountsForItself: a carrier that says too much or too little harms no other's recipients, and makes no success.
func TestSplitCountsForItself(t *testing.T) {
	t.Parallel()
	sent := mail.Result{Status: mail.Relayed}
	parts := split{
		{replies{sent, sent, sent}, []int{2}},
		{replies{sent}, []int{1, 0}},
		{replies(nil), []int{3}},
	}
	out := parts.Carry(t.Context(), &mail.Envelope{Recipients: make([]mail.Recipient, 4)}, nil)
	for i, want := range []mail.Status{mail.Unknown, mail.Relayed, mail.Relayed, mail.Unknown} {
		if out[i].Status != want {
			t.Errorf("%d: %v", i, out[i])
		}
	}
}
