// SPDX-License-Identifier: MIT

package balancer

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"posthouse/internal/listen"
	"posthouse/internal/maillab"
)

// patience is how long a test waits for what must come.
const patience = 20 * time.Second

// bed is a running balancer of one service s.
type bed struct {
	*Balancer
	t       *testing.T
	options Options
	log     *logged
	addrs   []string // of its listeners
	stop    func()   // ends it, and waits
}

// run starts a balancer of the service whose keys are given: a listener of its own on 127.0.0.1 is added unless there is one.
func run(t *testing.T, keys string, change ...func(*Options)) *bed {
	t.Helper()
	b := &bed{t: t, log: &logged{}}
	b.options = Options{Config: service1(t, keys), Resolver: &dns{}, Log: b.log.logger(), Watch: 20 * time.Millisecond}
	for _, f := range change {
		f(&b.options)
	}
	var err error
	if b.Balancer, err = New(b.options); err != nil {
		t.Fatal(err)
	}
	b.serve()
	stop, cancel := context.WithCancel(context.Background())
	hard, cut := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- b.Run(stop, hard) }()
	b.stop = sync.OnceFunc(func() {
		cancel()
		cut()
		if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("the balancer ended with %v", err)
		}
		if t.Failed() {
			t.Log(b.log)
		}
	})
	t.Cleanup(b.stop)
	return b
}

// service1 is a section of one service s.
func service1(t *testing.T, keys string) Config {
	t.Helper()
	if !strings.Contains(keys, "listen:") {
		keys = `listen: ["127.0.0.1:0"], ` + keys
	}
	c, report := parse(t, keys)
	if report.Err() != nil {
		t.Fatal(report.Err())
	}
	return c
}

func (b *bed) serve() {
	b.t.Helper()
	for i, c := range b.options.Config["s"].Listen {
		l, err := listen.Open(b.t.Context(), c)
		if err != nil {
			b.t.Fatal(err)
		}
		b.t.Cleanup(func() { l.Close() })
		b.addrs = append(b.addrs, l.Addr().String())
		if err := b.Serve("s", i, l); err != nil {
			b.t.Fatal(err)
		}
	}
}

// reload gives the service other keys.
func (b *bed) reload(keys string, change ...func(*Options)) error {
	b.t.Helper()
	o := b.options
	o.Config = service1(b.t, keys)
	for _, f := range change {
		f(&o)
	}
	return b.Reload(o)
}

// dial connects to the first listener. What the client sees is read from R.
func (b *bed) dial() *session {
	b.t.Helper()
	return b.dialFrom("")
}

// session is a client.
type session struct {
	net.Conn
	t *testing.T
	r *bufio.Reader
}

// dialFrom is dial from an address of this machine.
func (b *bed) dialFrom(ip string) *session {
	b.t.Helper()
	d := net.Dialer{Timeout: patience}
	network := "tcp"
	if strings.HasPrefix(b.addrs[0], "/") {
		network = "unix"
	} else if ip != "" {
		d.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(ip), 0))
	}
	c, err := d.Dial(network, b.addrs[0])
	if err != nil {
		b.t.Fatal(err)
	}
	_ = c.SetDeadline(time.Now().Add(patience))
	b.t.Cleanup(func() { c.Close() })
	return &session{c, b.t, bufio.NewReader(c)}
}

// name is the first line, the server's name; "" if the session was closed without a byte.
func (s *session) name() string {
	s.t.Helper()
	line, err := s.r.ReadString('\n')
	if err != nil && line == "" {
		var late net.Error
		if errors.As(err, &late) && late.Timeout() {
			s.t.Error("neither a line nor an end")
		}
		return ""
	}
	return strings.TrimSpace(line)
}

// echoes says something and wants to hear it again.
func (s *session) echoes() bool {
	s.t.Helper()
	if _, err := io.WriteString(s, "hello\n"); err != nil {
		return false
	}
	line, _ := s.r.ReadString('\n')
	return line == "hello\n"
}

// names are the servers that clients get, one after the other; each leaves before the next comes.
func (b *bed) names(n int) string {
	b.t.Helper()
	var out []string
	for range n {
		s := b.dial()
		out = append(out, s.name())
		s.Close()
		b.quiet()
	}
	return strings.Join(out, " ")
}

// quiet waits until all sessions have ended.
func (b *bed) quiet() {
	b.t.Helper()
	maillab.Wait(b.t, patience, "the end of all sessions", func() bool { return b.services["s"].counts.current.Load() == 0 })
}

func (b *bed) wantNames(want string) {
	b.t.Helper()
	if got := b.names(len(strings.Fields(want))); got != want {
		b.t.Errorf("servers %q, want %q", got, want)
	}
}

// refused wants a client to be closed without a byte.
func (b *bed) refused(what string) {
	b.t.Helper()
	if got := b.dial().name(); got != "" {
		b.t.Errorf("%s: got %q, want to be refused", what, got)
	}
}

// says waits for words in the log.
func (b *bed) says(words ...string) {
	b.t.Helper()
	for _, w := range words {
		maillab.Wait(b.t, patience, w, func() bool { return strings.Contains(b.log.String(), w) })
	}
}

// call is a command of the control socket.
func call[T any](b *bed, verb string, args Arguments) ([]T, error) {
	b.t.Helper()
	raw, err := json.Marshal(args)
	if err != nil {
		b.t.Fatal(err)
	}
	var out []T
	err = b.Verbs()[verb](b.t.Context(), raw, func(v any) error {
		out = append(out, v.(T))
		return nil
	})
	return out, err
}

// server is the row of a server.
func (b *bed) server(name string) ServerStatus {
	b.t.Helper()
	all, err := call[ServiceStatus](b, "balancer.status", Arguments{Service: "s"})
	if err != nil {
		b.t.Fatal(err)
	}
	i := slices.IndexFunc(all[0].Servers, func(s ServerStatus) bool { return s.Server == name || s.Address.String() == name })
	if i < 0 {
		b.t.Fatalf("no %s in %+v", name, all[0].Servers)
	}
	return all[0].Servers[i]
}

// backend starts a server.
func backend(t *testing.T, name string) *maillab.Backend {
	t.Helper()
	return maillab.NewBackend(t, name, maillab.BackendOptions{})
}

// zone is an option: names from a zone that the test may change.
func zone(d *dns) func(*Options) { return func(o *Options) { o.Resolver = d } }
