// SPDX-License-Identifier: MIT

package balancer

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"posthouse/internal/maillab"
)

func TestWeight(t *testing.T) {
	t.Parallel()
	x, y := backend(t, "x"), backend(t, "y")
	b := run(t, fmt.Sprintf(`upstream: [{address: %q, weight: 3}, %q]`, x.Addr(), y.Addr()))
	b.wantNames("x x y x x x y x")
}

func TestLeastConn(t *testing.T) {
	t.Parallel()
	x, y := backend(t, "x"), backend(t, "y")
	b := run(t, fmt.Sprintf(`method: least_conn, upstream: [%q, %q]`, x.Addr(), y.Addr()))
	first := b.dial()
	if got := first.name(); got != "x" {
		t.Fatal(got)
	}
	for range 2 { // x has one, y has none
		s := b.dial()
		if got := s.name(); got != "y" {
			t.Errorf("got %q", got)
		}
		s.Close()
		maillab.Wait(t, patience, "the end of the session", func() bool { return b.services["s"].counts.current.Load() == 1 })
	}
}

// TestHash: a client has one server, whatever it does.
func TestHash(t *testing.T) {
	t.Parallel()
	x, y := backend(t, "x"), backend(t, "y")
	b := run(t, fmt.Sprintf(`method: hash, upstream: [%q, %q]`, x.Addr(), y.Addr()))
	seen := map[string]bool{}
	for i := range 20 {
		from := fmt.Sprintf("127.1.0.%d", i+1)
		first := b.dialFrom(from).name()
		if second := b.dialFrom(from).name(); first == "" || first != second {
			t.Errorf("%s: %q, then %q", from, first, second)
		}
		seen[first] = true
	}
	if len(seen) != 2 {
		t.Errorf("20 clients have %d servers", len(seen))
	}
}

// TestBackup: backups come when no primary is left; a primary that comes back gets the new sessions, and the old ones stay
// where they are.
func TestBackup(t *testing.T) {
	t.Parallel()
	x, y := backend(t, "x"), backend(t, "y")
	b := run(t, fmt.Sprintf(`upstream: [{address: %q, fail_timeout: 1s}, {address: %q, backup: true}]`, x.Addr(), y.Addr()))
	b.wantNames("x x")
	onX := b.dial()
	onX.name()
	x.Be(t, maillab.Refuses)
	onY := b.dial()
	if got := onY.name(); got != "y" {
		t.Fatalf("got %q", got)
	}
	b.says("server is out", "state=failed", "refused")
	if s := b.server(x.Addr()); s.State != "failed" || s.Failures != 1 || s.Why == "" {
		t.Errorf("%+v", s)
	}
	x.Be(t, maillab.Works)
	maillab.Wait(t, patience, "the primary", func() bool {
		s := b.dial()
		defer s.Close()
		return s.name() == "x"
	})
	b.says("server is up")
	if !onY.echoes() || !onX.echoes() {
		t.Error("a session was cut")
	}
	if n := strings.Count(b.log.String(), "server is out"); n != 1 {
		t.Errorf("it is out %d times:\n%s", n, b.log)
	}
}

func TestMaxConns(t *testing.T) {
	t.Parallel()
	x, y := backend(t, "x"), backend(t, "y")
	b := run(t, fmt.Sprintf(`upstream: [{address: %q, max_conns: 1}, {address: %q, max_conns: 1, backup: true}]`, x.Addr(), y.Addr()))
	first := b.dial()
	if got := first.name() + b.dial().name(); got != "xy" { // one after the other
		t.Fatal(got)
	}
	b.refused("the third")
	b.says("no server for a client")
	first.Close()
	maillab.Wait(t, patience, "room", func() bool { return b.server(x.Addr()).Connections == 0 })
	if got := b.dial().name(); got != "x" {
		t.Errorf("got %q", got)
	}
}

