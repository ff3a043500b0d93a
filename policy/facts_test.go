// SPDX-License-Identifier: MIT

package policy

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"posthouse/delegation"
	"posthouse/dnsbl"
	"posthouse/greylist"
	"posthouse/mail"
)

var errTrouble = errors.New("SERVFAIL")

// facts answers what a test told it; a name that it was not told does not exist, and one that begins with "trouble." cannot
// be asked about.
type facts struct {
	trusted, local bool
	authorised     string // domain
	final          string
	exists         []string // domains
	nullMX         string
	deliverable    bool
	verify         error
	names          []string
	addrs          map[string]string            // host: addresses
	servers        map[string]string            // "MX domain": hosts
	listed         map[string]string            // "zone subject": text
	tables         map[string]map[string]string // fixed keys
	pattern        string                       // of the tables: a whole key that holds it is found in all of them
	action         string                       // of policy servers
	wait           bool                         // greylisted
	asked          []string
	calls          int // of Listed
}

func (f *facts) note(words ...string) { f.asked = append(f.asked, strings.Join(words, " ")) }

func (f *facts) Trusted(*mail.Client) bool { return f.trusted }
func (f *facts) Local(*mail.Client) bool   { return f.local }

func (f *facts) Authorised(to mail.Path) bool { return to.Domain() == f.authorised && !Routed(to) }
func (f *facts) Final(domain string) bool     { return domain == f.final }

func (f *facts) Resolves(_ context.Context, domain string) (bool, error) {
	f.note("resolves", domain)
	switch {
	case strings.HasPrefix(domain, "trouble."):
		return false, errTrouble
	case domain == f.nullMX:
		return false, ErrNullMX
	}
	return slices.Contains(f.exists, domain), nil
}

func (f *facts) Deliverable(_ context.Context, to mail.Path) (bool, error) {
	f.note("deliverable", to.String())
	return f.deliverable, nil
}

func (f *facts) Verify(_ context.Context, p mail.Path) error {
	f.note("verify", p.String())
	return f.verify
}

func (f *facts) Names(context.Context, *mail.Client) ([]string, error) {
	f.note("names")
	if f.names == nil {
		return nil, errTrouble
	}
	return f.names, nil
}

func (f *facts) Addrs(_ context.Context, host string) (out []netip.Addr, err error) {
	f.note("addrs", host)
	if strings.HasPrefix(host, "trouble.") {
		return nil, errTrouble
	}
	for _, a := range strings.Fields(f.addrs[host]) {
		out = append(out, netip.MustParseAddr(a))
	}
	return out, nil
}

func (f *facts) Servers(_ context.Context, kind, domain string) ([]string, error) {
	f.note(kind, domain)
	switch {
	case strings.HasPrefix(domain, "trouble."):
		return nil, errTrouble
	case kind == "MX" && domain == f.nullMX:
		return nil, ErrNullMX
	}
	return strings.Fields(f.servers[kind+" "+domain]), nil
}

func (f *facts) Listed(_ context.Context, asks []dnsbl.Ask) []dnsbl.Result {
	f.calls++
	out := make([]dnsbl.Result, len(asks))
	for i, a := range asks {
		f.note(askedOf(a))
		if strings.HasPrefix(a.Zone.Domain, "trouble.") {
			out[i].Err = errTrouble
			continue
		}
		out[i].Text, out[i].Listed = f.listed[askedOf(a)]
	}
	return out
}

func (f *facts) Access(table, key string, whole bool) (action, where string, found bool) {
	f.note(table, key, map[bool]string{true: "whole", false: "part"}[whole])
	if whole && f.pattern != "" && strings.Contains(key, f.pattern) {
		return "REJECT pattern", "patterns:1", true
	}
	action, found = f.tables[table][strings.ToLower(key)]
	return action, table + ":1", found
}

func (f *facts) Delegate(_ context.Context, s delegation.Server, _ *Question) (string, error) {
	f.note("delegate", s.Address.String())
	if f.action == "" {
		return "", errTrouble
	}
	return f.action, nil
}

func (f *facts) Greylist(context.Context, *Question) greylist.Result {
	return greylist.Result{Pass: !f.wait, Wait: 5 * time.Minute, Why: "new"}
}

func address(t testing.TB, s string) mail.Path {
	t.Helper()
	if s == "" {
		return mail.Path{}
	}
	p, err := mail.ParseAddress(s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// list parses words, one entry a string.
func list(t testing.TB, words ...string) List {
	t.Helper()
	l, problems := ParseList(words)
	if len(problems) > 0 {
		t.Fatalf("ParseList(%q): %v", words, problems)
	}
	return l
}

// entries cuts "permit_mynetworks; reject" into entries.
func entries(text string) (out []string) {
	for e := range strings.SplitSeq(text, ";") {
		if e = strings.TrimSpace(e); e != "" {
			out = append(out, e)
		}
	}
	return out
}

// stranger asks about a message from a client that DNS knows.
func stranger(t testing.TB, f Facts, from, to string) *Question {
	return &Question{
		Stage:  Rcpt,
		Client: &mail.Client{Addr: netip.MustParseAddrPort("192.0.2.1:4025"), HELO: "client.test", Name: "client.test"},
		From:   address(t, from), To: address(t, to), Facts: f, Effects: &Effects{},
	}
}
