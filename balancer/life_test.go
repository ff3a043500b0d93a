// SPDX-License-Identifier: MIT

package balancer

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"posthouse/balancer/loop"
	"posthouse/internal/maillab"
)

// twins are servers at the same port of several loopback addresses, as a name may have them.
func twins(t *testing.T, ips ...string) (port int, all []*maillab.Backend) {
	t.Helper()
	port = maillab.FreePort(t)
	for _, ip := range ips {
		at := net.JoinHostPort(ip, fmt.Sprint(port))
		all = append(all, maillab.NewBackend(t, ip, maillab.BackendOptions{Address: at}))
	}
	return port, all
}

// TestNamesOfServers: all addresses of a name are servers; it is followed when they change, and sessions stay.
func TestNamesOfServers(t *testing.T) {
	t.Parallel()
	port, _ := twins(t, "127.0.0.2", "127.0.0.3", "127.0.0.4")
	d := &dns{}
	d.set(t, "imap.test. 1 IN A 127.0.0.2\nimap.test. 1 IN A 127.0.0.3\n")
	b := run(t, fmt.Sprintf(`upstream: ["imap.test:%d"]`, port), zone(d))
	b.wantNames("127.0.0.2 127.0.0.3 127.0.0.2 127.0.0.3")
	old := b.dial()
	from := old.name()
	d.set(t, "imap.test. 1 IN A 127.0.0.4\n")
	b.says("other addresses", `now=127.0.0.4`)
	maillab.Wait(t, patience, "the new address", func() bool { return len(b.services["s"].way.Load().group.Members()) == 1 })
	if got := b.dial().name(); got != "127.0.0.4" || !old.echoes() {
		t.Errorf("got %q; the session with %s: %v", got, from, old.echoes())
	}
	d.outage(1, 28)
	b.says("cannot be looked up")
	if got := b.dial().name(); got != "127.0.0.4" {
		t.Errorf("got %q", got)
	}
}

// TestNameComesLater: a service starts without a server, says so, and serves as soon as it can.
func TestNameComesLater(t *testing.T) {
	t.Parallel()
	x := backend(t, "x")
	_, port, _ := net.SplitHostPort(x.Addr())
	d := &dns{}
	d.set(t, "other.test. 1 IN A 127.0.0.1\n")
	b := run(t, fmt.Sprintf(`upstream: ["imap.test:%s"]`, port), zone(d))
	if err := b.Ready(); err == nil || !strings.Contains(err.Error(), "s: no server has an address") {
		t.Errorf("%v", err)
	}
	if s := b.server("imap.test:" + port); s.State != noAddress {
		t.Errorf("%+v", s)
	}
	b.refused("nobody is there")
	d.set(t, "imap.test. 1 IN A 127.0.0.1\n")
	maillab.Wait(t, patience, "the address", func() bool { return b.Ready() == nil })
	b.wantNames("x")
}

// TestDrain: a drained server gets no new sessions and keeps the old ones; it stays drained over a reload and a restart.
func TestDrain(t *testing.T) {
	t.Parallel()
	x, y := backend(t, "x"), backend(t, "y")
	state := func(dir string) func(*Options) { return func(o *Options) { o.State = dir } }(t.TempDir() + "/balancer")
	keys := fmt.Sprintf(`upstream: [%q, {address: %q, backup: true}]`, x.Addr(), y.Addr())
	b := run(t, keys, state)
	old := b.dial()
	old.name()
	got, err := call[Changed](b, "balancer.drain", Arguments{Server: x.Addr()})
	if err != nil || len(got) != 1 || got[0].Service != "s" || got[0].Connections != 1 || !got[0].Drained {
		t.Fatalf("%+v, %v", got, err)
	}
	if got := b.dial().name(); got != "y" || !old.echoes() {
		t.Errorf("got %q", got)
	}
	if s := b.server(x.Addr()); s.State != "drained" || s.Connections != 1 {
		t.Errorf("%+v", s)
	}
	if err := b.reload(keys, state); err != nil {
		t.Fatal(err)
	}
	if got := b.dial().name(); got != "y" {
		t.Errorf("after a reload: got %q", got)
	}
	b.stop()
	again := run(t, keys, state)
	again.wantNames("y")
	if _, err := call[Changed](again, "balancer.undrain", Arguments{Server: "127.0.0.1", Service: "s"}); err != nil {
		t.Fatal(err)
	}
	again.wantNames("x")
	if d := again.Drained(); len(d) != 0 {
		t.Errorf("%q", d)
	}
}

