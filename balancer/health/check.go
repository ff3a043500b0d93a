// SPDX-License-Identifier: MIT

package health

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"

	"posthouse/balancer/proxy"
	"posthouse/config"
)

// Dial connects, as net.Dialer.DialContext does.
type Dial func(ctx context.Context, network, address string) (net.Conn, error)

// Options are what a Checker needs beside its block.
type Options struct {
	Hello string // our own host name, for EHLO and LHLO
	Dial  Dial   // nil: the system's
}

// Checker makes checks of one kind. Many goroutines may use it.
type Checker struct {
	talk    *talk // nil: it only connects
	tls     string
	name    string
	roots   *x509.CertPool // nil: the system's
	timeout time.Duration
	hello   string
	dial    Dial
}

// New makes a Checker of a block that is valid. It reads tls_ca_file, and that is what can fail.
func New(c Config, o Options) (*Checker, error) {
	k := &Checker{talk: talkOf(c.Protocol), tls: c.TLS, name: c.TLSName, timeout: c.timeout(), hello: o.Hello, dial: o.Dial}
	if k.dial == nil {
		k.dial = (&net.Dialer{KeepAlive: -1}).DialContext
	}
	var err error
	k.roots, err = roots(c.TLSCAFile)
	return k, err
}

func roots(file config.Path) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil
	}
	text, err := os.ReadFile(file.String())
	if err != nil {
		return nil, fmt.Errorf("tls_ca_file: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("tls_ca_file: no certificate in PEM in %s", file)
	}
	return pool, nil
}

// Check makes one check, within the time-out. nil: the server is well. An error says what was done and what came instead of what was
// expected; what the server said stands in it quoted and shortened.
func (k *Checker) Check(ctx context.Context, t Target) error {
	ctx, cancel := context.WithTimeout(ctx, k.timeout)
	defer cancel()
	err := k.check(ctx, t)
	if err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return fmt.Errorf("%w (timeout: %v)", err, k.timeout)
	}
	return err
}

func (k *Checker) check(ctx context.Context, t Target) error {
	network, address := "tcp", t.Addr.String()
	if t.Path != "" {
		network, address = "unix", t.Path
	}
	raw, err := k.dial(ctx, network, address)
	if err != nil {
		return fmt.Errorf("connecting: %w", err)
	}
	defer raw.Close()
	// Closing ends reads, writes and a handshake alike, also those that have no deadline of their own.
	defer context.AfterFunc(ctx, func() { raw.Close() })()
	if err := announce(raw, t.Proxy); err != nil {
		return err
	}
	d := newDialogue(ctx, raw, k.hello)
	defer func() { _ = d.conn.Close() }() // TLS says so
	if k.tls == "implicit" {
		if err := k.secure(d, t); err != nil {
			return err
		}
	}
	if k.talk == nil {
		return nil
	}
	return k.converse(d, t)
}

// announce says that the connection is our own. Version 1 could say UNKNOWN, but Postfix (3.7) takes that for an error; our own end
// is what the server sees anyway.
func announce(conn net.Conn, version int) error {
	if version == 0 {
		return nil
	}
	h := proxy.Header{Local: true}
	if version == 1 {
		h = proxy.Header{Source: end(conn.LocalAddr()), Destination: end(conn.RemoteAddr())}
	}
	if _, err := conn.Write(h.Append(nil, version)); err != nil {
		return fmt.Errorf("sending the PROXY header: %w", err)
	}
	return nil
}

// end is an end of the connection; that of a unix socket is no address.
func end(a net.Addr) netip.AddrPort {
	if t, ok := a.(*net.TCPAddr); ok {
		return t.AddrPort()
	}
	return netip.AddrPort{}
}

// converse talks from the greeting to the goodbye. What is learnt before STARTTLS counts for nothing after it.
func (k *Checker) converse(d *dialogue, t Target) error {
	offers, err := k.talk.open(d)
	if err == nil && k.tls == "starttls" {
		err = k.upgrade(d, t, offers)
	}
	if err != nil {
		return err
	}
	d.goodbye(k.talk.bye)
	return nil
}

func (k *Checker) upgrade(d *dialogue, t Target, offers []string) error {
	if !k.talk.has(offers) {
		return fmt.Errorf("the server does not offer %s", k.talk.startTLS)
	}
	if err := k.talk.upgrade(d); err != nil {
		return err
	}
	if d.in.Buffered() > 0 {
		return fmt.Errorf("the server sent more, in the clear, behind its answer to %s", k.talk.startTLS)
	}
	if err := k.secure(d, t); err != nil {
		return err
	}
	_, err := k.talk.reopen(d)
	return err
}

// secure goes on in TLS with whom it has to be.
func (k *Checker) secure(d *dialogue, t Target) error {
	name := cmp.Or(k.name, t.Name)
	if name == "" {
		return errors.New("whom the certificate is for is not known, since a unix socket has no host name: tls_name says it")
	}
	return d.handshake(&tls.Config{ServerName: name, RootCAs: k.roots})
}