// TestNextUpstream: what fails goes on to the next server, as far as the three keys allow.
func TestNextUpstream(t *testing.T) {
	t.Parallel()
	var servers []string
	for range 3 {
		servers = append(servers, fmt.Sprintf("{address: %q, max_fails: 0}", maillab.Local(maillab.FreePort(t))))
	}
	last := backend(t, "last")
	keys := "upstream: [" + strings.Join(servers, ", ") + fmt.Sprintf(", {address: %q, backup: true}]", last.Addr())
	for more, want := range map[string]string{
		"":                            "last",
		", next_upstream: false":      "",
		", next_upstream_tries: 3":    "",
		", next_upstream_tries: 4":    "last",
		", next_upstream_timeout: 5m": "last",
	} {
		t.Run(more, func(t *testing.T) {
			t.Parallel()
			b := run(t, keys+more)
			s := b.dial()
			if got := s.name(); got != want {
				t.Errorf("got %q, want %q", got, want)
			}
			s.Close()
			if want == "" {
				b.says("no server for a client", "refused")
			} else {
				b.says("tries=4", "failed_try=")
			}
		})
	}
}

// TestNextUpstreamTimeout: after it no other server is tried; until then one is.
func TestNextUpstreamTimeout(t *testing.T) {
	t.Parallel()
	x, y := backend(t, "x"), backend(t, "y")
	x.Be(t, maillab.BlackHole)
	keys := fmt.Sprintf(`connect_timeout: 300ms, upstream: [{address: %q, max_fails: 0}, {address: %q, backup: true}]`, x.Addr(), y.Addr())
	if got := run(t, keys).dial().name(); got != "y" {
		t.Errorf("got %q", got)
	}
	run(t, keys+", next_upstream_timeout: 200ms").refused("after the time")
}

// TestTimeouts: of connecting, and of an idle session.
func TestTimeouts(t *testing.T) {
	t.Parallel()
	x := backend(t, "x")
	b := run(t, fmt.Sprintf(`timeout: 300ms, upstream: [%q]`, x.Addr()))
	s := b.dial()
	s.name()
	began := time.Now()
	if s.name() != "" || time.Since(began) < 200*time.Millisecond {
		t.Errorf("ended after %s", time.Since(began))
	}
	b.says(`reason="idle time-out"`)
}

func TestUnixSockets(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	x := maillab.NewBackend(t, "x", maillab.BackendOptions{Address: dir + "/server", Proxy: true})
	b := run(t, fmt.Sprintf(`listen: ["unix:%s/door"], proxy_protocol: v2, upstream: ["unix:%s"]`, dir, x.Addr()))
	s := b.dial()
	if got := s.name(); got != "x" || !s.echoes() {
		t.Fatalf("got %q", got)
	}
	if v := x.Visits()[0]; v.Client.IsValid() {
		t.Errorf("%+v", v)
	}
	if row := b.server("unix:" + x.Addr()); row.Connections != 1 {
		t.Errorf("%+v", row)
	}
}

// TestHealthCheckFindsOut: no client pays for a server that is dead.
func TestHealthCheckFindsOut(t *testing.T) {
	t.Parallel()
	x, y := backend(t, "x"), backend(t, "y")
	keys := fmt.Sprintf(`health_check: {interval: 100ms}, upstream: [%q, {address: %q, backup: true}]`, x.Addr(), y.Addr())
	b := run(t, keys)
	x.Kill(t)
	b.says("server is out", "state=unhealthy")
	b.wantNames("y y")
	if s := b.server(x.Addr()); s.Failures != 0 || s.State != "unhealthy" {
		t.Errorf("%+v", s)
	}
	x.Be(t, maillab.Works)
	b.says("server is up")
	b.wantNames("x")
	x.Kill(t)
	maillab.Wait(t, patience, "the second time", func() bool { return b.server(x.Addr()).State == "unhealthy" })
	if err := b.reload(fmt.Sprintf(`upstream: [%q, {address: %q, backup: true}]`, x.Addr(), y.Addr())); err != nil {
		t.Fatal(err)
	}
	if s := b.server(x.Addr()); s.State != "up" {
		t.Errorf("without checks nobody would find out: %+v", s)
	}
}

// TestEveryServerIsTried: also those that are out, when no other is left.
func TestEveryServerIsTried(t *testing.T) {
	t.Parallel()
	x, y := backend(t, "x"), backend(t, "y")
	b := run(t, fmt.Sprintf(`upstream: [%q, %q]`, x.Addr(), y.Addr()))
	x.Be(t, maillab.Refuses)
	y.Be(t, maillab.Refuses)
	b.refused("all are out")
	y.Be(t, maillab.Works)
	b.wantNames("y")
}

