// SPDX-License-Identifier: MIT

package relay

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"net/netip"

	"posthouse/reply"
	"posthouse/smtpclient"
)

// dialer connects from one of our source addresses of the family that the peer has; without one, the system chooses.
func dialer(sources []netip.Addr) func(ctx context.Context, network, address string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		var d net.Dialer
		if peer, err := netip.ParseAddrPort(address); err == nil && !peer.Addr().IsLoopback() {
			if s, ok := source(sources, peer.Addr().Is4()); ok {
				d.LocalAddr = net.TCPAddrFromAddrPort(netip.AddrPortFrom(s, 0))
			}
		}
		return d.DialContext(ctx, network, address)
	}
}

func source(sources []netip.Addr, four bool) (netip.Addr, bool) {
	var fit []netip.Addr
	for _, s := range sources {
		if s.Unmap().Is4() == four {
			fit = append(fit, s.Unmap())
		}
	}
	if len(fit) == 0 {
		return netip.Addr{}, false
	}
	return fit[rand.IntN(len(fit))], true
}

// connect begins a conversation with t. At level may a failed handshake leads to the same host again, in the clear.
func (r *Relay) connect(ctx context.Context, t target, l level) (*smtpclient.Conn, error) {
	c, err := r.converse(ctx, t, l)
	if l == may && errors.Is(err, smtpclient.ErrTLS) && ctx.Err() == nil {
		r.o.Log.Info("TLS failed, trying in the clear", "relay", t.String(), "error", err)
		c, err = r.converse(ctx, t, none)
	}
	if err != nil && ctx.Err() == nil {
		r.o.Log.Info("next hop cannot be used", "relay", t.String(), "error", err)
	}
	return c, err
}

func (r *Relay) converse(ctx context.Context, t target, l level) (*smtpclient.Conn, error) {
	raw, err := r.dial(ctx, t)
	if err != nil {
		return nil, err
	}
	return smtpclient.New(ctx, raw, smtpclient.Options{
		Hello: r.o.Hello, LMTP: t.lmtp, Mode: l.mode(), TLS: r.tls.config(l, t), Remote: t.String(), Trusted: t.local,
		Timeouts: r.o.Timeouts,
	})
}

// dial opens the connection and keeps account of those who do not answer.
func (r *Relay) dial(ctx context.Context, t target) (net.Conn, error) {
	dialCtx, cancel := context.WithTimeout(ctx, r.o.ConnectTimeout)
	defer cancel()
	conn, err := r.o.Dial(dialCtx, t.network, t.address)
	if err == nil {
		r.dead.clear(t.address)
		return conn, nil
	}
	if ctx.Err() == nil {
		r.dead.add(t.address)
	}
	return nil, reply.NoContact.With("No answer from %s", t).Because(err)
}
