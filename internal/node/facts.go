// SPDX-License-Identifier: MIT

package node

import (
	"context"
	"net/netip"

	"posthouse/mail"
	"posthouse/resolver"
	"posthouse/srs"
)

// facts answers the restriction lists of any service. All fields but SRS are required.
type facts struct {
	Mynetworks []netip.Prefix
	Ours       func(domain string) bool // we are final or backup for it
	Known      func(to mail.Path) error // nil: the recipient exists
	SRS        *srs.Rewriter
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

// Authorised reports a recipient that mail is taken for, whoever sends it.
func (f *facts) Authorised(to mail.Path) bool {
	if f.SRS != nil && f.SRS.Is(to) {
		_, err := f.SRS.Reverse(to)
		return err == nil
	}
	return f.Ours(to.Domain())
}

// Final reports a domain of ours, whose DNS does not matter.
func (f *facts) Final(domain string) bool { return f.Ours(domain) }

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

// Deliverable reports that the recipient exists.
func (f *facts) Deliverable(_ context.Context, to mail.Path) (bool, error) {
	return f.Known(to) == nil, nil
}
