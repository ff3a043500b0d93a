// SPDX-License-Identifier: MIT

package spf

import (
	"context"
	"net/netip"
	"time"

	"posthouse/mail"
	"posthouse/resolver"
)

// Status is the result of a check, in the words of RFC 7208 2.6 and RFC 8601 2.7.2.
type Status string

const (
	None      Status = "none"      // the domain says nothing, or is no domain
	Neutral   Status = "neutral"   // it says that it does not say
	Pass      Status = "pass"      // the client may send for it
	Fail      Status = "fail"      // the client may not
	SoftFail  Status = "softfail"  // the client probably may not
	TempError Status = "temperror" // not now: the DNS did not answer
	PermError Status = "permerror" // the record is wrong
)

// The identities that are checked (RFC 7208 2.3, 2.4).
const (
	MailFrom = "mailfrom"
	HELO     = "helo"
)

// Options of a check.
type Options struct {
	Resolver resolver.Resolver
	Hostname string           // ours, for the macro "r" ["unknown"]
	Timeout  time.Duration    // of a whole check [20s, the least that RFC 7208 4.6.4 allows]
	Now      func() time.Time // for the macro "t" [time.Now]
}

// Result is what a domain says about a client.
type Result struct {
	Status      Status
	Identity    string // MailFrom or HELO
	Domain      string // the domain that was asked
	Mechanism   string // the term that matched, as written; "default" if none did
	Explanation string // with Fail: why, in the domain's words; printable ASCII, 500 octets at most
	Err         error  // with TempError and PermError: what is wrong
}

// Check asks the domain of the reverse-path about client, or the name in HELO if that is <>.
func Check(ctx context.Context, o Options, client netip.Addr, helo string, from mail.Path) Result {
	if from.IsNull() {
		return o.check(ctx, HELO, client, helo, "postmaster", helo)
	}
	return o.check(ctx, MailFrom, client, helo, from.Local(), from.Domain())
}

// check is check_host (RFC 7208 4).
func (o Options) check(ctx context.Context, identity string, client netip.Addr, helo, local, domain string) Result {
	if o.Timeout <= 0 {
		o.Timeout = 20 * time.Second
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if local == "" {
		local = "postmaster" // RFC 7208 4.3
	}
	ctx, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()
	e := &evaluation{Options: o, ctx: ctx, client: client.Unmap().WithZone(""), helo: helo, local: local, origin: domain}
	v := verdict{status: None}
	if wellFormed(domain) && e.client.IsValid() {
		v = e.ask(domain)
	}
	return Result{
		Status: v.status, Identity: identity, Domain: domain, Mechanism: v.term, Explanation: e.explain(v), Err: v.err,
	}
}
