// SPDX-License-Identifier: MIT

package relay

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"posthouse/certs"
	"posthouse/internal/maillab"
	"posthouse/mail"
	"posthouse/resolver"
)

// lab is a Relay in a world of its own: names from a zone, addresses that lead to sinks.
type lab struct {
	*Relay
	t  *testing.T
	mu sync.Mutex
	to map[string]string // "192.0.2.1:25" -> where a sink listens
	// dialled are the addresses in the order of trying.
	dialled []string
}

func newLab(t *testing.T, zone string, o Options) *lab {
	t.Helper()
	l := &lab{t: t, to: map[string]string{}}
	names, err := resolver.ParseZone(zone)
	if err != nil {
		t.Fatal(err)
	}
	if o.Resolver == nil {
		o.Resolver = names
	}
	if o.Hello == "" {
		o.Hello = "client.test"
	}
	o.Dial = l.dial
	if l.Relay, err = New(o); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

var errNobody = errors.New("nobody listens there")

func (l *lab) dial(ctx context.Context, network, address string) (net.Conn, error) {
	l.mu.Lock()
	l.dialled = append(l.dialled, address)
	real, ok := l.to[address]
	l.mu.Unlock()
	if !ok {
		return nil, errNobody
	}
	return new(net.Dialer).DialContext(ctx, "tcp", real)
}

// sink puts a sink at an address.
func (l *lab) sink(address string, o maillab.SinkOptions) *maillab.Sink {
	s := maillab.NewSink(l.t, o)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.to[address] = s.Addr()
	return s
}

// tried are the addresses dialled since the last call, without the port 25.
func (l *lab) tried() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := strings.ReplaceAll(strings.Join(l.dialled, " "), ":25", "")
	l.dialled = nil
	return s
}

func address(t testing.TB, s string) mail.Path {
	t.Helper()
	p, err := mail.ParseAddress(s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func letter(t testing.TB, to ...string) (*mail.Envelope, *mail.Message) {
	t.Helper()
	env := &mail.Envelope{ID: "x", From: address(t, "from@a.test")}
	for _, a := range to {
		env.Recipients = append(env.Recipients, mail.Recipient{To: address(t, a)})
	}
	msg, err := mail.ReadMessage(strings.NewReader("Subject: x\r\nMessage-ID: <1@a.test>\r\n\r\n.hello\r\n"), 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	return env, msg
}

// words are an outcome in short: "relayed 250 2.0.0, dead deferred 451 4.4.1".
func words(o mail.Outcome) string {
	var all []string
	for _, r := range o {
		w := strings.TrimSpace(fmt.Sprintf("%v %d %s", r.Status, r.Reply.Code, r.Reply.Enhanced))
		if r.HopDead {
			w = "dead " + w
		}
		all = append(all, w)
	}
	return strings.Join(all, ", ")
}

// carry sends mail to recipients of a domain along a route, and gives the outcome in words.
func (l *lab) carry(route string, to ...string) string {
	l.t.Helper()
	env, msg := letter(l.t, to...)
	return words(l.outcome(route, env, msg))
}

func (l *lab) outcome(route string, env *mail.Envelope, msg *mail.Message) mail.Outcome {
	l.t.Helper()
	domain := env.Recipients[0].To.Domain()
	r := MX(domain)
	if route != "" {
		var err error
		if r, err = ParseRoute(route); err != nil {
			l.t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(l.t.Context(), 20*time.Second)
	defer cancel()
	return l.Carrier(domain, r).Carry(ctx, env, msg)
}

// authority is a CA and the TLS of a server that it vouches for.
func authority(t *testing.T, names ...string) (*x509.CertPool, *tls.Config) {
	t.Helper()
	ca, err := certs.MakeCA("test")
	if err != nil {
		t.Fatal(err)
	}
	certPEM, keyPEM, err := ca.Issue(names...)
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		t.Fatal(err)
	}
	return ca.Pool(), &tls.Config{Certificates: []tls.Certificate{pair}}
}
