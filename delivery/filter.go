// SPDX-License-Identifier: MIT

package delivery

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"posthouse/mail"
	"posthouse/queue"
)

// States of a recipient as an operator sees them. One that is being attempted is still what it was before.
const (
	Queued   = "queued" // not tried yet
	Deferred = "deferred"
	Held     = "held"
)

// Filter chooses recipients; what is set must all match. An empty one without All matches nothing in commands that change
// the queue.
type Filter struct {
	IDs       []mail.ID `json:"ids,omitempty"`
	Sender    string    `json:"sender,omitempty"`    // address; "<>" for the null sender
	Recipient string    `json:"recipient,omitempty"` // address, as delivered or as given
	Domain    string    `json:"domain,omitempty"`    // of the recipient as delivered
	State     string    `json:"state,omitempty"`     // Queued, Deferred, Held
	All       bool      `json:"all,omitempty"`
}

// errNoFilter asks for intent.
var errNoFilter = errors.New("say which: ids, --sender, --recipient, --domain, --state or --all")

// check refuses what can only be a mistake.
func (f Filter) check(changes bool) error {
	if f.State != "" && !slices.Contains([]string{Queued, Deferred, Held}, f.State) {
		return fmt.Errorf("unknown state %q: one of %s, %s, %s", f.State, Queued, Deferred, Held)
	}
	empty := len(f.IDs) == 0 && f.Sender == "" && f.Recipient == "" && f.Domain == "" && f.State == ""
	switch {
	case changes && empty && !f.All:
		return errNoFilter
	case f.All && !empty:
		return errors.New("--all goes with no other filter")
	}
	return nil
}

// needsEnvelope reports that rows alone do not tell.
func (f Filter) needsEnvelope() bool { return f.Sender != "" || f.Recipient != "" || f.Domain != "" }

// matches judges one row. env is nil if the message cannot be read: then it matches only what rows tell.
func (f Filter) matches(env *mail.Envelope, row queue.Row) bool {
	if f.State != "" && f.State != stateOf(row) {
		return false
	}
	if !f.needsEnvelope() {
		return true
	}
	if env == nil || row.N < 0 || row.N >= len(env.Recipients) {
		return false
	}
	to := env.Recipients[row.N]
	return matchesSender(f.Sender, env.From) &&
		(f.Recipient == "" || same(f.Recipient, to.To) || same(f.Recipient, to.Given)) &&
		(f.Domain == "" || strings.EqualFold(f.Domain, to.To.Domain()))
}

func matchesSender(want string, from mail.Path) bool {
	if want == "<>" {
		return from.IsNull()
	}
	return want == "" || same(want, from)
}

func same(want string, p mail.Path) bool {
	return strings.EqualFold(strings.Trim(want, "<>"), p.String())
}

func stateOf(row queue.Row) string {
	switch {
	case row.Held:
		return Held
	case row.Attempts > 0:
		return Deferred
	}
	return Queued
}
