// SPDX-License-Identifier: MIT

package srstable

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"posthouse/config"
	"posthouse/srs"
)

// now is the time of PostSRSd's own unit vector.
const now = 1577836860

// options answer for srs.test by the secret "s".
func options(t testing.TB) Options {
	t.Helper()
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte("s\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var c srs.Config
	c.SetDefaults()
	c.Domain, c.SecretFile, c.ExcludeDomains = "srs.test", config.Path(file), []string{"plain.test", ".below.test"}
	r, err := srs.Open(c)
	if err != nil {
		t.Fatal(err)
	}
	r.Now = func() time.Time { return time.Unix(now, 0) }
	return Options{Rewriter: r, Log: slog.New(slog.DiscardHandler)}
}

const (
	alice = "SRS0=kFvk=2W=example.com=alice@srs.test" // of alice@example.com
	again = "SRS1=mD3H=first.test==abcd=2W=o.test=b@srs.test"
)

// TestTCPTable: what PostSRSd answers, word for word but for its misprint. The interop test asks PostSRSd itself.
func TestTCPTable(t *testing.T) {
	t.Parallel()
	s := New(options(t))
	for _, c := range []struct {
		kind          Kind
		request, want string
		closes        bool
	}{
		{Forward, "get alice@example.com", "200 " + alice, false},
		{Forward, "get alice@example.com\r", "200 " + alice, false},
		{Forward, "get alice%40example%2ecom", "200 " + alice, false},
		{Forward, "get alice@EXAMPLE.com", "200 " + alice, false},
		{Forward, "get SRS0=abcd=2W=o.test=b@first.test", "200 " + again, false},
		{Forward, "get " + again[:len(again)-len("srs.test")] + "second.test", "500 Already rewritten", false},
		{Forward, "get " + alice, "500 Already rewritten", false},
		{Forward, "get Someone@srs.test", "200 Someone@srs.test", false},
		{Forward, "get a%25b@srs.test", "200 a%25b@srs.test", false},
		{Forward, "get a@plain.test", "500 Domain excluded by policy", false},
		{Forward, "get a@x.Below.test", "500 Domain excluded by policy", false},
		{Forward, `get "a%20b"@example.com`, `200 "SRS0=OHJd=2W=example.com=a%20b"@srs.test`, false},
		{Forward, "get %C3%A9@example.com", "200 SRS0=ApbA=2W=example.com=%c3%a9@srs.test", false},
		{Forward, "get alice", "500 No at sign in sender address", false},
		{Forward, "get alice@", "500 Not a mail address", false},
		{Forward, "get a%00@b.test", "500 Not a mail address", false},
		{Forward, "get " + strings.Repeat("a", 250) + "@b.test", "500 Rewritten address too long.", false},
		{Forward, "get SRS1=x@b.test", "500 Malformed SRS address.", false},
		{Reverse, "get " + alice, "200 alice@example.com", false},
		{Reverse, "get " + strings.ToUpper(alice), "200 ALICE@example.com", false},
		{Reverse, "get " + again, "200 SRS0=abcd=2W=o.test=b@first.test", false},
		{Reverse, "get " + strings.Replace(alice, "srs.test", "former.test", 1), "200 alice@example.com", false},
		{Reverse, "get alice@srs.test", "500 Not an SRS address.", false},
		{Reverse, "get postmaster", "500 Not an SRS address.", false},
		{Reverse, "get SRS0=kFvl=2W=example.com=alice@srs.test", "500 Hash invalid in SRS address.", false},
		{Reverse, "get SRS0=kFvk=2V=example.com=alice@srs.test", "500 Hash invalid in SRS address.", false},
		{Reverse, "get SRS0=x@srs.test", "500 Malformed SRS address.", false},
		{Reverse, "get ", "500 Invalid request", false},
		{Reverse, "get a%4", "500 Invalid request", false},
		{Reverse, "get a%zz@b", "500 Invalid request", false},
		{Reverse, "", "500 Invalid request", true},
		{Reverse, "GET / HTTP/1.1", "500 Invalid request", true},
		{Reverse, "put a b", "500 Invalid request", true},
		{Reverse, "get " + strings.Repeat("a", maxRequest), "500 Request too long", true},
	} {
		speak, err := s.dialect(c.kind)
		if err != nil {
			t.Fatal(err)
		}
		rest, reply, open := speakAll(speak, []byte(c.request+"\n"), nil)
		if string(reply) != c.want+"\n" || open == c.closes || len(rest) > 0 {
			t.Errorf("%s %q: %q, open %v; want %q", c.kind, c.request, reply, open, c.want)
		}
	}
}

func netstring(s string) string { return fmt.Sprintf("%d:%s,", len(s), s) }

func TestSocketmap(t *testing.T) {
	t.Parallel()
	s := New(options(t))
	speak, _ := s.dialect(Socketmap)
	for _, c := range []struct {
		request, want string
		closes        bool
	}{
		{netstring("forward alice@example.com"), "OK " + alice, false},
		{netstring("reverse " + alice), "OK alice@example.com", false},
		{netstring("forward a@plain.test"), "NOTFOUND Domain excluded by policy", false},
		{netstring("reverse alice@example.com"), "NOTFOUND Not an SRS address.", false},
		{netstring("reverse "), "NOTFOUND Not an SRS address.", false},
		{netstring("virtual a@b.test"), "PERM Invalid map.", false},
		{netstring("forward"), "PERM Invalid query.", false},
		{netstring(""), "PERM Invalid query.", false},
		{"3:a b;", "PERM Invalid query.", true},
		{":a,", "PERM Invalid query.", true},
		{"get alice@example.com\n", "PERM Invalid query.", true},
		{"99999:", "PERM Invalid query.", true},
		{"0000000:,", "PERM Invalid query.", true},
	} {
		rest, reply, open := speakAll(speak, []byte(c.request), nil)
		if string(reply) != netstring(c.want) || open == c.closes || len(rest) > 0 {
			t.Errorf("%q: %q, open %v; want %q", c.request, reply, open, c.want)
		}
	}
}

func TestAlwaysRewrite(t *testing.T) {
	t.Parallel()
	o := options(t)
	o.AlwaysRewrite = true
	if a := New(o).forward("someone@srs.test"); !strings.HasPrefix(a.address, "SRS0=") {
		t.Errorf("%+v", a)
	}
	if a := New(o).forward(alice); a.why != "Already rewritten" {
		t.Errorf("%+v", a)
	}
}

// TestExpired: three weeks, as PostSRSd has it.
func TestExpired(t *testing.T) {
	t.Parallel()
	o := options(t)
	for days, want := range map[int]answer{21: {address: "alice@example.com"}, 22: {why: "Time stamp out of date."}} {
		o.Rewriter.Now = func() time.Time { return time.Unix(now, 0).Add(time.Duration(days) * 24 * time.Hour) }
		if got := New(o).reverse(alice); got != want {
			t.Errorf("after %d days: %+v", days, got)
		}
	}
}

// listener is a net.Listener of pipes, for a bubble.
type listener struct {
	conns chan net.Conn
	once  sync.Once
}

func (l *listener) Accept() (net.Conn, error) {
	if c, ok := <-l.conns; ok {
		return c, nil
	}
	return nil, net.ErrClosed
}

func (l *listener) Close() error   { l.once.Do(func() { close(l.conns) }); return nil }
func (l *listener) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "unix"} }