// TestDrainByAddress: one address of a name, and the rest of a name that is drained as a whole.
func TestDrainByAddress(t *testing.T) {
	t.Parallel()
	port, _ := twins(t, "127.0.0.2", "127.0.0.3")
	d := &dns{}
	d.set(t, "imap.test. 60 IN A 127.0.0.2\nimap.test. 60 IN A 127.0.0.3\n")
	b := run(t, fmt.Sprintf(`upstream: ["imap.test:%d"]`, port), zone(d))
	change := func(verb, server string, rows int) {
		t.Helper()
		got, err := call[Changed](b, verb, Arguments{Server: server})
		if err != nil || len(got) != rows {
			t.Errorf("%s %s: %+v, %v", verb, server, got, err)
		}
	}
	change("balancer.drain", "127.0.0.3", 1)
	b.wantNames("127.0.0.2 127.0.0.2")
	change("balancer.undrain", "IMAP.test", 2)
	change("balancer.drain", fmt.Sprintf("imap.test:%d", port), 2)
	change("balancer.undrain", fmt.Sprintf("127.0.0.3:%d", port), 1)
	b.wantNames("127.0.0.3 127.0.0.3")
	carried := b.Drained()
	other := run(t, fmt.Sprintf(`upstream: ["imap.test:%d"]`, port), zone(d))
	if err := other.SetDrained(carried); err != nil {
		t.Fatal(err)
	}
	other.wantNames("127.0.0.3 127.0.0.3")
}

func TestUnknownServer(t *testing.T) {
	t.Parallel()
	x := backend(t, "x")
	b := run(t, fmt.Sprintf(`upstream: [%q]`, x.Addr()))
	for _, args := range []Arguments{{Server: "imap.test"}, {}, {Service: "pop3", Server: x.Addr()}} {
		_, err := call[Changed](b, "balancer.drain", args)
		if err == nil || !strings.Contains(err.Error(), x.Addr()) && !strings.Contains(err.Error(), "there are: s") {
			t.Errorf("%+v: %v", args, err)
		}
	}
	if _, err := call[ServiceStatus](b, "balancer.status", Arguments{Server: "imap.test"}); err == nil {
		t.Error("status of an unknown server")
	}
}

func TestStatusAndMetrics(t *testing.T) {
	t.Parallel()
	x := backend(t, "x")
	dead := maillab.Local(maillab.FreePort(t))
	registry := prometheus.NewRegistry()
	b := run(t, fmt.Sprintf(`upstream: [%q, %q, {address: "192.0.2.1:1", down: true}], deny: ["127.9.0.0/16"]`, dead, x.Addr()),
		func(o *Options) { o.Registry = registry })
	s := b.dial()
	if s.name() != "x" || !s.echoes() {
		t.Fatal("no session")
	}
	if got := b.dialFrom("127.9.0.1").name(); got != "" {
		t.Errorf("got %q", got)
	}
	b.dialFrom("127.0.0.1").name()
	s.Close()
	maillab.Wait(t, patience, "the end of one", func() bool { return b.services["s"].counts.current.Load() == 1 })
	all, err := call[ServiceStatus](b, "balancer.status", Arguments{})
	if err != nil || len(all) != 1 {
		t.Fatal(all, err)
	}
	got := all[0]
	if got.Service != "s" || got.Sessions != 1 || got.Ended["client_closed"] != 1 || got.Refused["deny"] != 1 || got.FromClients != 6 ||
		got.FromServers != 8 || got.Listen[0] != b.addrs[0] || len(got.Servers) != 3 {
		t.Errorf("%+v", got)
	}
	if r := got.Servers[0]; r.State != "failed" || r.Failures != 1 || r.Until.IsZero() || !strings.Contains(r.Why, "refused") {
		t.Errorf("%+v", r)
	}
	if r := got.Servers[1]; r.State != "up" || r.Connections != 1 || r.Picked != 2 {
		t.Errorf("%+v", r)
	}
	if r := got.Servers[2]; r.State != "down" {
		t.Errorf("%+v", r)
	}
	text := scrape(t, registry)
	for _, want := range []string{
		"posthouse_balancer_connections{service=s} 1", "posthouse_balancer_connections_total{result=client_closed,service=s} 1",
		"posthouse_balancer_refused_total{reason=deny,service=s} 1", "posthouse_balancer_bytes_total{from=server,service=s} 8",
		"posthouse_balancer_server_up{server=" + x.Addr() + ",service=s} 1", "posthouse_balancer_server_up{server=" + dead + ",service=s} 0",
		"posthouse_balancer_server_failures_total{server=" + dead + ",service=s} 1",
		"posthouse_balancer_server_picked_total{server=" + x.Addr() + ",service=s} 2",
		"posthouse_balancer_server_connect_seconds{server=" + x.Addr() + ",service=s} 1", "posthouse_balancer_paused 0",
	} {
		if !strings.Contains(text, want+"\n") {
			t.Errorf("no %s in\n%s", want, text)
		}
	}
	b.stop()
	if text := scrape(t, registry); text != "" {
		t.Error("metrics of a balancer that has ended")
	}
}

