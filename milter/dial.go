// SPDX-License-Identifier: MIT

package milter

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"time"

	protocol "github.com/emersion/go-milter"

	"posthouse/upstream"
)

// What we offer. SKIP is not offered, since go-milter does not know it as an answer; nor RCPT_REJ, which would show
// refused recipients, nor SETSYMLIST, whose lists go-milter drops.
const (
	offeredActions = protocol.OptAddHeader | protocol.OptChangeBody | protocol.OptAddRcpt | protocol.OptRemoveRcpt |
		protocol.OptChangeHeader | protocol.OptQuarantine | protocol.OptChangeFrom | protocol.OptAddRcptWithArgs
	offeredEvents = protocol.OptNoConnect | protocol.OptNoHelo | protocol.OptNoMailFrom | protocol.OptNoRcptTo | protocol.OptNoBody |
		protocol.OptNoHeaders | protocol.OptNoEOH | protocol.OptNoUnknown | protocol.OptNoData |
		protocol.OptNoHeaderReply | protocol.OptNoConnReply | protocol.OptNoHeloReply | protocol.OptNoMailReply |
		protocol.OptNoRcptReply | protocol.OptNoDataReply | protocol.OptNoUnknownReply | protocol.OptNoEOHReply |
		protocol.OptNoBodyReply | protocol.OptHeaderLeadingSpace
	oldActions = offeredActions & 0x3f // what version 2 knows
	oldEvents  = offeredEvents & 0x7f
)

// link is a negotiated connection to one server of a filter.
type link struct {
	*protocol.ClientSession
	wire    *wire
	old     bool // a version that has no DATA
	address string
	lost    func() // says that the server failed after all
	free    func()
}

// open tries the servers of the group and their addresses until one has answered the negotiation. ctx bounds all of it; each
// try gets an equal share of what is left, so that a server that swallows connections leaves time for the next.
func (f *filter) open(ctx context.Context) (*link, error) {
	var failures []error
	var visit upstream.Visit
	for m := f.group.Pick(&visit); m != nil; m = f.group.Pick(&visit) {
		l, err := f.openMember(ctx, m, f.group.Left(&visit))
		if err == nil {
			m.OK()
			l.free = m.Release
			return l, nil
		}
		m.Release()
		if !errors.Is(ctx.Err(), context.Canceled) {
			m.Fail()
		}
		failures = append(failures, err)
		if ctx.Err() != nil {
			break
		}
	}
	if len(failures) == 0 {
		failures = append(failures, errors.New("no server is free"))
	}
	return nil, errors.Join(failures...)
}

func (f *filter) openMember(ctx context.Context, m *upstream.Member, after int) (*link, error) {
	addresses, err := f.addresses(ctx, m)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", m.Address, err)
	}
	var failures []error
	for i, a := range addresses {
		l, err := f.try(ctx, m, a, len(addresses)-i+after)
		if err == nil {
			l.lost = func() { f.lost(m, a, len(addresses)) }
			return l, nil
		}
		if !errors.Is(ctx.Err(), context.Canceled) {
			f.shunFor(a, time.Duration(m.FailTimeout))
		}
		failures = append(failures, fmt.Errorf("%s: %w", a, err))
		if ctx.Err() != nil {
			break
		}
	}
	return nil, errors.Join(failures...)
}

// try is one address, with its share of the time.
func (f *filter) try(ctx context.Context, m *upstream.Member, address string, sharers int) (*link, error) {
	deadline, ok := ctx.Deadline()
	if !ok {
		deadline = time.Now().Add(time.Duration(f.ConnectTimeout))
	}
	share := time.Until(deadline) / time.Duration(sharers)
	ctx, cancel := context.WithTimeout(ctx, share)
	defer cancel()
	l, err := f.negotiate(ctx, m.Address.Network, address, offeredActions, offeredEvents)
	if errors.Is(err, protocol.ErrUnsupportedMilterVersion) {
		l, err = f.negotiate(ctx, m.Address.Network, address, oldActions, oldEvents)
	}
	return l, err
}

// negotiate connects and agrees with the filter on who says what. The connection is ours throughout: go-milter forgets it
// where the negotiation fails, and would leak it.
func (f *filter) negotiate(ctx context.Context, network, address string, actions protocol.OptAction, events protocol.OptProtocol) (*link, error) {
	conn, err := f.Dial(ctx, network, address)
	if err != nil {
		return nil, err
	}
	w := newWire(conn)
	deadline, _ := ctx.Deadline()
	w.stage(time.Until(deadline), time.Until(deadline))
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	client := protocol.NewClientWithOptions(network, address, protocol.ClientOptions{
		Dialer: handed{w}, ActionMask: actions, ProtocolMask: events, ReadTimeout: time.Hour, WriteTimeout: time.Hour,
	})
	s, err := client.Session()
	if !stop() { // whatever go-milter makes of a connection that is closed under its hands
		err = fmt.Errorf("no answer: %w", context.Cause(ctx))
	}
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("negotiate: %w", err)
	}
	s.ActionOpts &= actions
	s.ProtocolOpts &= events
	return &link{ClientSession: s, wire: w, old: events == oldEvents, address: address}, nil
}

// handed is a protocol.Dialer that gives the connection it holds.
type handed struct{ net.Conn }

func (h handed) Dial(string, string) (net.Conn, error) { return h.Conn, nil }

// addresses are where a server may be reached: the addresses of its name take turns, and those that failed lately come last.
func (f *filter) addresses(ctx context.Context, m *upstream.Member) ([]string, error) {
	a := m.Address
	if _, literal := netip.ParseAddr(a.Host); a.Network != "tcp" || literal == nil || f.Resolver == nil {
		_, address := a.Dial()
		return []string{address}, nil
	}
	ips, err := f.Resolver.Addrs(ctx, a.Host)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, ip := range ips {
		out = append(out, net.JoinHostPort(ip.String(), strconv.Itoa(a.Port)))
	}
	return f.order(out), nil
}

func (f *filter) order(addresses []string) []string {
	f.shunM.Lock()
	defer f.shunM.Unlock()
	now, turn := f.Now(), f.turn
	f.turn++
	for a, until := range f.shun {
		if !now.Before(until) {
			delete(f.shun, a)
		}
	}
	var good, bad []string
	for i := range addresses {
		a := addresses[(i+turn)%len(addresses)]
		if _, shunned := f.shun[a]; shunned {
			bad = append(bad, a)
		} else {
			good = append(good, a)
		}
	}
	return append(good, bad...)
}

func (f *filter) shunFor(address string, d time.Duration) {
	f.shunM.Lock()
	defer f.shunM.Unlock()
	f.shun[address] = f.Now().Add(d)
}

// lost counts a server that negotiated and failed later. A name with several addresses is down only when all of them are,
// which open finds out.
func (f *filter) lost(m *upstream.Member, address string, of int) {
	f.shunFor(address, time.Duration(m.FailTimeout))
	if of == 1 {
		m.Fail()
	}
}
