// SPDX-License-Identifier: MIT

package content

import (
	"bufio"
	"io"

	"posthouse/mail"
)

// editor writes a body anew from its first change on: it copies behind the reader that finds the changes. Without a change
// it opens and writes nothing.
type editor struct {
	body  mail.Body
	spool mail.Spool

	from  io.ReadCloser
	at    int64 // of from
	draft mail.Draft
	to    *bufio.Writer
}

// change puts text in the place of the octets from start to end, which lie behind all changes before.
func (e *editor) change(start, end int64, text string) error {
	if e.draft == nil {
		if err := e.begin(); err != nil {
			return err
		}
	}
	if _, err := io.CopyN(e.to, e.from, start-e.at); err != nil {
		return err
	}
	if _, err := e.to.WriteString(text); err != nil {
		return err
	}
	_, err := io.CopyN(io.Discard, e.from, end-start)
	e.at = end
	return err
}

func (e *editor) begin() (err error) {
	if e.from, err = e.body.Open(); err != nil {
		return err
	}
	if e.draft, err = e.spool.Create(); err != nil {
		return err
	}
	e.to = bufio.NewWriterSize(e.draft, blockSize)
	return nil
}

// finish copies the rest. The draft is nil if nothing changed.
func (e *editor) finish() (mail.Draft, error) {
	if e.draft == nil {
		return nil, nil
	}
	if _, err := io.Copy(e.to, e.from); err != nil {
		return nil, err
	}
	return e.draft, e.to.Flush()
}

func (e *editor) discard() {
	if e.draft != nil {
		e.draft.Discard()
	}
}

func (e *editor) close() {
	if e.from != nil {
		e.from.Close()
	}
}
