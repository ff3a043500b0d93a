// SPDX-License-Identifier: MIT

package resolver

import (
	"context"
	"io"
	"log"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/foxcpp/go-mockdns"
	"github.com/miekg/dns"

	"posthouse/config"
)

// serve runs a name server for UDP and TCP on one loopback port and gives its address.
func serve(t *testing.T, h dns.HandlerFunc) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p, err := net.ListenPacket("udp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []*dns.Server{{Listener: l, Handler: h}, {PacketConn: p, Handler: h}} {
		started := make(chan struct{})
		s.NotifyStartedFunc = func() { close(started) }
		go s.ActivateAndServe()
		<-started
		t.Cleanup(func() { s.Shutdown() })
	}
	return l.Addr().String()
}

// zoneAnswer serves records written as in a master file; a name without any gets the rcode.
func zoneAnswer(rcode int, records ...string) dns.HandlerFunc {
	return func(w dns.ResponseWriter, m *dns.Msg) {
		out := new(dns.Msg).SetRcode(m, rcode)
		out.AuthenticatedData = m.AuthenticatedData
		for _, r := range records {
			rr, err := dns.NewRR(r)
			if err != nil {
				panic(err)
			}
			if rr.Header().Rrtype == dns.TypeSOA {
				out.Ns = append(out.Ns, rr)
			} else {
				out.Answer = append(out.Answer, rr)
			}
		}
		w.WriteMsg(out)
	}
}

func counted(n *atomic.Int64, h dns.HandlerFunc) dns.HandlerFunc {
	return func(w dns.ResponseWriter, m *dns.Msg) { n.Add(1); h(w, m) }
}

func client(t *testing.T, o Options, servers ...string) *Client {
	t.Helper()
	o.Servers = servers
	if o.Timeout == 0 {
		o.Timeout = 5 * time.Second
	}
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestClientAgainstMockdns(t *testing.T) {
	t.Parallel()
	s, err := mockdns.NewServerWithLogger(map[string]mockdns.Zone{
		"example.test.":           {MX: []net.MX{{Host: "mx.example.test.", Pref: 10}}, TXT: []string{"hello"}},
		"mx.example.test.":        {A: []string{"192.0.2.1"}, AAAA: []string{"2001:db8::1"}},
		"broken.test.":            {Err: &net.DNSError{Err: "server failure", IsTemporary: true}},
		"1.2.0.192.in-addr.arpa.": {PTR: []string{"mx.example.test."}},
	}, log.New(io.Discard, "", 0), false)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	c := client(t, Options{}, s.LocalAddr().String())
	for _, q := range []struct{ kind, name, want string }{
		{"MX", "example.test", "{10 mx.example.test}"},
		{"MX", "gone.test", "NXDOMAIN"},
		{"MX", "mx.example.test", "NODATA"},
		{"MX", "broken.test", "temporary"},
		{"A", "mx.example.test", "192.0.2.1 2001:db8::1"},
		{"A", "localhost", "127.0.0.1 ::1"},
		{"TXT", "example.test", "hello"},
		{"PTR", "192.0.2.1", "mx.example.test"},
	} {
		if got := lookup(t, c, q.kind, q.name); got != q.want {
			t.Errorf("%s of %s: %q, want %q", q.kind, q.name, got, q.want)
		}
	}
}

func TestTruncatedIsAskedOverTCP(t *testing.T) {
	t.Parallel()
	full := zoneAnswer(dns.RcodeSuccess, `a.test. 60 IN TXT "`+strings.Repeat("x", 250)+`"`)
	addr := serve(t, func(w dns.ResponseWriter, m *dns.Msg) {
		if _, udp := w.LocalAddr().(*net.UDPAddr); udp {
			out := new(dns.Msg).SetReply(m)
			out.Truncated = true
			w.WriteMsg(out)
			return
		}
		full(w, m)
	})
	got, err := client(t, Options{}, addr).TXT(t.Context(), "a.test")
	if err != nil || len(got) != 1 || len(got[0]) != 250 {
		t.Errorf("%v, %v", got, err)
	}
}

func TestNextServer(t *testing.T) {
	t.Parallel()
	good := zoneAnswer(dns.RcodeSuccess, "a.test. 60 IN A 192.0.2.1")
	for name, bad := range map[string]dns.HandlerFunc{
		"SERVFAIL":         zoneAnswer(dns.RcodeServerFailure),
		"REFUSED":          zoneAnswer(dns.RcodeRefused),
		"another question": func(w dns.ResponseWriter, m *dns.Msg) { m.Question[0].Name = "b.test."; good(w, m) },
		"garbage":          func(w dns.ResponseWriter, m *dns.Msg) { w.Write([]byte("nonsense")) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := client(t, Options{Timeout: 2 * time.Second}, serve(t, bad), serve(t, good))
			if a, err := c.a(t.Context(), "a.test"); err != nil || len(a) != 1 {
				t.Errorf("%v, %v", a, err)
			}
			lone := client(t, Options{Timeout: 50 * time.Millisecond}, serve(t, bad))
			if _, err := lone.a(t.Context(), "a.test"); !Temporary(err) {
				t.Errorf("from that server alone: %v, want a temporary error", err)
			}
		})
	}
}

