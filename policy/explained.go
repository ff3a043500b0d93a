// SPDX-License-Identifier: MIT

package policy

import (
	"context"
	"net/netip"
	"strings"
	"time"

	"posthouse/delegation"
	"posthouse/dnsbl"
	"posthouse/greylist"
	"posthouse/mail"
)

// Explained is a Facts that writes down what it is asked and what f answers. A nil Trail needs none: it is f.
func Explained(f Facts, t *Trail) Facts {
	if t == nil {
		return f
	}
	return &explained{f, t}
}

type explained struct {
	Facts
	trail *Trail
}

func (e *explained) note(asked, answer string, since time.Time) {
	e.trail.Add(Step{Asked: asked, Answer: answer, Took: e.trail.now().Sub(since)})
}

func yes(ok bool, err error) string {
	switch {
	case err != nil:
		return err.Error()
	case ok:
		return "yes"
	}
	return "no"
}

func several(names []string, err error) string {
	switch {
	case err != nil:
		return err.Error()
	case len(names) == 0:
		return "none"
	}
	return strings.Join(names[:min(len(names), 10)], " ")
}

func (e *explained) Trusted(c *mail.Client) bool {
	ok := e.Facts.Trusted(c)
	e.note("client in mynetworks", yes(ok, nil), e.trail.now())
	return ok
}

func (e *explained) Local(c *mail.Client) bool {
	ok := e.Facts.Local(c)
	e.note("client on this machine", yes(ok, nil), e.trail.now())
	return ok
}

func (e *explained) Authorised(to mail.Path) bool {
	ok := e.Facts.Authorised(to)
	e.note("authorised "+to.String(), yes(ok, nil), e.trail.now())
	return ok
}

func (e *explained) Resolves(ctx context.Context, domain string) (bool, error) {
	start := e.trail.now()
	ok, err := e.Facts.Resolves(ctx, domain)
	e.note("MX or address of "+domain, yes(ok, err), start)
	return ok, err
}

func (e *explained) Deliverable(ctx context.Context, to mail.Path) (bool, error) {
	start := e.trail.now()
	ok, err := e.Facts.Deliverable(ctx, to)
	e.note("deliverable "+to.String(), yes(ok, err), start)
	return ok, err
}

func (e *explained) Verify(ctx context.Context, p mail.Path) error {
	start := e.trail.now()
	err := e.Facts.Verify(ctx, p)
	e.note("verify "+p.String(), yes(true, err), start)
	return err
}

func (e *explained) Names(ctx context.Context, c *mail.Client) ([]string, error) {
	start := e.trail.now()
	names, err := e.Facts.Names(ctx, c)
	e.note("PTR of "+c.Addr.Addr().String(), several(names, err), start)
	return names, err
}

func (e *explained) Addrs(ctx context.Context, host string) ([]netip.Addr, error) {
	start := e.trail.now()
	addrs, err := e.Facts.Addrs(ctx, host)
	texts := make([]string, len(addrs))
	for i, a := range addrs {
		texts[i] = a.String()
	}
	e.note("addresses of "+host, several(texts, err), start)
	return addrs, err
}

func (e *explained) Servers(ctx context.Context, kind, domain string) ([]string, error) {
	start := e.trail.now()
	hosts, err := e.Facts.Servers(ctx, kind, domain)
	e.note(kind+" of "+domain, several(hosts, err), start)
	return hosts, err
}

func (e *explained) Listed(ctx context.Context, asks []dnsbl.Ask) []dnsbl.Result {
	start := e.trail.now()
	results := e.Facts.Listed(ctx, asks)
	for i, a := range asks {
		e.note(askedOf(a), listing(results[i]), start)
	}
	return results
}

// askedOf is what was asked of which list: "zen.test 192.0.2.1".
func askedOf(a dnsbl.Ask) string {
	if a.Addr.IsValid() {
		return a.Zone.String() + " " + a.Addr.String()
	}
	return a.Zone.String() + " " + a.Name
}

func listing(r dnsbl.Result) string {
	codes := make([]string, len(r.Codes))
	for i, c := range r.Codes {
		codes[i] = c.String()
	}
	switch {
	case r.Err != nil:
		return r.Err.Error()
	case r.Unhealthy != "":
		return "unhealthy: " + r.Unhealthy
	case r.Listed:
		return strings.Join(append(append([]string{"listed"}, codes...), r.Text), " ")
	case len(codes) > 0:
		return "not listed, its codes do not count: " + strings.Join(codes, " ")
	}
	return "not listed"
}

func (e *explained) Access(table, key string, whole bool) (action, where string, found bool) {
	start := e.trail.now()
	if action, where, found = e.Facts.Access(table, key, whole); found {
		e.note(table+" "+key, where+" "+action, start)
	}
	return action, where, found
}

func (e *explained) Delegate(ctx context.Context, server delegation.Server, q *Question) (string, error) {
	start := e.trail.now()
	action, err := e.Facts.Delegate(ctx, server, q)
	asked, answer := "policy server "+server.Address.String(), action
	if err != nil {
		answer = strings.TrimPrefix(err.Error(), asked+": ")
	}
	e.note(asked, answer, start)
	return action, err
}

func (e *explained) Greylist(ctx context.Context, q *Question) greylist.Result {
	start := e.trail.now()
	r := e.Facts.Greylist(ctx, q)
	e.note("greylist", r.Why, start)
	return r
}
