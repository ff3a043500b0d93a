// SPDX-License-Identifier: MIT

package smtpin

import (
	"context"
	"errors"

	"posthouse/dkim"
	"posthouse/dmarc"
	"posthouse/mail"
	"posthouse/spf"
)

// align asks whether the domain in From stands behind one that passed. A failure is none as long as one might have passed, had the
// DNS answered: that mail is not to be refused for good.
func (a *Authentication) align(ctx context.Context, found authenticated, h mail.Header) dmarc.Result {
	var bySPF, perhapsSPF string
	switch found.spf.Status {
	case spf.Pass:
		bySPF, perhapsSPF = found.spf.Domain, found.spf.Domain
	case spf.TempError:
		perhapsSPF = found.spf.Domain
	}
	var byDKIM, perhapsDKIM []string
	for _, r := range found.dkim {
		switch r.Status {
		case dkim.Pass:
			byDKIM, perhapsDKIM = append(byDKIM, r.Domain), append(perhapsDKIM, r.Domain)
		case dkim.TempError:
			perhapsDKIM = append(perhapsDKIM, r.Domain)
		}
	}
	result := a.policies(ctx, h, bySPF, byDKIM)
	if result.Status != dmarc.Fail || perhapsSPF == bySPF && len(perhapsDKIM) == len(byDKIM) {
		return result
	}
	if a.policies(ctx, h, perhapsSPF, perhapsDKIM).Status != dmarc.Fail {
		result.Status, result.Disposition, result.Err = dmarc.TempError, dmarc.Nothing, errUnsure
	}
	return result
}

// policies is what DMARC says of a message. One with several From fields has no one author, and a reader may see any of them, the
// first or the last most of all: each of these is asked about, so that a field more is no way around a policy.
func (a *Authentication) policies(ctx context.Context, h mail.Header, bySPF string, byDKIM []string) dmarc.Result {
	result := dmarc.Message(ctx, a.Resolver, h, bySPF, byDKIM)
	var froms []mail.Field
	for _, f := range h.Fields() {
		if f.Is("From") {
			froms = append(froms, f)
		}
	}
	if len(froms) < 2 {
		return result
	}
	for i, f := range froms {
		if i >= 2 && i < len(froms)-2 {
			continue
		}
		var one mail.Header
		one.Append(f)
		r := dmarc.Message(ctx, a.Resolver, one, bySPF, byDKIM)
		if r.Disposition == dmarc.Reject || r.Disposition == dmarc.Quarantine && result.Disposition != dmarc.Reject {
			result = r
		}
	}
	return result
}

var errUnsure = errors.New("SPF or DKIM of an aligned domain could not be checked")
