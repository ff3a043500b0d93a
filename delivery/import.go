// SPDX-License-Identifier: MIT

package delivery

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"posthouse/mail"
	"posthouse/queue"
	"posthouse/reply"
)

// bring imports what export wrote: new entries with new ids, the recipients that were still waiting, their arrival and
// state kept, due at once if not held. A message that was brought is renamed to .imported, so that a second run after a failure
// brings only the rest.
func (m *Manager) bring(ctx context.Context, args json.RawMessage, say func(any) error) error {
	t, err := transfer(args)
	if err != nil {
		return err
	}
	files, err := filepath.Glob(filepath.Join(escapeGlob(t.Dir), "*.json"))
	if err != nil {
		return err
	}
	if len(files) == 0 {
		return fmt.Errorf("no exported message in %s: %w", t.Dir, fs.ErrNotExist)
	}
	for _, file := range files {
		moved, err := m.bringOne(ctx, file)
		if err != nil {
			return fmt.Errorf("importing %s: %w", file, err)
		}
		if err := say(moved); err != nil {
			return err
		}
	}
	return nil
}

// escapeGlob takes a directory's name as it stands.
func escapeGlob(dir string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(dir)
}

func (m *Manager) bringOne(ctx context.Context, file string) (Moved, error) {
	e, err := readExport(file)
	if err != nil {
		return Moved{}, err
	}
	eml, err := os.Open(strings.TrimSuffix(file, ".json") + ".eml")
	if err != nil {
		return Moved{}, err
	}
	defer eml.Close()
	msg, err := mail.ReadMessage(eml, importLimit)
	if err != nil {
		return Moved{}, err
	}
	moved := Moved{ID: mail.NewID(m.Now()), Was: e.Envelope.ID, File: file}
	if err := m.Queue.Import(context.WithoutCancel(ctx), m.imported(e, moved.ID, msg)); err != nil {
		return Moved{}, err
	}
	m.Log.Info("imported", "id", moved.ID, "was", moved.Was)
	return moved, os.Rename(file, file+".imported")
}

func readExport(file string) (e exported, err error) {
	f, err := os.Open(file)
	if err != nil {
		return e, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, importLimit))
	if err != nil {
		return e, err
	}
	return parseExport(data)
}

func parseExport(data []byte) (e exported, err error) {
	if err := decode(data, &e); err != nil {
		return e, err
	}
	switch {
	case e.Format != exportFormat:
		return e, fmt.Errorf("format %d is not known, only %d", e.Format, exportFormat)
	case e.Envelope == nil || len(e.Rows) == 0:
		return e, errors.New("no envelope or no recipient")
	}
	seen := map[int]bool{}
	for _, r := range e.Rows {
		if r.Recipient < 0 || r.Recipient >= len(e.Envelope.Recipients) || seen[r.Recipient] {
			return e, fmt.Errorf("recipient %d is not in the envelope, or there twice", r.Recipient)
		}
		seen[r.Recipient] = true
	}
	return e, nil
}

// imported is the entry, to which the queue adds the destinations: the whole envelope, since reports name recipients that are done too, and a row for each that waits.
func (m *Manager) imported(e exported, id mail.ID, msg *mail.Message) queue.Entry {
	env := *e.Envelope
	env.ID = id
	entry := queue.Entry{Envelope: &env, Message: msg}
	for _, r := range e.Rows {
		row := queue.Row{ID: id, N: r.Recipient,
			Held: r.Held, Due: m.Now(), Attempts: r.Attempts, Delayed: r.Delayed}
		if r.Last != "" {
			row.Last = mail.Result{Status: mail.Deferred, Reply: reply.LocalError.With("imported, not tried here yet")}
		}
		entry.Rows = append(entry.Rows, row)
	}
	return entry
}
