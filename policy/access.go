// SPDX-License-Identifier: MIT

package policy

import (
	"context"
	"errors"
	"net/netip"
	"strings"

	"posthouse/mail"
	"posthouse/table"
)

// check is what stands between check_ and _access.
type check struct {
	of      who
	servers string // "A", "MX", "NS": not the name itself is looked up, but the hosts that DNS has for it
}

// checkWord reads check_helo_mx_access and its kin.
func checkWord(word string) (c check, ok bool) {
	about, found := strings.CutPrefix(word, "check_")
	about, access := strings.CutSuffix(about, "_access")
	if !found || !access {
		return c, false
	}
	for suffix, servers := range map[string]string{"_a": "A", "_mx": "MX", "_ns": "NS"} {
		if of, found := strings.CutSuffix(about, suffix); found {
			about, c.servers = of, servers
			break
		}
	}
	switch about {
	case "client":
		c.of = theClient
	case "reverse_client_hostname":
		c.of = theReverse
	case "helo":
		c.of = theHelo
	case "sender":
		c.of = theSender
	case "recipient":
		c.of = theRecipient
	case "sasl":
		c.of = theLogin
		return c, c.servers == ""
	default:
		return c, false
	}
	return c, true
}

// errAllowed is a table that permits where permits are not taken.
var errAllowed = errors.New("the table permits by what a stranger says of himself; DUNNO makes an exception")

// in judges by a table. What others than we have in their DNS, or the client's owner alone, must not permit anything: an OK
// there is a fault of the table (forbid_whitelist in smtpd_check.c).
func (c check) in(ref table.Ref) judge {
	look := c.look
	switch {
	case c.servers != "":
		look = c.lookServers
	case c.of == theReverse:
	default:
		return func(ctx context.Context, q *Question) Verdict { return look(ctx, q, ref.String()) }
	}
	return func(ctx context.Context, q *Question) Verdict {
		v := look(ctx, q, ref.String())
		if v.Action == Permit {
			return fault(errAllowed)
		}
		return v
	}
}

// look looks the subject itself up.
func (c check) look(ctx context.Context, q *Question, name string) Verdict {
	keys := c.keys(ctx, q)
	if len(keys) == 0 {
		return Verdict{}
	}
	v, _ := q.lookUp(ctx, name, keys, c.of)
	if v.Action == Permit && c.of == theRecipient && Routed(q.To) {
		return Verdict{} // its end is not the one that the table has seen
	}
	return v
}

// keys are what a table may have about the subject; none if there is no subject.
func (c check) keys(ctx context.Context, q *Question) []key {
	switch c.of {
	case theClient:
		return clientKeys(q.Client.Name, q.Client.Addr.Addr())
	case theReverse:
		name, _ := q.reverse(ctx)
		return clientKeys(name, q.Client.Addr.Addr())
	case theHelo:
		return nameKeys(q.Client.HELO)
	case theSender:
		return pathKeys(q.From, q.delimiter)
	case theRecipient:
		if q.hasTo() {
			return pathKeys(q.To, q.delimiter)
		}
	case theLogin:
		if q.Client.Login != "" {
			return []key{{q.Client.Login, true}}
		}
	}
	return nil
}

func clientKeys(name string, addr netip.Addr) []key {
	keys := nameKeys(orUnknown(name))
	if addr.IsValid() {
		keys = append(keys, addressKeys(addr)...)
	}
	return keys
}

// lookUp asks a table for one key after the other. The first that is found counts, also if it is DUNNO.
func (q *Question) lookUp(ctx context.Context, name string, keys []key, of who) (v Verdict, found bool) {
	for _, k := range keys {
		if action, where, ok := q.Facts.Access(name, k.text, k.whole); ok {
			return q.obey(ctx, of.subject(ctx, q), action, where), true
		}
	}
	return Verdict{}, false
}

// isPath reports an address that mail could go to.
func isPath(text string) (mail.Path, error) {
	p, err := mail.ParseAddress(text)
	if err == nil && p.Domain() == "" {
		err = errors.New("needs a domain: user@domain")
	}
	return p, err
}
