// SPDX-License-Identifier: MIT

package pebbledb

import (
	"errors"
	"fmt"
	"io"

	"posthouse/mail"
	"posthouse/queue"
)

// add writes one message: envelope, header with body, rows.
func (ch *change) add(e *queue.Entry) error {
	id := e.Envelope.ID
	if err := checkID(id); err != nil {
		return err
	}
	if len(e.Rows) == 0 {
		return fmt.Errorf("message %s has no recipient", id)
	}
	ch.value = appendEnvelope(ch.value[:0], e.Envelope)
	if err := ch.batch.Set(envelopeKey(id), ch.value, nil); err != nil {
		return err
	}
	ch.names = append(ch.names, "")
	if err := ch.addMessage(id, e.Message); err != nil {
		return fmt.Errorf("body of %s: %w", id, err)
	}
	for i := range e.Rows {
		row := &e.Rows[i]
		if row.ID != id {
			return fmt.Errorf("a row of %s came with message %s", row.ID, id)
		}
		if err := checkRow(row); err != nil {
			return err
		}
		ch.putRow(row)
	}
	return nil
}

// addMessage adopts the store's own draft and copies any other body.
func (ch *change) addMessage(id mail.ID, m *mail.Message) error {
	d, ok := m.Body.(*draft)
	if ok && d.s == ch.s {
		if ok, err := d.adopt(); err != nil || ok {
			return errors.Join(err, ch.setDraft(id, m.Header.String(), d))
		}
	}
	if m.Body.Size() > int64(ch.s.o.Threshold) {
		return ch.copyToFile(id, m)
	}
	return ch.setInline(id, m.Header.String(), m.Body)
}

func (ch *change) setDraft(id mail.ID, header string, d *draft) error {
	if d.file != nil {
		return ch.setFile(id, header, d)
	}
	ch.set(id, header, "", d.size, d.buf)
	return nil
}

// setFile names the file in two records: the message's, and the sweep's.
func (ch *change) setFile(id mail.ID, header string, d *draft) error {
	ch.files = append(ch.files, d.name)
	ch.names[len(ch.names)-1] = d.name
	ch.set(id, header, d.name, d.size, nil)
	return ch.batch.Set(fileKey(d.name), []byte(id), nil)
}

// set puts the parts of a message record straight into the batch: one copy of header and body.
func (ch *change) set(id mail.ID, header, file string, size int64, body []byte) {
	ch.value = messageHead(ch.value[:0], len(header), file, size)
	op := ch.batch.SetDeferred(1+len(id), len(ch.value)+len(header)+len(body))
	op.Key[0] = prefixMessage
	copy(op.Key[1:], id)
	n := copy(op.Value, ch.value)
	n += copy(op.Value[n:], header)
	copy(op.Value[n:], body)
	_ = op.Finish() // nil but for an indexed batch
}

// setInline copies a body that says it is small, and holds it to its word.
func (ch *change) setInline(id mail.ID, header string, b mail.Body) error {
	r, err := b.Open()
	if err != nil {
		return err
	}
	defer r.Close()
	text, err := io.ReadAll(io.LimitReader(r, b.Size()+1))
	if err == nil {
		err = wholeBody(int64(len(text)), b)
	}
	if err != nil {
		return err
	}
	ch.set(id, header, "", int64(len(text)), text)
	return nil
}

// copyToFile writes a foreign body as a draft of our own and adopts that.
func (ch *change) copyToFile(id mail.ID, m *mail.Message) error {
	r, err := m.Body.Open()
	if err != nil {
		return err
	}
	defer r.Close()
	made, err := ch.s.Create()
	if err != nil {
		return err
	}
	d := made.(*draft)
	defer d.Discard()
	n, err := io.Copy(d, io.LimitReader(r, m.Body.Size()+1))
	if err == nil {
		err = wholeBody(n, m.Body)
	}
	if err != nil {
		return err
	}
	if _, err := d.adopt(); err != nil {
		return err
	}
	return ch.setDraft(id, m.Header.String(), d)
}

// wholeBody holds a body to its word: one that is shorter or longer than it says would be kept in part.
func wholeBody(got int64, b mail.Body) error {
	if got != b.Size() {
		return fmt.Errorf("body says %d octets and has %d or more", b.Size(), got)
	}
	return nil
}