func (l *listener) dial() net.Conn {
	here, there := net.Pipe()
	l.conns <- there
	return here
}

// serving runs a Server in a bubble; end stops it.
func serving(t *testing.T, o Options) (l *listener, end func()) {
	t.Helper()
	s, l := New(o), &listener{conns: make(chan net.Conn)}
	done := make(chan error)
	go func() { done <- s.Serve(l, Forward) }()
	return l, func() {
		_ = l.Close()
		s.Stop(t.Context())
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// TestTimes: a connection may be silent for half an hour, a request that has begun may not take as long.
func TestTimes(t *testing.T) {
	t.Parallel()
	o := options(t)
	synctest.Test(t, func(t *testing.T) {
		l, end := serving(t, o)
		defer end()
		c := l.dial()
		time.Sleep(29 * time.Minute)
		want(t, c, "get alice@example.com\n", "200 "+alice+"\n")
		began := time.Now()
		if b, err := io.ReadAll(c); len(b) > 0 || err != nil || time.Since(began) != DefaultIdle {
			t.Errorf("%q, %v after %v", b, err, time.Since(began))
		}

		c = l.dial()
		began = time.Now()
		closed := make(chan struct{})
		go func() { defer close(closed); _, _ = io.ReadAll(c) }()
		for range 9 { // drop by drop does not help
			if _, err := io.WriteString(c, "g"); err != nil {
				t.Fatal(err)
			}
			time.Sleep(10 * time.Second)
		}
		<-closed
		if d := time.Since(began); d != operation {
			t.Errorf("a request that does not end was cut off after %v", d)
		}
	})
}

// TestReadsNothing: replies that nobody takes do not hold a connection for ever.
func TestReadsNothing(t *testing.T) {
	t.Parallel()
	o := options(t)
	synctest.Test(t, func(t *testing.T) {
		l, end := serving(t, o)
		defer end()
		c := l.dial()
		if _, err := io.WriteString(c, "get alice@example.com\n"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(operation + time.Second)
		if _, err := io.WriteString(c, "get alice@example.com\n"); !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("still open: %v", err)
		}
	})
}

func TestTooManyConnections(t *testing.T) {
	t.Parallel()
	o := options(t)
	o.MaxConnections = 2
	synctest.Test(t, func(t *testing.T) {
		l, end := serving(t, o)
		defer end()
		first, second, third := l.dial(), l.dial(), l.dial()
		if _, err := third.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("the third is open: %v", err)
		}
		_ = first.Close()
		synctest.Wait()
		want(t, second, "get alice@example.com\n", "200 "+alice+"\n")
		want(t, l.dial(), "get alice@example.com\n", "200 "+alice+"\n")
	})
}

// want asks one thing.
func want(t *testing.T, c net.Conn, request, reply string) {
	t.Helper()
	go func() { _, _ = io.WriteString(c, request) }()
	got := make([]byte, len(reply))
	if _, err := io.ReadFull(c, got); err != nil || string(got) != reply {
		t.Errorf("%.80q: %.80q, %v; want %.80q", request, got, err, reply)
	}
}

// counted counts what is written to a real socket.
type counted struct {
	net.Conn
	writes int
}

func (c *counted) Write(b []byte) (int, error) { c.writes++; return c.Conn.Write(b) }

// TestOneWrite: requests that come together are answered together, also when they end in the midst of one.
func TestOneWrite(t *testing.T) {
	t.Parallel()
	s := New(options(t))
	speak, _ := s.dialect(Forward)
	here, there := net.Pipe()
	counter := &counted{Conn: there}
	done := make(chan struct{})
	go func() { defer close(done); s.converse(counter, speak); _ = there.Close() }()
	const n = 100
	want(t, here, strings.Repeat("get alice@example.com\n", n)+"get alice@exa", strings.Repeat("200 "+alice+"\n", n))
	want(t, here, "mple.com\n", "200 "+alice+"\n")
	_ = here.Close()
	<-done
	if counter.writes != 2 {
		t.Errorf("%d writes", counter.writes)
	}
}

// TestExim: readsocket asks without a line end, and closes its half.
func TestExim(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := New(options(t))
	done := make(chan error)
	go func() { done <- s.Serve(l, Forward) }()
	for request, reply := range map[string]string{"get alice@example.com": "200 " + alice + "\n", "gets": "500 Invalid request\n", "": ""} {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(c, request)
		_ = c.(*net.TCPConn).CloseWrite()
		if got, err := io.ReadAll(c); err != nil || string(got) != reply {
			t.Errorf("%q: %q, %v", request, got, err)
		}
		_ = c.Close()
	}
	_ = l.Close()
	s.Stop(t.Context())
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// TestStop: what was asked is answered, and then the connection ends.
func TestStop(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := New(options(t))
	done := make(chan error)
	go func() { done <- s.Serve(l, Forward) }()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	want(t, c, "get alice@example.com\n", "200 "+alice+"\n")
	_ = l.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	s.Stop(ctx)
	if err := <-done; err != nil || ctx.Err() != nil {
		t.Error(err, ctx.Err())
	}
	if b, err := io.ReadAll(c); err != nil || len(b) > 0 {
		t.Errorf("%q, %v", b, err)
	}
}

// fuzzDialect: however the octets are cut up, the replies are the same, and nothing hangs.
func fuzzDialect(f *testing.F, kind Kind) {
	s := New(options(f))
	speak, err := s.dialect(kind)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, in []byte, cut uint) {
		_, whole, open := speakAll(speak, bytes.Clone(in), nil)
		first := int(cut % uint(len(in)+1))
		rest, reply, still := speakAll(speak, bytes.Clone(in[:first]), nil)
		if still {
			if len(rest) > maxRequest+8 {
				t.Fatalf("%d octets wait", len(rest))
			}
			_, reply, still = speakAll(speak, append(bytes.Clone(rest), in[first:]...), reply)
		}
		if still == open && !bytes.Equal(reply, whole) || still && !open {
			t.Errorf("%q at %d: %q, open %v; whole %q, open %v", in, first, reply, still, whole, open)
		}
	})
}

func FuzzTCPTable(f *testing.F) {
	for _, s := range []string{"get a@b.test\nget " + alice + "\n", "get %41%zz\r\n\n", "get \"a b\"@c.test\n", "put"} {
		f.Add([]byte(s), uint(7))
	}
	fuzzDialect(f, Forward)
}

func FuzzSocketmap(f *testing.F) {
	for _, s := range []string{"15:forward a@b.tes,", "0:,", "15:reverse a@b.tes;", "4:a b,,", "12345678"} {
		f.Add([]byte(s), uint(3))
	}
	fuzzDialect(f, Socketmap)
}

func BenchmarkForward(b *testing.B) {
	s := New(options(b))
	speak, _ := s.dialect(Forward)
	in, out := []byte("get alice@example.com\n"), []byte(nil)
	b.ReportAllocs()
	for b.Loop() {
		_, out, _ = speak(in, out[:0])
	}
}
