// SPDX-License-Identifier: MIT

package node

import (
	"context"
	"net/netip"

	"posthouse/mail"
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
	case err == nil:
		return !(len(mx) == 1 && mx[0].Host == ""), nil
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