func TestServerWithoutEDNS(t *testing.T) {
	t.Parallel()
	good := zoneAnswer(dns.RcodeSuccess, "a.test. 60 IN A 192.0.2.1")
	addr := serve(t, func(w dns.ResponseWriter, m *dns.Msg) {
		if m.IsEdns0() != nil {
			w.WriteMsg(new(dns.Msg).SetRcode(m, dns.RcodeFormatError))
			return
		}
		good(w, m)
	})
	if a, err := client(t, Options{}, addr).a(t.Context(), "a.test"); err != nil || len(a) != 1 {
		t.Errorf("%v, %v", a, err)
	}
}

func TestAnswersOfOtherNamesAreNotBelieved(t *testing.T) {
	t.Parallel()
	addr := serve(t, zoneAnswer(dns.RcodeSuccess, "b.test. 60 IN A 192.0.2.66",
		"a.test. 60 IN CNAME c.test.", "c.test. 60 IN A 192.0.2.1"))
	if got := say(client(t, Options{}, addr).a(t.Context(), "a.test")); got != "192.0.2.1" {
		t.Errorf("got %s", got)
	}
}

func TestAuthenticOnlyFromThisMachine(t *testing.T) {
	t.Parallel()
	rr, _ := dns.NewRR("a.test. 60 IN A 192.0.2.1")
	msg := &dns.Msg{Answer: []dns.RR{rr}}
	msg.AuthenticatedData = true
	for _, trusted := range []bool{true, false} {
		if got := read(question{"a.test.", dns.TypeA}, msg, trusted).answer.Authentic; got != trusted {
			t.Errorf("trusted %v: authentic %v", trusted, got)
		}
	}
	c := client(t, Options{}, "127.0.0.53", "[::1]:5353", "192.0.2.53")
	for i, want := range []server{{"127.0.0.53:53", true}, {"[::1]:5353", true}, {"192.0.2.53:53", false}} {
		if c.servers[i] != want {
			t.Errorf("server %d: %+v, want %+v", i, c.servers[i], want)
		}
	}
	addr := serve(t, zoneAnswer(dns.RcodeSuccess, "a.test. 60 IN A 192.0.2.1"))
	if a, err := client(t, Options{}, addr).Ask(t.Context(), "a.test", dns.TypeA); err != nil || !a.Authentic {
		t.Errorf("%+v, %v: the AD bit was lost", a, err)
	}
}

