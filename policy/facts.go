// SPDX-License-Identifier: MIT

package policy

import (
	"context"
	"errors"
	"net/netip"

	"posthouse/delegation"
	"posthouse/dnsbl"
	"posthouse/greylist"
	"posthouse/mail"
)

// ErrNullMX is the answer of Facts about a domain that says it takes no mail (RFC 7505).
var ErrNullMX = errors.New("domain takes no mail (null MX)")

// Facts answers rules when they ask. An error is an answer: the rule judges it.
type Facts interface {
	// Trusted reports a client in mynetworks.
	Trusted(c *mail.Client) bool
	// Local reports a client that has an address of this machine.
	Local(c *mail.Client) bool
	// Authorised reports a recipient that is taken for whoever sends it: one in our domains unless Routed, and a valid SRS
	// address.
	Authorised(to mail.Path) bool
	// Final reports a domain that we are the last to handle: its DNS does not matter.
	Final(domain string) bool
	// Resolves reports that a domain has an MX or an address. ErrNullMX: it has, and takes no mail. Another error: not known.
	Resolves(ctx context.Context, domain string) (bool, error)
	// Deliverable reports that a recipient exists; a sender is asked about if its domain is Final.
	Deliverable(ctx context.Context, to mail.Path) (bool, error)
	// Verify asks the address's own server whether it takes mail: nil, or a reply 5yz (it does not) or 4yz (not known).
	Verify(ctx context.Context, p mail.Path) error
	// Names are the client's PTR names, verified or not; none without an error means that it has none.
	Names(ctx context.Context, c *mail.Client) ([]string, error)
	// Addrs are the addresses of a host; none without an error means that it has none.
	Addrs(ctx context.Context, host string) ([]netip.Addr, error)
	// Servers are the hosts in the records of a kind, "MX" or "NS", at a domain itself; none without an error means that it
	// has none. ErrNullMX is the answer to a null MX.
	Servers(ctx context.Context, kind, domain string) ([]string, error)
	// Listed asks DNS lists side by side, under one deadline: one result an ask.
	Listed(ctx context.Context, asks []dnsbl.Ask) []dnsbl.Result
	// Access looks a key up in the table that the list names so (table.Ref.String). A key that is not whole is part of an
	// address or a name; pattern tables are not asked about it. where is the line, for the log.
	Access(table, key string, whole bool) (action, where string, found bool)
	// Delegate asks a policy server: the right-hand side of an access table, or an error if it cannot be asked.
	Delegate(ctx context.Context, server delegation.Server, q *Question) (action string, err error)
	// Greylist asks whether the client, sender and recipient have been seen before.
	Greylist(ctx context.Context, q *Question) greylist.Result
}
