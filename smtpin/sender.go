// SPDX-License-Identifier: MIT

package smtpin

import (
	"errors"

	"posthouse/dmarc"
	"posthouse/reply"
)

// judgeSender writes down what was found out about the sender, and does what his domain asks for (DMARC). spoke says that a filter
// has judged the message itself: it has seen more than we have.
func (t *transaction) judgeSender(d *draft, found *authenticated, spoke bool) error {
	if found == nil {
		return nil
	}
	t.countResults(*found)
	t.noteResults(*found)
	d.env.Unauthenticated = found.unauthenticated()
	switch t.service.Authentication.enforce(found.dmarc, spoke) {
	case dmarc.Reject:
		t.service.Metrics.effect("dmarc_reject")
		return reply.DMARCRejected.Because(errors.New("dmarc: " + found.dmarc.Domain + " fails, p=reject of " + found.dmarc.PolicyDomain))
	case dmarc.Quarantine:
		t.service.Metrics.effect("dmarc_quarantine")
		d.hold("dmarc: " + found.dmarc.Domain + " fails")
	}
	return nil
}

// enforce is what is done about a message whose domain asks for something. Of itself we refuse for a domain that asks for refusal;
// mail in doubt is the reader's, who finds the result in Authentication-Results.
func (a *Authentication) enforce(r dmarc.Result, spoke bool) dmarc.Policy {
	if r.Status != dmarc.Fail || r.Disposition == dmarc.Nothing {
		return dmarc.Nothing
	}
	switch a.DMARCEnforcement {
	case "reject":
		return r.Disposition
	case "quarantine":
		return dmarc.Quarantine
	case "auto":
		if r.Disposition == dmarc.Reject && !spoke {
			return dmarc.Reject
		}
	}
	return dmarc.Nothing
}

// noteResults writes the results down, and logs them in a line of their own.
func (t *transaction) noteResults(found authenticated) {
	var signed []string
	for _, r := range found.dkim {
		signed = append(signed, string(r.Status)+" "+r.Domain)
	}
	t.note("message", "spf", string(found.spf.Status)+" "+found.spf.Domain)
	for _, s := range signed {
		t.note("message", "dkim", s)
	}
	asks := string(found.dmarc.Status) + " " + found.dmarc.Domain
	if found.dmarc.Status == dmarc.Fail {
		asks += ", p=" + string(found.dmarc.Disposition) + " of " + found.dmarc.PolicyDomain
	}
	t.note("message", "dmarc", asks)
	t.service.Log.Info("authenticated", "id", string(t.env.ID), "spf", string(found.spf.Status), "dkim", signed,
		"dmarc", string(found.dmarc.Status), "from", found.dmarc.Domain)
}