// scrape is all metrics, each a line; of a summary it is the count.
func scrape(t *testing.T, r *prometheus.Registry) string {
	t.Helper()
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, f := range families {
		for _, m := range f.GetMetric() {
			var labels []string
			for _, l := range m.GetLabel() {
				labels = append(labels, l.GetName()+"="+l.GetValue())
			}
			b.WriteString(f.GetName())
			if len(labels) > 0 {
				b.WriteString("{" + strings.Join(labels, ",") + "}")
			}
			value := m.GetGauge().GetValue() + m.GetCounter().GetValue() + float64(m.GetSummary().GetSampleCount())
			fmt.Fprintf(&b, " %v\n", value)
		}
	}
	return b.String()
}

// TestReload: sessions go on, servers keep what is known of them, and a mistake changes nothing.
func TestReload(t *testing.T) {
	t.Parallel()
	x, y := backend(t, "x"), backend(t, "y")
	both := fmt.Sprintf(`upstream: [{address: %q, fail_timeout: 1h}, {address: %q, backup: true}]`, x.Addr(), y.Addr())
	b := run(t, both)
	onX := b.dial()
	onX.name()
	x.Be(t, maillab.Refuses)
	b.dial().name()
	if err := b.reload(both + ", deny: [missing]"); err == nil || !strings.Contains(err.Error(), "missing") {
		t.Errorf("%v", err)
	}
	x.Be(t, maillab.Works)
	if got := b.dial().name(); got != "y" {
		t.Errorf("a reload that failed: got %q", got)
	}
	if err := b.reload(both + ", next_upstream_tries: 1"); err != nil {
		t.Fatal(err)
	}
	if got := b.dial().name(); got != "y" {
		t.Errorf("x has failed, reload or not: got %q", got)
	}
	if s := b.server(x.Addr()); s.Connections != 1 || s.State != "failed" {
		t.Errorf("%+v", s)
	}
	if err := b.reload(fmt.Sprintf(`listen: ["127.0.0.1:1"], upstream: [%q], deny: ["127.9.0.0/16"]`, y.Addr())); err != nil {
		t.Fatal(err)
	}
	b.says("not in force before a restart", "setting=balancer.s.listen")
	if b.dialFrom("127.9.0.1").name() != "" || b.dial().name() != "y" || !onX.echoes() {
		t.Error("not taken over, or a session was cut")
	}
	o := b.options
	o.Config = Config{"new": o.Config["s"]}
	if err := b.Reload(o); err != nil {
		t.Fatal(err)
	}
	b.says(`setting="balancer.new (new)"`, `setting="balancer.s (gone)"`)
	if got := b.dial().name(); got != "y" {
		t.Errorf("a service that is gone from the file goes on: got %q", got)
	}
}

// TestReloadUnderTraffic: clients come and go while the file changes again and again. None is refused or cut.
func TestReloadUnderTraffic(t *testing.T) {
	t.Parallel()
	x, y := backend(t, "x"), backend(t, "y")
	listener := `listen: [{address: "127.0.0.1:0", proxy_protocol: required, proxy_networks: ["127.0.0.0/8"]}], `
	keys := []string{
		listener + fmt.Sprintf(`upstream: [%q, %q]`, x.Addr(), y.Addr()),
		listener + fmt.Sprintf(`method: least_conn, upstream: [%q, {address: %q, weight: 3}], health_check: {interval: 100ms}`, x.Addr(), y.Addr()),
		listener + fmt.Sprintf(`method: hash, upstream: [%q, {address: %q, backup: true}], client_connection_count_limit: 100`, x.Addr(), y.Addr()),
	}
	b := run(t, keys[0])
	stop := make(chan struct{})
	done := make(chan int)
	for range 4 {
		go func() {
			good := 0
			for {
				select {
				case <-stop:
					done <- good
					return
				default:
				}
				c, err := net.DialTimeout("tcp", b.addrs[0], patience)
				if err != nil {
					t.Errorf("refused: %v", err)
					continue
				}
				_ = c.SetDeadline(time.Now().Add(patience))
				_, _ = io.WriteString(c, "PROXY TCP4 192.0.2.1 192.0.2.2 40000 993\r\n")
				b := make([]byte, 2)
				if _, err := c.Read(b); err != nil {
					t.Errorf("cut: %v", err)
				}
				c.Close()
				good++
			}
		}()
	}
	for i := range 40 {
		if err := b.reload(keys[i%len(keys)]); err != nil {
			t.Error(err)
		}
		time.Sleep(5 * time.Millisecond)
	}
	close(stop)
	total := 0
	for range 4 {
		total += <-done
	}
	b.quiet()
	for _, at := range []string{x.Addr(), y.Addr()} {
		if s := b.server(at); s.Connections != 0 {
			t.Errorf("%+v", s)
		}
	}
	if total < 40 {
		t.Errorf("only %d sessions", total)
	}
}

