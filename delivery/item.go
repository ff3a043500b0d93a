// SPDX-License-Identifier: MIT

package delivery

import (
	"time"

	"posthouse/mail"
	"posthouse/queue"
)

// Item is one waiting recipient, as `queue list` shows it.
type Item struct {
	ID          mail.ID    `json:"id"`
	Sender      string     `json:"sender"` // "<>": none
	Recipient   string     `json:"recipient"`
	Original    string     `json:"original,omitempty"` // as RCPT had it, if an alias led here
	Destination string     `json:"destination"`
	State       string     `json:"state"`
	Arrived     *time.Time `json:"arrived,omitempty"`
	Due         *time.Time `json:"due,omitempty"`
	Attempts    int        `json:"attempts"`
	Size        int64      `json:"size,omitempty"` // octets
	Client      string     `json:"client,omitempty"`
	Relay       string     `json:"relay,omitempty"`  // whom the last attempt reached
	Reason      string     `json:"reason,omitempty"` // what it heard, or why it is held
}

// items makes the lines of one message.
func items(x found) []Item {
	out := make([]Item, 0, len(x.rows))
	for _, row := range x.rows {
		out = append(out, item(x, row))
	}
	return out
}

func item(x found, row queue.Row) Item {
	it := Item{ID: row.ID, Destination: row.Destination, State: stateOf(row), Attempts: row.Attempts, Relay: row.Last.Remote}
	if !row.Held {
		due := row.Due.UTC()
		it.Due = &due
	}
	if row.Last.Reply.Code != 0 {
		it.Reason = row.Last.Reply.Error()
	}
	if x.env == nil {
		it.Reason = "cannot be read: " + x.err.Error()
		return it
	}
	arrived := x.env.Arrived.UTC()
	it.Arrived, it.Sender, it.Size = &arrived, x.env.From.Wire(), x.env.Size
	if !x.env.From.IsNull() {
		it.Sender = x.env.From.String()
	}
	if x.env.Client.Addr.IsValid() {
		it.Client = x.env.Client.Addr.Addr().String()
	}
	if row.Held && x.env.Hold != "" {
		it.Reason = x.env.Hold
	}
	if row.N >= 0 && row.N < len(x.env.Recipients) {
		to := x.env.Recipients[row.N]
		it.Recipient = to.To.String()
		if to.Given != to.To && !to.Given.IsNull() {
			it.Original = to.Given.String()
		}
	}
	return it
}
