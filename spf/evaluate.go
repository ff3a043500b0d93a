// SPDX-License-Identifier: MIT

package spf

import (
	"context"
	"errors"
	"net/netip"

	"posthouse/resolver"
)

// Limits of RFC 7208 4.6.4.
const (
	maxTerms = 10 // that ask the DNS
	maxVoid  = 2  // of them in vain
	maxHosts = 10 // mail exchangers, names of an address
)

var (
	errTerms = errors.New("more than 10 terms that ask the DNS")
	errVoid  = errors.New("more than 2 terms that ask the DNS in vain")
	errHosts = errors.New("more than 10 mail exchangers")
)

// evaluation is one run of check_host with all that it includes.
type evaluation struct {
	Options
	ctx         context.Context
	client      netip.Addr
	helo        string
	local       string // of the sender
	origin      string // the sender's domain
	terms, void int
	names       []string // of the client, verified
	named       bool     // names is known
}

// verdict is what one record says; exp and domain are where it explains itself.
type verdict struct {
	status Status
	term   string
	err    error
	exp    macros
	domain string
}

func bad(err error) verdict     { return verdict{status: PermError, err: err} }
func trouble(err error) verdict { return verdict{status: TempError, err: err} }

// ask finds the record of a domain and goes through it.
func (e *evaluation) ask(domain string) verdict {
	txt, err := e.record(domain)
	switch {
	case errors.Is(err, errSeveral):
		return bad(err)
	case resolver.Temporary(err):
		return trouble(err)
	case txt == "":
		return verdict{status: None}
	}
	r, err := parse(txt)
	if err != nil {
		return bad(err)
	}
	return e.follow(r, domain)
}

var errSeveral = errors.New("more than one record")

// record is the one "v=spf1" text of a domain; "" without any.
func (e *evaluation) record(domain string) (string, error) {
	texts, err := e.texts(domain)
	if err != nil {
		return "", err
	}
	found, n := "", 0
	for _, t := range texts {
		if version(t) {
			found = t
			n++
		}
	}
	if n > 1 {
		return "", errSeveral
	}
	return found, nil
}

// follow tries the terms in order, then the redirect, which "all" makes void (RFC 7208 4.7, 6.1).
func (e *evaluation) follow(r *record, domain string) verdict {
	for i := range r.directives {
		d := &r.directives[i]
		matched, failed := e.match(d, domain)
		switch {
		case failed.status != "":
			return failed
		case matched:
			return verdict{status: d.result, term: d.text, exp: r.exp, domain: domain}
		}
	}
	if r.redirect == nil {
		return verdict{status: Neutral, term: "default"}
	}
	if err := e.count(); err != nil {
		return bad(err)
	}
	return e.other("redirect", e.name(r.redirect, domain))
}

// count takes one of the terms that may ask the DNS.
func (e *evaluation) count() error {
	if e.terms++; e.terms > maxTerms {
		return errTerms
	}
	return nil
}

// inVain counts a term that asked and was told of nothing.
func (e *evaluation) inVain() verdict {
	if e.void++; e.void > maxVoid {
		return bad(errVoid)
	}
	return verdict{}
}
