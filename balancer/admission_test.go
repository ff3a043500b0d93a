// SPDX-License-Identifier: MIT

package balancer

import (
	"bufio"
	"fmt"
	"io"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"

	"posthouse/balancer/proxy"
	"posthouse/internal/maillab"

	"github.com/pires/go-proxyproto"
)

// behind is the keys of a service behind a PROXY listener, with which a test announces any client it likes.
func behind(t *testing.T, x *maillab.Backend, more string) string {
	t.Helper()
	return fmt.Sprintf(`listen: [{address: "127.0.0.1:0", proxy_protocol: required, proxy_networks: ["127.0.0.0/8"]}], upstream: [%q]`, x.Addr()) + more
}

// as is a client that a proxy announces.
func (b *bed) as(ip string) *session {
	b.t.Helper()
	h := proxy.Header{Source: netip.AddrPortFrom(netip.MustParseAddr(ip), 40000), Destination: netip.MustParseAddrPort("192.0.2.250:993")}
	if h.Source.Addr().Is6() {
		h.Destination = netip.MustParseAddrPort("[2001:db8:ffff::1]:993")
	}
	s := b.dial()
	if _, err := s.Write(h.Append(nil, 2)); err != nil {
		b.t.Error(err)
	}
	return s
}

// lets wants clients to be let in.
func (b *bed) lets(yes bool, clients ...string) {
	b.t.Helper()
	for _, c := range clients {
		s := b.as(c)
		if got := s.name() != ""; got != yes {
			b.t.Errorf("%s is let in: %v, want %v", c, got, yes)
		}
		s.Close()
	}
}

func TestAllowAndDeny(t *testing.T) {
	t.Parallel()
	x := backend(t, "x")
	b := run(t, behind(t, x, `, allow: ["198.19.0.0/16", "2001:678:d78:500::/56"], deny: ["198.19.7.0/24", "2001:678:d78:501::/64"]`))
	b.lets(true, "198.19.0.1", "198.19.255.1", "2001:678:d78:500::1", "2001:678:d78:5ff::1", "::ffff:198.19.0.1")
	b.lets(false, "198.19.7.1", "198.20.0.1", "2001:678:d78:501::1", "2001:678:d78:600::1", "127.0.0.1")
	all, err := call[ServiceStatus](b, "balancer.status", Arguments{})
	if err != nil || all[0].Refused["deny"] != 2 || all[0].Refused["allow"] != 3 {
		t.Errorf("%+v, %v", all, err)
	}
	b.says("msg=refused balanced=s client=198.19.7.1 reason=deny")
}

// TestDenyByPeer: without PROXY it is the peer's address, of either family.
func TestDenyByPeer(t *testing.T) {
	t.Parallel()
	x := backend(t, "x")
	b := run(t, fmt.Sprintf(`deny: ["127.0.0.8/29"], upstream: [%q]`, x.Addr()))
	if got := b.dialFrom("127.0.0.9").name(); got != "" {
		t.Errorf("got %q", got)
	}
	if got := b.dialFrom("127.0.0.16").name(); got != "x" {
		t.Errorf("got %q", got)
	}
	six := run(t, fmt.Sprintf(`listen: ["[::1]:0"], allow: ["::1"], upstream: [%q]`, x.Addr()))
	six.wantNames("x")
	run(t, fmt.Sprintf(`listen: ["[::1]:0"], deny: ["::1"], upstream: [%q]`, x.Addr())).refused("::1")
}

// TestListsAreReadAgain: a file that changes is in force soon; one that is broken changes nothing.
func TestListsAreReadAgain(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "bad")
	write(t, path, "192.0.2.0/24\n")
	x := backend(t, "x")
	b := run(t, behind(t, x, `, deny: [bad]`), func(o *Options) { o.Dir = dir })
	b.lets(false, "192.0.2.1")
	b.lets(true, "203.0.113.1")
	write(t, path, "192.0.2.0/24\nnonsense\n")
	b.says("not taken over; the last good one stays in force", "balancer.s.deny", "bad:2")
	b.lets(false, "192.0.2.1")
	write(t, path, "203.0.113.0/24\n")
	maillab.Wait(t, patience, "the new list", func() bool {
		s := b.as("192.0.2.1")
		defer s.Close()
		return s.name() == "x"
	})
	b.lets(false, "203.0.113.1")
}

func TestMissingListIsNoStart(t *testing.T) {
	t.Parallel()
	_, err := New(Options{Config: service1(t, small[len(`listen: [":993"], `):]+`, deny: [missing]`), Dir: t.TempDir(), Resolver: &dns{}})
	if err == nil || !strings.Contains(err.Error(), "balancer.s: ") || !strings.Contains(err.Error(), "missing") {
		t.Errorf("%v", err)
	}
}

func TestCountLimit(t *testing.T) {
	t.Parallel()
	x := backend(t, "x")
	b := run(t, behind(t, x, `, client_connection_count_limit: 2`), func(o *Options) {
		o.Networks = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	})
	var first *session
	for range 2 {
		first = b.as("192.0.2.1")
		if got := first.name(); got != "x" {
			t.Errorf("got %q", got)
		}
	}
	b.lets(false, "192.0.2.1")
	b.lets(true, "192.0.2.2")
	six := b.as("2001:db8::1")
	six.name()
	other := b.as("2001:db8::2") // of the same /64
	other.name()
	b.lets(false, "2001:db8::3")
	for range 4 { // mynetworks have no limit
		if got := b.as("10.1.1.1").name(); got != "x" {
			t.Errorf("got %q", got)
		}
	}
	first.Close()
	maillab.Wait(t, patience, "room for one more", func() bool { return b.services["s"].clients.Count("192.0.2.1") == 1 })
	b.lets(true, "192.0.2.1")
	b.says("reason=count")
}

