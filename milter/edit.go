// SPDX-License-Identifier: MIT

package milter

import (
	"posthouse/mail"
)

// EditKind is what an Edit does.
type EditKind int

// The edits of the milter protocol.
const (
	AddHeader       EditKind = iota + 1 // Field at the end of the header
	InsertHeader                        // Field at Index, 0 is the top
	ChangeHeader                        // the Index'th field called Name (1 is the first) becomes Field; where there is none, Field is added
	DeleteHeader                        // the Index'th field called Name
	ReplaceBody                         // Result.Body
	AddRecipient                        // Recipient, to be expanded as if RCPT had named it
	DeleteRecipient                     // Path, as RCPT or AddRecipient gave it, with all that was expanded from it
	ChangeSender                        // Path is the new MAIL FROM
)

// Edit is one change that a filter wants. Positions count what the header holds when the edit is applied, without a Received
// field of our own, which filters do not see.
type Edit struct {
	Kind      EditKind
	Milter    string // whose wish it is
	Name      string // of ChangeHeader and DeleteHeader
	Index     int
	Field     mail.Field
	Path      mail.Path
	Recipient mail.Recipient // To and Given, and what the filter said in ESMTP's words
	Params    []string       // ESMTP parameters of ChangeSender, as given
}

// Apply makes the edits of the header in their order; the others are the caller's.
func Apply(edits []Edit, h *mail.Header) {
	for _, e := range edits {
		e.apply(h)
	}
}

func (e *Edit) apply(h *mail.Header) {
	switch e.Kind {
	case AddHeader:
		h.Append(e.Field)
	case InsertHeader:
		h.Insert(e.Index, e.Field)
	case ChangeHeader:
		if !h.Replace(e.Name, e.Index, e.Field) {
			h.Append(e.Field)
		}
	case DeleteHeader:
		h.Replace(e.Name, e.Index, "")
	}
}