// TestHealthCheckAnnouncesNobody: to a server that wants a PROXY header, a check begins with LOCAL.
func TestHealthCheckAnnouncesNobody(t *testing.T) {
	t.Parallel()
	x := maillab.NewBackend(t, "x", maillab.BackendOptions{Proxy: true})
	run(t, fmt.Sprintf(`proxy_protocol: v2, health_check: {interval: 100ms}, upstream: [%q]`, x.Addr()))
	for _, v := range x.WaitVisits(t, 2) {
		if h := header(t, v.Header); !h.Local || h.Version != 2 {
			t.Errorf("%+v", h)
		}
	}
}

// TestSlowStart: a server that comes back, from a failure or from being drained, gets little at first.
func TestSlowStart(t *testing.T) {
	t.Parallel()
	x, y := backend(t, "x"), backend(t, "y")
	b := run(t, fmt.Sprintf(`slow_start: 1h, upstream: [{address: %q, weight: 10}, {address: %q, weight: 10}]`, x.Addr(), y.Addr()))
	for _, verb := range []string{"balancer.drain", "balancer.undrain"} {
		if _, err := call[Changed](b, verb, Arguments{Server: x.Addr()}); err != nil {
			t.Fatal(err)
		}
	}
	if s := b.server(x.Addr()); s.State != "slow start" || s.Effective > 1 {
		t.Errorf("%+v", s)
	}
	if got := strings.Count(b.names(20), "x"); got > 1 {
		t.Errorf("%d of 20", got)
	}
}

// TestFamilyWithoutARoute: an address that this machine cannot reach costs a client nothing but the try.
func TestFamilyWithoutARoute(t *testing.T) {
	t.Parallel()
	x := backend(t, "x")
	_, port, _ := net.SplitHostPort(x.Addr())
	d := &dns{}
	d.set(t, "imap.test. 60 IN A 127.0.0.1\nimap.test. 60 IN AAAA 100::1\n") // RFC 6666: goes nowhere
	b := run(t, fmt.Sprintf(`connect_timeout: 500ms, upstream: ["imap.test:%s"]`, port), zone(d))
	b.wantNames("x x")
	if s := b.server("127.0.0.1:" + port); s.Picked != 2 {
		t.Errorf("%+v", s)
	}
}

// TestOneNameInManyPlaces: services and servers that share a name are all told.
func TestOneNameInManyPlaces(t *testing.T) {
	t.Parallel()
	port, _ := twins(t, "127.0.0.5", "127.0.0.6")
	d := &dns{}
	d.set(t, "imap.test. 1 IN A 127.0.0.5\n")
	b := run(t, fmt.Sprintf(`upstream: ["imap.test:%d", {address: "imap.test:%d", backup: true}]`, port, port), zone(d), func(o *Options) {
		o.Config["other"] = o.Config["s"]
	})
	b.wantNames("127.0.0.5")
	d.set(t, "imap.test. 1 IN A 127.0.0.6\n")
	for _, service := range []string{"s", "other"} {
		maillab.Wait(t, patience, service, func() bool {
			all, err := call[ServiceStatus](b, "balancer.status", Arguments{Service: service})
			rows := all[0].Servers
			return err == nil && len(rows) == 2 && rows[0].Address.Addr().String() == "127.0.0.6" && rows[1].Address == rows[0].Address
		})
	}
	b.wantNames("127.0.0.6")
}

// TestManyListeners lead to one service.
func TestManyListeners(t *testing.T) {
	t.Parallel()
	x := backend(t, "x")
	b := run(t, fmt.Sprintf(`session_log: false, listen: ["127.0.0.1:0", "[::1]:0", {address: "127.0.0.1:0", proxy_protocol: required, proxy_networks: ["127.0.0.1"]}], upstream: [%q]`, x.Addr()))
	b.wantNames("x")
	b.addrs[0] = b.addrs[1]
	b.wantNames("x")
	b.addrs[0] = b.addrs[2]
	b.lets(true, "192.0.2.1")
	all, err := call[ServiceStatus](b, "balancer.status", Arguments{})
	if err != nil || len(all[0].Listen) != 3 {
		t.Errorf("%+v, %v", all, err)
	}
	b.stop()
	if strings.Contains(b.log.String(), "msg=session") {
		t.Errorf("session_log: false\n%s", b.log)
	}
}
