// SPDX-License-Identifier: MIT

package node

import (
	"context"
	"net/netip"

	"posthouse/mail"
	"posthouse/policy"
	"posthouse/resolver"
)

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
	addrs, err := f.Addrs(ctx, domain)
	return len(addrs) > 0, err
}

// Names are the client's PTR names.
func (f *facts) Names(ctx context.Context, c *mail.Client) ([]string, error) {
	if !c.Addr.IsValid() {
		return nil, nil
	}
	names, err := f.Resolver.PTR(ctx, c.Addr.Addr())
	return names, unlessNone(err)
}

// Addrs are the addresses of a host.
func (f *facts) Addrs(ctx context.Context, host string) ([]netip.Addr, error) {
	addrs, err := f.Resolver.Addrs(ctx, host)
	return addrs, unlessNone(err)
}

// Servers are the mail exchangers or name servers that stand at a domain itself.
func (f *facts) Servers(ctx context.Context, kind, domain string) ([]string, error) {
	if kind == "NS" {
		hosts, err := resolver.NS(ctx, f.Resolver, domain)
		return hosts, unlessNone(err)
	}
	mx, err := f.Resolver.MX(ctx, domain)
	if len(mx) == 1 && mx[0].Host == "" {
		return nil, policy.ErrNullMX
	}
	var hosts []string
	for _, m := range mx {
		hosts = append(hosts, m.Host)
	}
	return hosts, unlessNone(err)
}

// unlessNone is an error that says more than that there is nothing.
func unlessNone(err error) error {
	if resolver.NotFound(err) || resolver.NoData(err) {
		return nil
	}
	return err
}
