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
	result := dmarc.Message(ctx, a.Resolver, h, bySPF, byDKIM)
	if result.Status != dmarc.Fail || perhapsSPF == bySPF && len(perhapsDKIM) == len(byDKIM) {
		return result
	}
	if dmarc.Message(ctx, a.Resolver, h, perhapsSPF, perhapsDKIM).Status != dmarc.Fail {
		result.Status, result.Disposition, result.Err = dmarc.TempError, dmarc.Nothing, errUnsure
	}
	return result
}

var errUnsure = errors.New("SPF or DKIM of an aligned domain could not be checked")
