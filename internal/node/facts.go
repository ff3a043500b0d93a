// SPDX-License-Identifier: MIT

package node

import (
	"context"
	"errors"
	"net"
	"net/netip"

	"posthouse/delegation"
	"posthouse/dnsbl"
	"posthouse/greylist"
	"posthouse/mail"
	"posthouse/policy"
	"posthouse/reply"
	"posthouse/resolver"
)

// facts answers the restriction lists about clients and names. It is final for no domain: smtp-in and maildrop answer for
// theirs from the tables of each transaction, and smtp-out has none.
type facts struct {
	Mynetworks []netip.Prefix
	Resolver   resolver.Resolver
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

// Authorised is no: nothing is taken from strangers.
func (f *facts) Authorised(mail.Path) bool { return false }

// Final is no.
func (f *facts) Final(string) bool { return false }

// Resolves reports that a domain has an MX or an address.
func (f *facts) Resolves(ctx context.Context, domain string) (bool, error) {
	mx, err := f.Resolver.MX(ctx, domain)
	switch {
	case err == nil && len(mx) == 1 && mx[0].Host == "":
		return false, policy.ErrNullMX
	case err == nil:
		return true, nil
	case resolver.NotFound(err):
		return false, nil
	case !resolver.NoData(err):
		return false, err
	}
	_, err = f.Resolver.Addrs(ctx, domain)
	if resolver.NotFound(err) || resolver.NoData(err) {
		return false, nil
	}
	return err == nil, err
}

// Deliverable is yes: whoever has the domain knows better.
func (f *facts) Deliverable(context.Context, mail.Path) (bool, error) { return true, nil }

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

// Names are the client's PTR names.
func (f *facts) Names(ctx context.Context, c *mail.Client) ([]string, error) {
	names, err := f.Resolver.PTR(ctx, c.Addr.Addr())
	return names, unlessNone(err)
}

// Addrs are the addresses of a host.
func (f *facts) Addrs(ctx context.Context, host string) ([]netip.Addr, error) {
	addrs, err := f.Resolver.Addrs(ctx, host)
	return addrs, unlessNone(err)
}

// unlessNone is an error that says more than that there is nothing.
func unlessNone(err error) error {
	if resolver.NotFound(err) || resolver.NoData(err) {
		return nil
	}
	return err
}

// errNotWired is the answer to what no rule asks yet.
var errNotWired = errors.New("not connected yet")

// Verify knows nothing.
func (f *facts) Verify(context.Context, mail.Path) error {
	return reply.LocalError.Because(errNotWired)
}

// Servers knows nothing.
func (f *facts) Servers(context.Context, string, string) ([]string, error) { return nil, errNotWired }

// Listed knows nothing.
func (f *facts) Listed(_ context.Context, asks []dnsbl.Ask) []dnsbl.Result {
	out := make([]dnsbl.Result, len(asks))
	for i := range out {
		out[i].Err = errNotWired
	}
	return out
}

// Access defers: a table that is not open is no table without entries.
func (f *facts) Access(string, string, bool) (action, where string, found bool) {
	return delegation.DefaultAction, "", true
}

// Delegate knows nothing.
func (f *facts) Delegate(context.Context, delegation.Server, *policy.Question) (string, error) {
	return "", errNotWired
}

// Greylist lets pass.
func (f *facts) Greylist(context.Context, *policy.Question) greylist.Result {
	return greylist.Result{Pass: true}
}
