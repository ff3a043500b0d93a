// SPDX-License-Identifier: MIT

package dnsbl

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"posthouse/resolver"
)

// lookup is one question on its way.
type lookup struct {
	lister *Lister
	zone   *Zone
	health *health
	name   string
	text   bool // the zone's words are wanted
	result *Result
}

// remembered answers without asking a server, if it can.
func (k *lookup) remembered() bool {
	m := k.lister.memory
	if m == nil {
		return false
	}
	answer, err, ok := m.Known(k.name, resolver.TypeA)
	if !ok {
		return false
	}
	var r Result
	if r.take(k.zone, answer, err); r.Listed {
		word, known := k.health.known()
		if !known {
			return false
		}
		r.doubt(word)
	}
	if r.Listed && k.text {
		texts, _, ok := m.Known(k.name, resolver.TypeTXT)
		if !ok {
			return false
		}
		r.Text = clean(texts.Texts())
	}
	k.settle(r)
	return true
}

// ask asks servers, as long as ctx allows. What the zone's health is matters only if it lists.
func (k *lookup) ask(ctx context.Context) {
	answer, err := k.lister.Resolver.Ask(ctx, k.name, resolver.TypeA)
	var r Result
	if r.take(k.zone, answer, err); r.Listed {
		if k.text {
			texts, _ := k.lister.Resolver.Ask(ctx, k.name, resolver.TypeTXT)
			r.Text = clean(texts.Texts())
		}
		r.doubt(k.health.wait(ctx))
	}
	k.settle(r)
}

// askSafely is ask in a goroutine of its own, where nobody else catches a panic: it is an answer that could not be had.
func (k *lookup) askSafely(ctx context.Context) {
	defer func() {
		if p := recover(); p != nil {
			k.settle(Result{Err: fmt.Errorf("look up %s: panic: %v", k.name, p)})
		}
	}()
	k.ask(ctx)
}

func (k *lookup) settle(r Result) {
	k.health.counters[r.kind()].Inc()
	if r.Err != nil && !errors.Is(r.Err, context.Canceled) && k.health.missed(k.lister.Now()) {
		k.lister.Log.Warn("a DNS list gives no answer, and so lists nobody", "zone", k.zone.Domain, "err", r.Err)
	}
	*k.result = r
}

// take reads the answer to the question for the A record.
func (r *Result) take(z *Zone, answer resolver.Answer, err error) {
	switch {
	case resolver.Temporary(err):
		r.Err = err
		return
	case err != nil:
		return
	}
	r.Codes = answer.IPv4()
	for _, code := range r.Codes {
		switch {
		case !inLoopback(code):
			r.Unhealthy = "answers " + code.String() + ", which is outside 127.0.0.0/8"
		case refuses(code):
			r.Unhealthy = "does not serve our resolver (" + code.String() + ")"
			r.Listed = r.Listed || z.Filter.only(127, 255, 255) && z.Filter.Match(code)
		default:
			r.Listed = r.Listed || z.Filter.Match(code)
		}
	}
}

// doubt takes a listing back if the zone lists everybody.
func (r *Result) doubt(everybody string) {
	if everybody != "" {
		r.Listed, r.Text, r.Unhealthy = false, "", everybody
	}
}

func inLoopback(code netip.Addr) bool { return code.Is4() && code.As4()[0] == 127 }

// refuses reports 127.255.255.0/24: Spamhaus' return codes, which other lists have taken over.
func refuses(code netip.Addr) bool {
	o := code.As4()
	return o[0] == 127 && o[1] == 255 && o[2] == 255
}

// maxText bounds what a zone may put into our replies and logs, in octets.
const maxText = 255

// clean makes one line of printable ASCII of a zone's texts.
func clean(texts []string) string {
	var b []byte
	for i, s := range texts {
		if i > 0 {
			b = append(b, " / "...)
		}
		for j := 0; j < len(s) && len(b) < maxText; j++ {
			c := s[j]
			if c < ' ' || c > '~' {
				c = '?'
			}
			b = append(b, c)
		}
	}
	return string(b[:min(len(b), maxText)])
}
