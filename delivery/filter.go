// SPDX-License-Identifier: MIT

package delivery

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"

	"posthouse/mail"
	"posthouse/queue"
)

// Filter chooses recipients; what is set must all match. An empty one without All is refused where the queue is changed.
type Filter struct {
	IDs       []mail.ID `json:"ids,omitempty"`
	Sender    string    `json:"sender,omitempty"`    // address, "@domain", or "<>" for the null sender
	Recipient string    `json:"recipient,omitempty"` // address, as delivered
	Domain    string    `json:"domain,omitempty"`    // of the recipient as delivered
	State     string    `json:"state,omitempty"`     // active, due, deferred, held
	All       bool      `json:"all,omitempty"`
}

func states() []string {
	return []string{string(queue.Active), string(queue.Due), string(queue.Deferred), string(queue.Held)}
}

// chooses is the queue's filter, once this one makes sense.
func (f Filter) chooses() (queue.Filter, error) {
	q := queue.Filter{All: f.All, IDs: f.IDs, Sender: f.Sender, Recipient: f.Recipient, State: queue.State(f.State)}
	narrow := len(f.IDs) > 0 || f.Sender != "" || f.Recipient != "" || f.Domain != "" || f.State != ""
	switch {
	case f.State != "" && !slices.Contains(states(), f.State):
		return q, fmt.Errorf("unknown state %q: one of %v", f.State, states())
	case f.All && narrow:
		return q, errors.New("--all goes with no other filter")
	case f.Domain != "" && f.Recipient != "":
		return q, errors.New("--recipient goes without --domain")
	}
	for _, id := range f.IDs {
		if !id.Valid() {
			return q, fmt.Errorf("%q is not a queue id", id)
		}
	}
	if f.Domain != "" {
		domain, err := mail.ParseDomain(f.Domain)
		if err != nil {
			return q, fmt.Errorf("--domain: %w", err)
		}
		q.Recipient = "@" + domain
	}
	return q, nil
}

// listed is one message with those of its recipients that match.
type listed struct {
	id    mail.ID
	items []queue.Item
	err   error // why its envelope cannot be read
}

// messages groups what the queue lists by message. An error is a damaged record, or the end; the caller may go on.
func (m *Manager) messages(ctx context.Context, f queue.Filter) iter.Seq2[listed, error] {
	return func(yield func(listed, error) bool) {
		var x listed
		for it, err := range m.Queue.List(ctx, f) {
			if err != nil && (it.Row.ID == "" || ctx.Err() != nil) {
				if !yield(listed{}, err) {
					return
				}
				continue
			}
			if len(x.items) > 0 && x.id != it.Row.ID {
				if !yield(x, nil) {
					return
				}
				x = listed{}
			}
			x.id, x.err, x.items = it.Row.ID, err, append(x.items, it)
		}
		if len(x.items) > 0 {
			yield(x, nil)
		}
	}
}