// TestHandOver: sessions go on in another balancer, which counts them where they belong.
func TestHandOver(t *testing.T) {
	t.Parallel()
	x := backend(t, "x")
	keys := fmt.Sprintf(`upstream: [{address: %q, max_conns: 2}], client_connection_count_limit: 2`, x.Addr())
	old, next := run(t, keys), run(t, keys)
	stays, moves := old.dial(), old.dial()
	stays.name()
	moves.name()
	gone := old.dialFrom("127.0.0.2")
	if gone.name() != "" {
		t.Fatal("max_conns")
	}
	n := 0
	err := old.Surrender(t.Context(), func(tr loop.Transfer, i Info) error {
		if n++; n == 2 {
			i.Server, tr.Front = "gone.test:1", "gone" // a service and a server that the new file has not
		}
		return next.Adopt(tr, i)
	})
	if err != nil || n != 2 {
		t.Fatal(n, err)
	}
	old.stop()
	if !stays.echoes() || !moves.echoes() {
		t.Error("a session was cut")
	}
	if s := next.server(x.Addr()); s.Connections != 1 {
		t.Errorf("%+v", s)
	}
	key := "127.0.0.1"
	if n := next.services["s"].clients.Count(key); n != 1 {
		t.Errorf("%d connections of the client", n)
	}
	stays.Close()
	moves.Close()
	next.quiet()
	if s := next.server(x.Addr()); s.Connections != 0 || next.services["s"].clients.Count(key) != 0 {
		t.Errorf("%+v", s)
	}
	next.says("reason=\"client closed\" server="+x.Addr(), "balanced=gone", "server=gone.test:1")
	if strings.Contains(old.log.String(), "msg=session client=127.0.0.1") {
		t.Errorf("the old one ended sessions:\n%s", old.log)
	}
}

func TestServeWhatIsNotThere(t *testing.T) {
	t.Parallel()
	x := backend(t, "x")
	b := run(t, fmt.Sprintf(`upstream: [%q]`, x.Addr()))
	if err := b.Serve("pop3", 0, nil); err == nil {
		t.Error("no such service")
	}
	if err := b.Serve("s", 1, nil); err == nil {
		t.Error("no such listener")
	}
	idle, err := New(b.options)
	if err != nil {
		t.Fatal(err)
	}
	if err := idle.Ready(); err == nil || !strings.Contains(err.Error(), "does not listen yet") {
		t.Errorf("%v", err)
	}
	if err := idle.Close(); err != nil {
		t.Error(err)
	}
	if err := idle.Reload(b.options); err == nil {
		t.Error("a reload after the end")
	}
}

// TestAdoptFails: a session that cannot be taken over after all counts nowhere.
func TestAdoptFails(t *testing.T) {
	t.Parallel()
	x := backend(t, "x")
	b := run(t, fmt.Sprintf("client_connection_count_limit: 5, upstream: [%q]", x.Addr()))
	at := netip.MustParseAddrPort(x.Addr())
	i := Info{Client: netip.MustParseAddrPort("192.0.2.1:1000"), Server: at.String(), Address: at, Limited: true}
	if err := b.Adopt(loop.Transfer{Front: "s", Client: -1, Server: -1}, i); err == nil {
		t.Error("a session without descriptors was taken over")
	}
	s := b.services["s"]
	if n := s.counts.current.Load(); n != 0 || s.clients.Len() != 0 || b.server(x.Addr()).Connections != 0 {
		t.Errorf("%d sessions, %d clients, %+v", n, s.clients.Len(), b.server(x.Addr()))
	}
}