func TestCacheKeepsToTTL(t *testing.T) {
	t.Parallel()
	soa := "test. 900 IN SOA ns.test. x.test. 1 2 3 4 30"
	for _, c := range []struct {
		name    string
		handler dns.HandlerFunc
		ttl     time.Duration
	}{
		{"records", zoneAnswer(dns.RcodeSuccess, "a.test. 60 IN A 192.0.2.1"), time.Minute},
		{"least of the chain", zoneAnswer(dns.RcodeSuccess, "a.test. 20 IN CNAME b.test.", "b.test. 60 IN A 192.0.2.1"), 20 * time.Second},
		{"a year is an hour", zoneAnswer(dns.RcodeSuccess, "a.test. 31536000 IN A 192.0.2.1"), time.Hour},
		{"NODATA", zoneAnswer(dns.RcodeSuccess, soa), 30 * time.Second},
		{"NXDOMAIN", zoneAnswer(dns.RcodeNameError, soa), 30 * time.Second},
		{"failure", zoneAnswer(dns.RcodeServerFailure), failureTTL},
		{"negative without SOA", zoneAnswer(dns.RcodeNameError), 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var asked atomic.Int64
			var now atomic.Int64
			r := client(t, Options{Now: func() time.Time { return time.Unix(0, now.Load()) }}, serve(t, counted(&asked, c.handler)))
			r.a(t.Context(), "a.test")
			first := asked.Load()
			now.Add(int64(c.ttl) - 1)
			r.a(t.Context(), "A.test.")
			if again := asked.Load() > first; again != (c.ttl == 0) {
				t.Errorf("asked again within its TTL: %v", again)
			}
			now.Add(1)
			before := asked.Load()
			if r.a(t.Context(), "a.test"); asked.Load() == before {
				t.Error("not asked again when the TTL was over")
			}
		})
	}
}

func TestCacheIsBounded(t *testing.T) {
	t.Parallel()
	c := newCache(1000, time.Now)
	q := func(i int) question { return question{string(rune('a' + i)), dns.TypeA} }
	for i := range 20 {
		c.put(q(i), finding{ttl: time.Hour, octets: 100})
		c.get(q(0))
	}
	if _, ok := c.get(q(0)); !ok {
		t.Error("what was used all the time went")
	}
	if _, ok := c.get(q(1)); ok {
		t.Error("what was not used stayed")
	}
	c.put(q(0), finding{ttl: time.Hour, octets: 100})
	c.put(q(30), finding{ttl: time.Hour, octets: 500})
	if _, ok := c.get(q(30)); ok || c.size > 1000 || len(c.known) != c.used.Len() {
		t.Errorf("size %d, %d known, %d used", c.size, len(c.known), c.used.Len())
	}
}

func TestEqualQuestionsAreSentOnce(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	release := make(chan struct{})
	good := zoneAnswer(dns.RcodeSuccess, "a.test. 60 IN A 192.0.2.1")
	c := client(t, Options{}, serve(t, counted(&asked, func(w dns.ResponseWriter, m *dns.Msg) { <-release; good(w, m) })))
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if _, err := c.a(t.Context(), "a.test"); err != nil {
				t.Error(err)
			}
		})
	}
	cancel()
	if _, err := c.a(ctx, "a.test"); !Temporary(err) {
		t.Errorf("a caller who gave up got %v", err)
	}
	close(release)
	all.Wait()
	if n := asked.Load(); n > 2 {
		t.Errorf("asked %d times", n)
	}
}

func TestConfig(t *testing.T) {
	t.Parallel()
	zone := filepath.Join(t.TempDir(), "zone")
	if err := os.WriteFile(zone, []byte(testZone), 0o600); err != nil {
		t.Fatal(err)
	}
	if r, err := Open(Config{ZoneFile: config.Path(zone)}); err != nil || lookup(t, r, "TXT", "example.test") == "" {
		t.Errorf("zone file: %v", err)
	}
	if _, err := Open(Config{Servers: []string{"dns.example.test"}}); err == nil {
		t.Error("a name as server was taken")
	}
	for text, want := range map[string]string{
		"servers: [dns.test]":                     "not the address of a name server",
		"servers: [::1]\nzone_file: zone":         "not from both",
		"servers: [::1, 127.0.0.1, ::2, 1.2.3.4]": "at most 3",
		"servers: ['127.0.0.1:0']":                "not the address",
	} {
		_, report := config.Parse("x.yaml", []byte(text), new(Config))
		if err := report.Err(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

func TestSystemServers(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "resolv.conf")
	text := "search example.test\nnameserver 127.0.0.53\nnameserver ::1\nnameserver 192.0.2.1\nnameserver 192.0.2.2\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := New(Options{ResolvConf: file})
	if err != nil || len(c.servers) != 3 || c.servers[1].addr != "[::1]:53" {
		t.Errorf("%+v, %v", c, err)
	}
	c, err = New(Options{ResolvConf: file + ".none"})
	if err != nil || len(c.servers) != 1 || c.servers[0].addr != "127.0.0.1:53" {
		t.Errorf("without the file: %+v, %v", c, err)
	}
}
