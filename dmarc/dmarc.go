// SPDX-License-Identifier: MIT

package dmarc

import (
	"context"
	"strings"

	"github.com/miekg/dns"

	"posthouse/mail"
	"posthouse/resolver"
)

// Status is the result of a check, in the words of RFC 9989 9.2.
type Status string

const (
	None      Status = "none" // no record applies
	Pass      Status = "pass"
	Fail      Status = "fail"
	TempError Status = "temperror" // the DNS did not answer
	PermError Status = "permerror" // there is no one author domain
)

// Policy is what a domain asks for.
type Policy string

const (
	Nothing    Policy = "none"
	Quarantine Policy = "quarantine"
	Reject     Policy = "reject"
)

// Result is what became of one message.
type Result struct {
	Status       Status
	Disposition  Policy // with Fail: what the domain asks for; Nothing otherwise
	Domain       string // of From
	PolicyDomain string // where the record stands, without "_dmarc."
	Aligned      string // with Pass: the domain that is aligned
	Record       Record // zero without one
	Err          error  // with TempError and PermError
}

// maxIdentifiers bounds the domains that are walked for one message.
const maxIdentifiers = 10

// Check finds the policy for author, the domain of From, and compares it with the domain that passed SPF ("" if none did) and
// those that passed DKIM.
func Check(ctx context.Context, r resolver.Resolver, author, spfDomain string, dkimDomains []string) Result {
	c := check{ctx: ctx, resolver: r, author: canonical(author)}
	out := Result{Status: None, Disposition: Nothing, Domain: c.author}
	if c.author == "" || c.author[0] == '[' {
		return out
	}
	c.walked, c.trouble = walk(ctx, r, c.author)
	if c.trouble != nil && !c.own() {
		out.Status, out.Err = TempError, c.trouble
		return out
	}
	policy, ok := c.policy()
	if !ok {
		return out
	}
	out.Record, out.PolicyDomain = policy.record, policy.domain
	aligned, err := c.aligned(&policy.record, canonical(spfDomain), dkimDomains)
	switch {
	case aligned != "": // one is enough, whatever could not be learnt of others
		out.Status, out.Aligned = Pass, aligned
	case err != nil:
		out.Status, out.Err = TempError, err
	default:
		out.Status = Fail
		if out.Disposition, err = c.disposition(&policy); err != nil {
			out.Status, out.Disposition, out.Err = TempError, Nothing, err
		}
	}
	return out
}

// check is one run.
type check struct {
	ctx      context.Context
	resolver resolver.Resolver
	author   string
	walked   []found // from the author domain upwards
	trouble  error   // what lies further up is not known
}

// canonical makes domains comparable: in lower-case A-labels (RFC 9989 4.4, 5.3.1). What is no domain of an address, as a name with
// "_" in front may be in d=, is compared as it is.
func canonical(domain string) string {
	domain = strings.TrimSuffix(domain, ".")
	if d, err := mail.ParseDomain(domain); err == nil {
		return d
	}
	return strings.ToLower(domain)
}

// own reports a record of the author domain itself, which needs no other to apply.
func (c *check) own() bool { return len(c.walked) > 0 && c.walked[0].domain == c.author }

// policy picks the record that applies: the author domain's, the organization's, the public suffix's (RFC 9989 4.10.1).
func (c *check) policy() (found, bool) {
	if len(c.walked) == 0 {
		return found{}, false
	}
	best := c.walked[0]
	if !c.own() {
		best = c.walked[len(c.walked)-1]
		org := organization(c.author, c.walked)
		for _, f := range c.walked {
			if f.domain == org {
				best = f
			}
		}
	}
	return best, best.record.applies()
}

// aligned is the first domain that stands behind the author's. One that must be the same, or is, needs no walk (RFC 9989 4.10.2).
func (c *check) aligned(r *Record, spfDomain string, dkimDomains []string) (string, error) {
	ok, trouble := c.stands(spfDomain, r.StrictSPF)
	if ok {
		return spfDomain, nil
	}
	for _, domain := range dkimDomains[:min(len(dkimDomains), maxIdentifiers)] {
		domain = canonical(domain)
		ok, err := c.stands(domain, r.StrictDKIM)
		if ok {
			return domain, nil
		}
		if err != nil {
			trouble = err
		}
	}
	return "", trouble
}

// stands reports that an authenticated domain is the author's, or of its organization.
func (c *check) stands(domain string, strict bool) (bool, error) {
	switch {
	case domain == "" || domain[0] == '[':
		return false, nil
	case domain == c.author:
		return true, nil
	case strict:
		return false, nil
	case top(domain) != top(c.author): // of no organization in common, whatever the DNS did not tell
		return false, nil
	case c.trouble != nil:
		return false, c.trouble
	}
	org := organization(c.author, c.walked)
	if !related(domain, org) {
		return false, nil
	}
	other, err := walk(c.ctx, c.resolver, domain)
	if err != nil {
		return false, err
	}
	return organization(domain, other) == org, nil
}

// top is the last label.
func top(domain string) string { return domain[strings.LastIndexByte(domain, '.')+1:] }

// related reports that domain can have that organizational domain at all: it is that or below it. Others need no walk.
func related(domain, org string) bool { return domain == org || strings.HasSuffix(domain, "."+org) }

// disposition is what the record asks for: p for its own domain, np or sp for those below (RFC 9989 4.10.1).
func (c *check) disposition(p *found) (Policy, error) {
	r := &p.record
	if p.domain == c.author {
		return r.step(r.Policy), nil
	}
	if r.NonExistent != "" && r.NonExistent != first(r.Subdomains, r.Policy) {
		exists, err := c.exists()
		if err != nil {
			return "", err
		}
		if !exists {
			return r.step(r.NonExistent), nil
		}
	}
	return r.step(first(r.Subdomains, r.Policy)), nil
}

// exists reports that the author domain is in the DNS, with whatever records (RFC 9989 3.2.13, A.4).
func (c *check) exists() (bool, error) {
	_, err := c.resolver.Ask(c.ctx, c.author, dns.TypeA)
	if resolver.Temporary(err) {
		return false, err
	}
	return !resolver.NotFound(err), nil
}
