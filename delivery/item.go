// SPDX-License-Identifier: MIT

package delivery

import (
	"time"

	"posthouse/mail"
	"posthouse/queue"
)

// Item is one waiting recipient, as `queue list` shows it. Times are UTC.
type Item struct {
	ID          mail.ID    `json:"id"`
	Sender      string     `json:"sender"` // "<>": none
	Recipient   string     `json:"recipient"`
	Original    string     `json:"original,omitempty"` // as RCPT had it, if an alias led here
	Destination string     `json:"destination"`
	State       string     `json:"state"` // active, due, deferred, held
	Arrived     *time.Time `json:"arrived,omitempty"`
	Due         *time.Time `json:"due,omitempty"`
	DeadUntil   *time.Time `json:"dead_until,omitempty"` // its destination could not be reached and is left alone
	Attempts    int        `json:"attempts"`
	Size        int64      `json:"size,omitempty"` // octets
	Client      string     `json:"client,omitempty"`
	Relay       string     `json:"relay,omitempty"`  // whom the last attempt reached
	Reason      string     `json:"reason,omitempty"` // what it heard, or why it is held
}

// item makes one. err is why the envelope cannot be read.
func item(x queue.Item, err error) Item {
	row := x.Row
	it := Item{ID: row.ID, Destination: row.Destination, State: string(x.State), Attempts: row.Attempts, Relay: row.Last.Remote}
	if !row.Held {
		it.Due = utc(row.Due)
	}
	if !x.Until.IsZero() {
		it.DeadUntil = utc(x.Until)
	}
	if row.Last.Reply.Code != 0 {
		it.Reason = row.Last.Reply.Error()
	}
	switch {
	case err != nil:
		it.Reason = "cannot be read: " + err.Error()
	case x.Envelope != nil:
		it.describe(x.Envelope, row)
	}
	return it
}

func (it *Item) describe(env *mail.Envelope, row queue.Row) {
	it.Arrived, it.Sender, it.Size = utc(env.Arrived), env.From.String(), env.Size
	if env.From.IsNull() {
		it.Sender = env.From.Wire()
	}
	if env.Client.Addr.IsValid() {
		it.Client = env.Client.Addr.Addr().String()
	}
	if row.Held && env.Hold != "" {
		it.Reason = env.Hold
	}
	if row.N < 0 || row.N >= len(env.Recipients) {
		return
	}
	to := env.Recipients[row.N]
	it.Recipient = to.To.String()
	if to.Given != to.To && !to.Given.IsNull() {
		it.Original = to.Given.String()
	}
}

func utc(t time.Time) *time.Time {
	t = t.UTC()
	return &t
}
