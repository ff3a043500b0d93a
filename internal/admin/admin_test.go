// SPDX-License-Identifier: MIT

package admin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

func serveHTTP(t *testing.T, o Options) string {
	t.Helper()
	o.Listen = "127.0.0.1:0"
	if o.Registry == nil {
		o.Registry = prometheus.NewRegistry()
	}
	s, err := NewServer(o)
	if err != nil {
		t.Fatal(err)
	}
	stop, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- s.Serve(stop, context.Background()) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return "http://" + s.Addr().String()
}

func TestPages(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	counter := prometheus.NewCounter(prometheus.CounterOpts{Name: "posthouse_smtp_in_x_total", Help: "x"})
	registry.MustRegister(counter)
	counter.Inc()
	red := func() error { return errors.New("queue: disk full") }
	mad := func() error { panic("nil map") }
	for _, c := range []struct {
		method, path string
		ready        func() error
		code         int
		body         string
	}{
		{"GET", "/metrics", nil, 200, "posthouse_smtp_in_x_total 1\n"},
		{"GET", "/healthz", red, 200, `{"status":"alive"}`},
		{"GET", "/readyz", nil, 200, `{"status":"ready"}`},
		{"GET", "/readyz", red, 503, `{"status":"not ready","reason":"queue: disk full"}`},
		{"GET", "/readyz", mad, 503, `readiness is unknown: nil map`},
		{"POST", "/readyz", nil, 405, "Method Not Allowed"},
		{"DELETE", "/metrics", nil, 405, "Method Not Allowed"},
		{"GET", "/", nil, 404, "not found"},
		{"GET", "/debug/pprof/", nil, 404, "not found"},
	} {
		t.Run(c.method+c.path, func(t *testing.T) {
			t.Parallel()
			req, err := http.NewRequestWithContext(t.Context(), c.method, serveHTTP(t, Options{Registry: registry, Ready: c.ready})+c.path, nil)
			if err != nil {
				t.Fatal(err)
			}
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			body, err := io.ReadAll(resp.Body)
			if err != nil {
				t.Fatal(err)
			}
			if resp.StatusCode != c.code || !strings.Contains(string(body), c.body) {
				t.Errorf("%d %s", resp.StatusCode, body)
			}
		})
	}
}

func TestPortInUseIsKnownAtTheStart(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, err = NewServer(Options{Listen: l.Addr().String()})
	if err == nil || !strings.HasPrefix(err.Error(), "admin.listen: ") {
		t.Errorf("got %v", err)
	}
}

func TestBoundedClosesWhatIsOver(t *testing.T) {
	t.Parallel()
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := newBounded(inner, 1)
	defer l.Close()
	accepted := make(chan net.Conn)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			accepted <- c
		}
	}()
	dial := func() net.Conn {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	first := dial()
	defer first.Close()
	served := <-accepted
	over := dial()
	defer over.Close()
	if _, err := over.Read(make([]byte, 1)); err == nil {
		t.Error("the second was served")
	}
	served.Close()
	served.Close() // frees one place, not two
	third := dial()
	defer third.Close()
	(<-accepted).Close()
}

func FuzzRequest(f *testing.F) {
	f.Add([]byte(`{"verb":"echo","args":{"x":1}}`))
	f.Add([]byte(`{"verb":`))
	f.Add([]byte(`{"verb":"echo","args":[[[[]]]]}` + "\n{}"))
	f.Fuzz(func(t *testing.T, b []byte) {
		c := &Control{log: quiet(), verbs: map[string]Handler{"echo": echo}}
		client, server := net.Pipe()
		done := make(chan struct{})
		go func() { c.serve(context.Background(), server); close(done) }()
		go func() { fmt.Fprintf(client, "%s\n", b); client.Close() }()
		_, _ = io.Copy(io.Discard, client)
		<-done
	})
}

// Who has connected when the end begins, and asks a moment later, is answered.
func TestLastRequestIsAnswered(t *testing.T) {
	t.Parallel()
	l, err := Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s, err := NewServer(Options{Listener: l, Registry: prometheus.NewRegistry()})
	if err != nil {
		t.Fatal(err)
	}
	stop, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- s.Serve(stop, t.Context()) }()
	c, err := net.Dial("tcp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for len(s.listener.slots) == 0 {
		time.Sleep(time.Millisecond)
	}
	cancel()
	for {
		other, err := net.Dial("tcp", s.Addr().String())
		if err != nil {
			break
		}
		other.Close()
	}
	fmt.Fprint(c, "GET /healthz HTTP/1.1\r\nHost: x.test\r\n\r\n")
	if got, err := io.ReadAll(c); err != nil || !strings.HasPrefix(string(got), "HTTP/1.1 200 ") {
		t.Errorf("%q, %v", got, err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}
