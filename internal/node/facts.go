// SPDX-License-Identifier: MIT

package node

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"time"

	"posthouse/delegation"
	"posthouse/dnsbl"
	"posthouse/greylist"
	"posthouse/mail"
	"posthouse/policy"
	"posthouse/resolver"
	"posthouse/table"
)

// facts answers the restriction lists about clients and names. It is final for no domain: smtp-in and maildrop answer for
// theirs from the tables of each transaction, and smtp-out has none.
type facts struct {
	Mynetworks []netip.Prefix
	Resolver   resolver.Resolver

	lists    *dnsbl.Lister
	patience time.Duration           // for the DNS lists of one question
	tables   map[string]*table.Table // those that the lists name
	servers  *delegation.Client
	verify   func(ctx context.Context, p mail.Path) error
	waiting  greylister // nil: nobody waits
}

// greylister is a greylist.List, or one that only looks.
type greylister interface {
	Check(client netip.Addr, name string, from, to mail.Path) greylist.Result
}

// Trusted reports a client in mynetworks.
func (f *facts) Trusted(c *mail.Client) bool {
	for _, n := range f.Mynetworks {
		if n.Contains(c.Addr.Addr()) {
			return true
		}
	}
	return false
}

// Local reports an address of this machine.
func (f *facts) Local(c *mail.Client) bool {
	own, err := net.InterfaceAddrs()
	if err != nil {
		return false
	}
	for _, a := range own {
		n, ok := a.(*net.IPNet)
		if ok && n.IP.Equal(net.IP(c.Addr.Addr().AsSlice())) {
			return true
		}
	}
	return false
}

// Authorised is no: nothing is taken from strangers.
func (f *facts) Authorised(mail.Path) bool { return false }

// Final is no.
func (f *facts) Final(string) bool { return false }

// Deliverable is yes: whoever has the domain knows better.
func (f *facts) Deliverable(context.Context, mail.Path) (bool, error) { return true, nil }

// Listed asks the DNS lists side by side.
func (f *facts) Listed(ctx context.Context, asks []dnsbl.Ask) []dnsbl.Result {
	ctx, cancel := context.WithTimeout(ctx, f.patience)
	defer cancel()
	return f.lists.Ask(ctx, asks)
}

// Access looks a key up in one of the tables that the lists name. config check and every start have opened them all.
func (f *facts) Access(name, key string, whole bool) (action, where string, found bool) {
	t := f.tables[name]
	if t == nil {
		return "", "", false
	}
	view := t.View()
	if !whole {
		view = table.Fixed(view)
	}
	return view.Lookup(key)
}

// Delegate asks a policy server.
func (f *facts) Delegate(ctx context.Context, server delegation.Server, q *policy.Question) (string, error) {
	r := delegation.Request{State: strings.ToUpper(q.Stage.String()), Client: q.Client, From: q.From, To: q.To}
	if names, _ := f.Names(ctx, q.Client); len(names) > 0 {
		r.Reverse = names[0]
	}
	if q.Env != nil {
		r.ID, r.Size = q.Env.ID, q.Env.Size
	}
	if q.Env != nil && q.Stage == policy.Data {
		r.Recipients = len(q.Env.Recipients)
	}
	return f.servers.Ask(ctx, server, r.Attributes())
}

// Verify asks the address's own server.
func (f *facts) Verify(ctx context.Context, p mail.Path) error { return f.verify(ctx, p) }

// Greylist asks whether they have been seen before.
func (f *facts) Greylist(_ context.Context, q *policy.Question) greylist.Result {
	if f.waiting == nil {
		return greylist.Result{Pass: true, Why: "not configured"}
	}
	return f.waiting.Check(q.Client.Addr.Addr(), q.Client.Name, q.From, q.To)
}