func TestRateLimit(t *testing.T) {
	t.Parallel()
	x := backend(t, "x")
	b := run(t, behind(t, x, `, client_connection_rate_limit: 3`), func(o *Options) {
		o.Networks = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	})
	b.lets(true, "192.0.2.1", "192.0.2.1", "192.0.2.1", "192.0.2.2")
	b.lets(false, "192.0.2.1", "192.0.2.1")
	b.lets(true, "10.0.0.1", "10.0.0.1", "10.0.0.1", "10.0.0.1", "10.0.0.1")
	b.says("reason=rate")
}

// TestNobody: a proxy that says LOCAL or UNKNOWN speaks for itself. It has no limits, and is in no list.
func TestNobody(t *testing.T) {
	t.Parallel()
	x := backend(t, "x")
	local := func(b *bed) string {
		b.t.Helper()
		s := b.dial()
		_, _ = io.WriteString(s, "PROXY UNKNOWN\r\n")
		return s.name()
	}
	limited := run(t, behind(t, x, `, client_connection_count_limit: 1, client_connection_rate_limit: 1, deny: ["127.0.0.0/8"]`))
	for range 3 {
		if got := local(limited); got != "x" {
			t.Errorf("got %q", got)
		}
	}
	if got := local(run(t, behind(t, x, `, allow: ["127.0.0.0/8"]`))); got != "" {
		t.Errorf("allow lets nobody in: got %q", got)
	}
}

// TestProxyListener: without a header nobody comes in, and from elsewhere nobody may send one.
func TestProxyListener(t *testing.T) {
	t.Parallel()
	x := backend(t, "x")
	b := run(t, behind(t, x, ""))
	s := b.dial()
	_, _ = io.WriteString(s, "EHLO client.test\r\n")
	if got := s.name(); got != "" {
		t.Errorf("got %q", got)
	}
	elsewhere := run(t, strings.Replace(behind(t, x, ""), "127.0.0.0/8", "192.0.2.0/24", 1))
	if got := elsewhere.as("192.0.2.1").name(); got != "" {
		t.Errorf("got %q", got)
	}
	elsewhere.says("reason=untrusted")
	b.says("reason=header", "no PROXY header")
	silent := run(t, behind(t, x, ", proxy_protocol_timeout: 200ms"))
	silent.refused("who says nothing")
}

// TestProxyOut: the server learns who the client is and where he came to, in either version.
func TestProxyOut(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"v1", "v2"} {
		x := maillab.NewBackend(t, "x", maillab.BackendOptions{Proxy: true})
		b := run(t, fmt.Sprintf(`proxy_protocol: %s, upstream: [%q]`, version, x.Addr()))
		s := b.dial()
		if got := s.name(); got != "x" || !s.echoes() {
			t.Fatalf("%s: got %q", version, got)
		}
		h := header(t, x.WaitVisits(t, 1)[0].Header)
		if h.Client.String() != s.LocalAddr().String() || h.At.String() != b.addrs[0] || h.Version != int(version[1]-'0') {
			t.Errorf("%s: %+v", version, h)
		}
		b.stop()
		if n := s.LocalAddr().String(); !strings.Contains(b.log.String(), "client="+n) {
			t.Errorf("the log lacks %s:\n%s", n, b.log)
		}
	}
}

func header(t *testing.T, raw string) maillab.ProxyHeader {
	t.Helper()
	h, err := maillab.ReadProxyHeader(bufio.NewReader(strings.NewReader(raw)))
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// TestProxyInAndOut: what one proxy says is passed on, with what is attached to it.
func TestProxyInAndOut(t *testing.T) {
	t.Parallel()
	in := proxy.Header{
		Source: netip.MustParseAddrPort("192.0.2.1:40000"), Destination: netip.MustParseAddrPort("192.0.2.250:993"),
		TLVs: []proxyproto.TLV{{Type: proxyproto.PP2_TYPE_AUTHORITY, Value: []byte("imap.test")}, {Type: 0xEA, Value: []byte("vpce")}},
	}
	for _, c := range []struct {
		in  int
		out string
		tlv string
	}{{2, "v2", "imap.test vpce"}, {2, "v1", ""}, {1, "v2", ""}, {1, "v1", ""}} {
		x := maillab.NewBackend(t, "x", maillab.BackendOptions{Proxy: true})
		b := run(t, behind(t, x, ", proxy_protocol: "+c.out))
		s := b.dial()
		_, _ = s.Write(append(in.Append(nil, c.in), "hello\n"...)) // its first words come with the header
		if got := s.name() + s.name(); got != "xhello" {
			t.Errorf("%+v: got %q", c, got)
		}
		h := header(t, x.WaitVisits(t, 1)[0].Header)
		var tlvs []string
		for _, a := range h.Attachments {
			tlvs = append(tlvs, a.Value)
		}
		if h.Client != in.Source || h.At != in.Destination || strings.Join(tlvs, " ") != c.tlv {
			t.Errorf("%+v: %+v", c, h)
		}
		s.Close()
		b.says("client=192.0.2.1:40000")
	}
}

// TestProxyOfNobody: LOCAL stays LOCAL, and UNKNOWN.
func TestProxyOfNobody(t *testing.T) {
	t.Parallel()
	x := maillab.NewBackend(t, "x", maillab.BackendOptions{Proxy: true})
	b := run(t, behind(t, x, ", proxy_protocol: v2"))
	s := b.dial()
	_, _ = io.WriteString(s, "PROXY UNKNOWN\r\n")
	if got := s.name(); got != "x" {
		t.Errorf("got %q", got)
	}
	if h := header(t, x.WaitVisits(t, 1)[0].Header); !h.Local || h.Version != 2 {
		t.Errorf("%+v", h)
	}
}
