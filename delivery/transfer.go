// SPDX-License-Identifier: MIT

package delivery

import (
	"encoding/json"
	"errors"
	"path/filepath"
	"time"

	"posthouse/mail"
)

// Transfer is the arguments of export and import.
type Transfer struct {
	Dir    string `json:"dir"` // absolute
	Filter Filter `json:"filter"`
}

// Moved is one message written or read.
type Moved struct {
	ID    mail.ID `json:"id"`
	File  string  `json:"file"`            // the .json
	Was   mail.ID `json:"was,omitempty"`   // the id in the queue it came from
	Error string  `json:"error,omitempty"` // export: why this one could not be written; the others go on
}

// exported is the .json beside an .eml. Format changes only with its number.
type exported struct {
	Format   int            `json:"format"`
	Envelope *mail.Envelope `json:"envelope"`
	Rows     []exportedRow  `json:"rows"`
}

type exportedRow struct {
	Recipient int       `json:"recipient"` // index in the envelope
	Held      bool      `json:"held,omitempty"`
	Due       time.Time `json:"due"`
	Attempts  int       `json:"attempts"`
	Delayed   bool      `json:"delayed,omitempty"`
	Last      string    `json:"last,omitempty"` // for the reader; not imported
}

const exportFormat = 1

// importLimit bounds what one file may bring, in octets: it is read into memory.
const importLimit = 256 << 20

var errDir = errors.New("the directory must be given as an absolute path")

func transfer(args json.RawMessage) (t Transfer, err error) {
	if err := decode(args, &t); err != nil {
		return t, err
	}
	if !filepath.IsAbs(t.Dir) {
		return t, errDir
	}
	return t, nil
}
