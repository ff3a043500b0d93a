// SPDX-License-Identifier: MIT

package policy

import (
	"context"

	"posthouse/dnsbl"
	"posthouse/reply"
)

// dnsWord are the words that a DNS list answers, without its zone.
func dnsWord(word string) *dnsRule {
	switch word {
	case "reject_rbl_client":
		return &dnsRule{about: clientAddress, judge: blocked(theClient)}
	case "reject_rhsbl_client":
		return &dnsRule{about: clientName, judge: blocked(theClient)}
	case "reject_rhsbl_reverse_client":
		return &dnsRule{about: reverseName, judge: blocked(theReverse)}
	case "reject_rhsbl_helo":
		return &dnsRule{about: heloName, judge: blocked(theHelo)}
	case "reject_rhsbl_sender":
		return &dnsRule{about: senderDomain, judge: blocked(theSender)}
	case "reject_rhsbl_recipient":
		return &dnsRule{about: recipientDomain, judge: blocked(theRecipient)}
	case "permit_dnswl_client":
		return &dnsRule{about: ifAuthorised(clientAddress), judge: allowed}
	case "permit_rhswl_client":
		return &dnsRule{about: ifAuthorised(clientName), judge: allowed}
	}
	return nil
}

type asker = func(context.Context, *Question) (dnsbl.Ask, bool)

func clientAddress(_ context.Context, q *Question) (dnsbl.Ask, bool) {
	return dnsbl.Ask{Addr: q.Client.Addr.Addr()}, q.Client.Addr.IsValid()
}

func clientName(_ context.Context, q *Question) (dnsbl.Ask, bool) { return name(q.Client.Name) }

func reverseName(ctx context.Context, q *Question) (dnsbl.Ask, bool) {
	reverse, _ := q.reverse(ctx)
	return name(reverse)
}

func heloName(_ context.Context, q *Question) (dnsbl.Ask, bool) { return name(q.Client.HELO) }

func senderDomain(_ context.Context, q *Question) (dnsbl.Ask, bool) { return name(q.From.Domain()) }

func recipientDomain(_ context.Context, q *Question) (dnsbl.Ask, bool) { return name(q.To.Domain()) }

// name asks about a name. Of what is none (a literal, an address) a list of names could say nothing.
func name(s string) (dnsbl.Ask, bool) { return dnsbl.Ask{Name: s}, hostname(s) && !numeric(s) }

// ifAuthorised keeps lists of good clients from letting anyone relay.
func ifAuthorised(ask asker) asker {
	return func(ctx context.Context, q *Question) (dnsbl.Ask, bool) {
		if q.Stage == Rcpt && unauthorised(q) {
			return dnsbl.Ask{}, false
		}
		return ask(ctx, q)
	}
}

// blocked refuses what is listed. A list that does not answer has nothing against it: Postfix gives the benefit of the doubt.
func blocked(of who) func(context.Context, *Question, answer) Verdict {
	return func(ctx context.Context, q *Question, a answer) Verdict {
		if !a.Listed {
			return Verdict{}
		}
		s := of.subject(ctx, q)
		if of == theClient && a.Name != "" {
			s.name = a.Name
		}
		words := "Service unavailable; " + s.bare() + " blocked using " + a.Zone.Domain
		if a.Text != "" {
			words += "; " + a.Text
		}
		return refuse(reply.Blocked.With("%s", reply.Words(words)))
	}
}

// allowed permits what is listed. A list that does not answer might have permitted: nothing is refused for good now.
func allowed(_ context.Context, _ *Question, a answer) Verdict {
	switch {
	case a.Err != nil:
		return Verdict{Action: DeferIfReject, Reply: reply.Unavailable.Because(a.Err)}
	case a.Listed:
		return Verdict{Action: Permit}
	}
	return Verdict{}
}
