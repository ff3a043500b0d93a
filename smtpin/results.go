// SPDX-License-Identifier: MIT

package smtpin

import (
	"context"

	"posthouse/authres"
	"posthouse/dkim"
	"posthouse/dmarc"
	"posthouse/mail"
	"posthouse/spf"
)

// fields are what the next reader learns: Authentication-Results (RFC 8601) with all results, and Received-SPF (RFC 7208 9.1).
func (t *transaction) fields(ctx context.Context, found authenticated) []mail.Field {
	a := t.service.Authentication
	var methods []authres.Method
	var received []mail.Field
	if a.SPF {
		methods = append(methods, spfMethod(found.spf, t.env))
		received = []mail.Field{found.spf.Received(a.Hostname, t.env.Client.Addr.Addr(), t.env.Client.HELO, t.env.From)}
	}
	if a.DKIM {
		methods = append(methods, dkimMethods(found.dkim)...)
	}
	if a.DMARC {
		methods = append(methods, dmarcMethod(found.dmarc))
	}
	methods = append(methods, t.iprev(ctx))
	return append([]mail.Field{authres.Field(a.AuthservID, methods)}, received...)
}

func spfMethod(r spf.Result, env *mail.Envelope) authres.Method {
	m := authres.Method{Name: "spf", Result: string(r.Status), Reason: reason(string(r.Status), r.Err)}
	if r.Identity == spf.HELO || env.From.IsNull() {
		m.Properties = []authres.Property{{Type: "smtp", Name: "helo", Value: env.Client.HELO}}
	} else {
		m.Properties = []authres.Property{{Type: "smtp", Name: "mailfrom", Value: env.From.String()}}
	}
	return m
}

func dkimMethods(all []dkim.Result) []authres.Method {
	if len(all) == 0 {
		return []authres.Method{{Name: "dkim", Result: "none"}}
	}
	var out []authres.Method
	for _, r := range all {
		m := authres.Method{Name: "dkim", Result: string(r.Status), Reason: reason(string(r.Status), r.Err)}
		for _, p := range []authres.Property{
			{Type: "header", Name: "d", Value: r.Domain}, {Type: "header", Name: "i", Value: r.Identity},
			{Type: "header", Name: "s", Value: r.Selector}, {Type: "header", Name: "a", Value: r.Algorithm}, {Type: "header", Name: "b", Value: r.Begins}, // RFC 6008
		} {
			if p.Value != "" {
				m.Properties = append(m.Properties, p)
			}
		}
		if r.Testing {
			m.Comment = "testing"
		}
		out = append(out, m)
	}
	return out
}

func dmarcMethod(r dmarc.Result) authres.Method {
	m := authres.Method{Name: "dmarc", Result: string(r.Status), Reason: reason(string(r.Status), r.Err)}
	if r.Record.Policy != "" {
		m.Comment = "p=" + string(r.Record.Policy)
	}
	if r.Domain != "" {
		m.Properties = []authres.Property{{Type: "header", Name: "from", Value: r.Domain}}
	}
	if r.Status == dmarc.Fail { // what is asked for in the end, by p, sp, np and t (RFC 9989 9.1)
		m.Properties = append(m.Properties, authres.Property{Type: "policy", Name: "dmarc", Value: string(r.Disposition)})
	}
	return m
}

// iprev is whether the client's address has a name that leads back to it (RFC 8601 3). The frame has looked; why it found none is
// asked of what the resolver remembers.
func (t *transaction) iprev(ctx context.Context) authres.Method {
	m := authres.Method{Name: "iprev", Result: "pass", Comment: t.env.Client.Name}
	m.Properties = []authres.Property{{Type: "policy", Name: "iprev", Value: t.env.Client.Addr.Addr().String()}}
	if t.env.Client.Name != "" {
		return m
	}
	switch names, err := t.facts.Names(ctx, t.client); {
	case err != nil:
		m.Result = "temperror"
	case len(names) == 0:
		m.Result = "permerror"
	default:
		m.Result = "fail"
	}
	return m
}

// reason is why a check did not pass, for readers of the field. What went wrong on our side of the DNS is in the log, with names
// of servers that are nobody's business.
func reason(status string, err error) string {
	if status == "temperror" {
		return "no answer in time"
	}
	return why(err)
}

// why is an error in a few words.
func why(err error) string {
	if err == nil {
		return ""
	}
	const most = 120
	s := err.Error()
	return s[:min(len(s), most)]
}

// countResults makes metrics of the results.
func (t *transaction) countResults(found authenticated) {
	a, m := t.service.Authentication, t.service.Metrics
	if a.SPF {
		m.result("spf", string(found.spf.Status))
	}
	for _, r := range found.dkim {
		m.result("dkim", string(r.Status))
	}
	if a.DMARC {
		m.result("dmarc", string(found.dmarc.Status))
	}
}

// unauthenticated reports mail whose sender is somebody else, as far as his domain can tell: a report would go to a stranger.
func (found *authenticated) unauthenticated() bool {
	return found.spf.Status == spf.Fail || found.dmarc.Status == dmarc.Fail
}
