// SPDX-License-Identifier: MIT

package delivery

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// export writes <id>.eml, as received and in full, and <id>.json. The queue is not changed; whoever moves mail deletes it
// here before importing there, since both would deliver it.
func (m *Manager) export(ctx context.Context, args json.RawMessage, say func(any) error) error {
	t, err := transfer(args)
	if err != nil {
		return err
	}
	f, err := t.Filter.chooses()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(t.Dir, 0o700); err != nil {
		return err
	}
	failed := 0
	for x, err := range m.messages(ctx, f) {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		moved := Moved{ID: x.id}
		if err == nil {
			moved.File, err = m.exportOne(ctx, t.Dir, x)
		}
		if err != nil { // what is damaged must not keep the others here
			failed++
			moved.Error = err.Error()
		}
		if err := say(moved); err != nil {
			return err
		}
	}
	if failed > 0 {
		return fmt.Errorf("not exported, because they could not be read: %d", failed)
	}
	return nil
}

// exportOne writes the .json last: import goes by it, so a message cut off is never taken for whole.
func (m *Manager) exportOne(ctx context.Context, dir string, x listed) (string, error) {
	env, msg, err := m.Queue.Load(ctx, x.id)
	if err != nil {
		return "", err
	}
	e := exported{Format: exportFormat, Envelope: env}
	for _, it := range x.items {
		row := it.Row
		r := exportedRow{Recipient: row.N, Held: row.Held, Due: row.Due.UTC(), Attempts: row.Attempts, Delayed: row.Delayed}
		if row.Last.Reply.Code != 0 {
			r.Last = row.Last.Reply.Error()
		}
		e.Rows = append(e.Rows, r)
	}
	record, err := json.MarshalIndent(e, "", "  ")
	if err != nil {
		return "", err
	}
	body, err := msg.Open()
	if err != nil {
		return "", err
	}
	defer body.Close()
	base := filepath.Join(dir, string(x.id))
	if err := writeNew(base+".eml", body); err != nil {
		return "", err
	}
	return base + ".json", writeNew(base+".json", bytes.NewReader(append(record, '\n')))
}

// writeNew never overwrites, and leaves nothing behind when it fails.
func writeNew(name string, r io.Reader) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, r)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, os.Remove(name))
	}
	return nil
}
