// SPDX-License-Identifier: MIT

package balancer

import (
	"errors"
	"net/netip"
	"syscall"
	"time"

	"posthouse/balancer/loop"
	"posthouse/balancer/proxy"
	"posthouse/limit"
	"posthouse/upstream"
)

// visit is one client, from its connection to its end. It implements loop.Visit; one loop calls it, one call at a time.
type visit struct {
	way    *way
	client netip.AddrPort // as announced, or the peer; zero: nobody (LOCAL, a unix socket)
	header proxy.Header   // what is announced to the server

	choice  upstream.Visit
	member  *upstream.Member // of the last try; nil before the first, and after one that failed
	server  place            // where that is, also for a session that was taken over from a server that is gone
	began   time.Time        // set if next_upstream_timeout needs it
	tries   int
	failure error  // of the last try that failed
	limited string // under which it counts as a connection of its client; "": it does not
}

// Why a client is refused, as in the metrics.
type refusal uint8

// The refusals.
const (
	denied refusal = iota
	notAllowed
	tooMany
	tooFast
	untrusted
	badHeader
	refusals
)

func (r refusal) String() string {
	return [...]string{"deny", "allow", "count", "rate", "untrusted", "header"}[r]
}

// open is the beginning of a client that comes by itself.
func (w *way) open(a loop.Arrival) loop.Visit {
	return w.admit(&visit{way: w, client: a.Peer, header: proxy.Header{Source: a.Peer, Destination: a.Local}})
}

// openProxied is that of a client that a proxy of ours announces.
func (w *way) openProxied(a loop.Arrival) loop.Visit {
	h, err := proxy.Parse(a.Header)
	if err != nil {
		w.refuse(a.Peer.Addr(), badHeader, err)
		return nil
	}
	v := &visit{way: w, header: h}
	if !h.Local {
		v.client = h.Source
	}
	return w.admit(v)
}

// admit is the visit, or nil if the client has to go. Who is nobody, a proxy that checks whether we live or a neighbour at a
// unix socket, has no limits, and is in no list.
func (w *way) admit(v *visit) loop.Visit {
	addr := v.client.Addr()
	switch {
	case w.deny.has(addr):
		w.refuse(addr, denied, nil)
		return nil
	case w.allow != nil && !w.allow.has(addr):
		w.refuse(addr, notAllowed, nil)
		return nil
	case addr.IsValid() && !w.count(v, addr):
		return nil
	}
	v.choice.Client = addr
	if w.NextUpstreamTimeout > 0 {
		v.began = time.Now()
	}
	w.service.counts.begin()
	return v
}

// count holds the client against its limits. What is refused counts for the rate: who does not slow down stays out.
func (w *way) count(v *visit, addr netip.Addr) bool {
	if w.ClientConnectionRateLimit == 0 && w.ClientConnectionCountLimit == 0 || w.exempt.has(addr) {
		return true
	}
	key := limit.Client(addr)
	if n := w.ClientConnectionRateLimit; n > 0 && w.service.rates.Add(key, 1) > n {
		w.refuse(addr, tooFast, nil)
		return false
	}
	if n := w.ClientConnectionCountLimit; n > 0 {
		if !w.service.clients.Acquire(key, n) {
			w.refuse(addr, tooMany, nil)
			return false
		}
		v.limited = key
	}
	return true
}

// refuse notes a client that is closed without a byte.
func (w *way) refuse(client netip.Addr, why refusal, err error) {
	w.service.counts.refused[why].Add(1)
	if w.SessionLog {
		w.service.journal.refused(w.service.name, client, why, err)
	}
}

// Next implements loop.Visit.
func (v *visit) Next(after error) (loop.Target, bool) {
	if after != nil {
		v.failed(after)
		if !v.again() {
			return loop.Target{}, false
		}
	}
	m := v.way.group.Pick(&v.choice)
	if m == nil {
		return loop.Target{}, false
	}
	v.member, v.server = m, placeOf(m)
	v.tries++
	v.way.servers[m.Name()].picked.Add(1)
	return loop.Target{Addr: m.Addr(), Path: m.Path(), Preamble: v.preamble()}, true
}

// preamble is the PROXY header for the server.
func (v *visit) preamble() []byte {
	version := v.way.version()
	if version == 0 {
		return nil
	}
	return v.header.Append(nil, version)
}

// failed gives the member back. That we ran out of something is no fault of the server.
func (v *visit) failed(why error) {
	m := v.member
	v.member, v.server, v.failure = nil, place{}, why
	if m == nil {
		return
	}
	if !ours(why) {
		m.FailBecause(why.Error())
		v.way.servers[m.Name()].failures.Add(1)
		v.way.look(m)
	}
	m.Release()
}

// ours reports an error of this machine: no descriptors, no memory. No address or port to connect from (EADDRNOTAVAIL) is not
// among them: that is so for one server, and another may be reached.
func ours(err error) bool {
	for _, e := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, syscall.ENOBUFS} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// again reports whether another server may be tried (NGINX's proxy_next_upstream, _tries and _timeout).
func (v *visit) again() bool {
	w := v.way
	switch {
	case !w.NextUpstream:
		return false
	case w.NextUpstreamTries > 0 && v.tries >= w.NextUpstreamTries:
		return false
	}
	return w.NextUpstreamTimeout == 0 || time.Since(v.began) < time.Duration(w.NextUpstreamTimeout)
}

// Connected implements loop.Visit. What only the tries needed is given up.
func (v *visit) Connected() {
	v.member.OK()
	if v.way.service.anyOut.Load() {
		v.way.look(v.member)
	}
	v.header.TLVs, v.choice = nil, upstream.Visit{}
}

// Done implements loop.Visit. A try under way is nobody's fault.
func (v *visit) Done(r loop.Result) {
	w := v.way
	if r.ConnectTime > 0 {
		w.connected(v.server.name, r.ConnectTime)
	}
	if v.member != nil {
		v.member.Release()
	}
	if v.limited != "" {
		w.service.clients.Release(v.limited)
	}
	w.service.counts.end(r)
	if (w.SessionLog || r.Reason == loop.NoServer) && r.Reason != loop.HandedOver {
		w.service.journal.session(v, r)
	}
}

// connected counts how long a server took.
func (w *way) connected(server string, took time.Duration) {
	if c := w.servers[server]; c != nil { // a session that was taken over may be with a server that is gone
		c.connects.Add(1)
		c.connectTime.Add(int64(took))
	}
}
