// SPDX-License-Identifier: MIT

package policy

import (
	"fmt"

	"posthouse/config"
)

// Validate complains of what cannot be read or is not enforced, at its place below at, and of lists that would relay for the
// world, or look as if they did not.
func (c *Config) Validate(at config.Section) {
	for _, l := range c.lists() {
		here := at.At(l.stance.String())
		l.complain(here)
		l.complainOfDead(here)
	}
	relay, recipient := configured{inRelay, c.RelayRestrictions}, configured{inRecipient, c.RecipientRestrictions}
	switch first, second := relay.refusal(), recipient.refusal(); {
	case first < 0 && second < 0:
		at.At("relay_restrictions").Errorf("nothing refuses to relay for strangers: one of relay_restrictions and recipient_restrictions needs " +
			"reject_unauth_destination, defer_unauth_destination, reject or defer before any permit")
	case first < 0:
		recipient.complainOfClaims(at, second)
	case second < 0:
		relay.complainOfClaims(at, first)
	}
}

func (l configured) complain(at config.Section) {
	_, problems := l.parse()
	for _, p := range problems {
		place := at.At(fmt.Sprintf("[%d]", p.Index))
		if p.Unenforced {
			place.Unenforced(weakens(l.entries[p.Index]), "%v", p.Err)
			continue
		}
		place.Errorf("%v", p.Err)
	}
}

// one is the rule of an entry; ok is false if it cannot be read.
func (l configured) one(i int) (r rule, ok bool) {
	r, err := parseEntry(l.entries[i], l.stance.tableWord())
	return r, err == nil
}

// stops reports a rule that lets nobody relay who may not: it, or the list, ends with a refusal.
func (r rule) stops() bool {
	switch r.words {
	case "reject_unauth_destination", "defer_unauth_destination", "reject", "defer":
		return !r.warn
	}
	return false
}

// ends reports a rule behind which none is ever asked. warn_if_reject permit permits, too.
func (r rule) ends() bool {
	return r.words == "permit" || (r.words == "reject" || r.words == "defer") && !r.warn
}

// refusal is where the list refuses strangers to relay, before any permit; -1 if it does not.
func (l configured) refusal() int {
	for i := range l.entries {
		r, ok := l.one(i)
		switch {
		case ok && r.stops():
			return i
		case ok && r.ends():
			return -1
		}
	}
	return -1
}

// complainOfDead complains of what stands behind the end: a refusal to relay that looks like one is an error.
func (l configured) complainOfDead(at config.Section) {
	end := ""
	for i := range l.entries {
		r, ok := l.one(i)
		place := at.At(fmt.Sprintf("[%d]", i))
		switch {
		case !ok:
		case end == "permit" && r.stops():
			place.Errorf("%s is never asked: permit stands before it", r.words)
		case end != "":
			place.Warnf("%s is never asked: %s stands before it", r.words, end)
		case r.ends():
			end = r.words
		}
	}
}

// complainOfClaims warns of tables before the only refusal to relay that know a stranger by what he says of himself: an OK in
// one lets everybody relay who says it.
func (l configured) complainOfClaims(at config.Section, refusal int) {
	for i := range refusal {
		r, ok := l.one(i)
		if !ok || r.table == nil {
			continue
		}
		if r.of == theSender || r.of == theHelo {
			at.At(fmt.Sprintf("%s[%d]", l.stance, i)).Warnf("an OK in %s would let anyone relay who claims to be that sender or host; "+
				"put it behind the refusal of relaying, or into another list", r.table)
		}
	}
}
