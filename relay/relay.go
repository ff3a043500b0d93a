// SPDX-License-Identifier: MIT

package relay

import (
	"context"
	"crypto/x509"
	"log/slog"
	"net"
	"net/netip"
	"time"

	"posthouse/resolver"
	"posthouse/smtpclient"
)

// Options of a Relay. Resolver and Hello must be there; zero values of the others mean what is in brackets.
type Options struct {
	Resolver        resolver.Resolver
	Dial            func(ctx context.Context, network, address string) (net.Conn, error) // [net.Dialer, from SourceAddresses]
	Roots           *x509.CertPool                                                       // [the system's]
	TLSLevel        string                                                               // [may]
	Hello           string                                                               // our name in EHLO
	Self            func(host string, addrs []netip.Addr) bool                           // is this exchanger us? [is it named Hello]
	SourceAddresses []netip.Addr                                                         // where connections come from, by family
	ConnectTimeout  time.Duration                                                        // [30s]
	Timeouts        smtpclient.Timeouts
	Idle            Idle
	Now             func() time.Time // [time.Now]
	Log             *slog.Logger     // [discards]
}

// Idle bounds the conversations that are kept for reuse.
type Idle struct {
	Time     time.Duration // how long one waits for more mail [5s]
	Age      time.Duration // how old one gets [5m]
	Messages int           // how many one carries [100]
	PerHost  int           // how many wait for mail to one host [20]
	Total    int           // how many wait in all [200]
}

// Relay makes Carriers, which share its connections and what it learnt about dead hosts. It is safe for use by many at once.
type Relay struct {
	o     Options
	level level
	tls   *tlsConfigs
	idle  *pool
	dead  *graveyard
}

// New makes a Relay; its error is an unknown TLS level. Close ends its idle connections.
func New(o Options) (*Relay, error) {
	l, err := parseLevel(o.TLSLevel)
	if err != nil {
		return nil, err
	}
	o = o.defaults()
	return &Relay{o: o, level: l, tls: newTLSConfigs(o.Roots), idle: newPool(o.Idle, o.Now), dead: newGraveyard(o.Now)}, nil
}

func (o Options) defaults() Options {
	if o.ConnectTimeout <= 0 {
		o.ConnectTimeout = 30 * time.Second
	}
	if o.Dial == nil {
		o.Dial = dialer(o.SourceAddresses)
	}
	if o.Self == nil {
		hello := o.Hello
		o.Self = func(host string, _ []netip.Addr) bool { return host == hello }
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	o.Idle = o.Idle.defaults()
	return o
}

func (i Idle) defaults() Idle {
	if i.Time <= 0 {
		i.Time = 5 * time.Second
	}
	if i.Age <= 0 {
		i.Age = 5 * time.Minute
	}
	if i.Messages <= 0 {
		i.Messages = 100
	}
	if i.PerHost <= 0 {
		i.PerHost = 20
	}
	if i.Total <= 0 {
		i.Total = 200
	}
	return i
}

// Close says goodbye on the idle connections; those in use end with their message.
func (r *Relay) Close() error {
	r.idle.close()
	return nil
}
