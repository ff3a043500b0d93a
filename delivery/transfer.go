// SPDX-License-Identifier: MIT

package delivery

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"posthouse/mail"
	"posthouse/queue"
	"posthouse/reply"
)

// Transfer is the arguments of export and import.
type Transfer struct {
	Dir    string `json:"dir"` // absolute
	Filter Filter `json:"filter"`
}

// Moved is one message written or read.
type Moved struct {
	ID   mail.ID `json:"id"`
	File string  `json:"file"`          // the .json
	Was  mail.ID `json:"was,omitempty"` // the id in the queue it came from
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

// export writes <id>.eml, as received and in full, and <id>.json. The queue is not changed; whoever moves mail deletes it
// here before importing there, since both would deliver it.
func (m *Manager) export(ctx context.Context, args json.RawMessage, say func(any) error) error {
	t, err := transfer(args)
	if err != nil {
		return err
	}
	if err := t.Filter.check(true); err != nil {
		return err
	}
	if err := os.MkdirAll(t.Dir, 0o700); err != nil {
		return err
	}
	return m.find(ctx, t.Filter, func(x found) error {
		if x.env == nil {
			return fmt.Errorf("%s cannot be read: %w", x.id, x.err)
		}
		file, err := writeExport(t.Dir, x)
		if err != nil {
			return fmt.Errorf("exporting %s: %w", x.id, err)
		}
		return say(Moved{ID: x.id, File: file})
	})
}

func transfer(args json.RawMessage) (t Transfer, err error) {
	if err := decode(args, &t); err != nil {
		return t, err
	}
	if !filepath.IsAbs(t.Dir) {
		return t, errDir
	}
	return t, nil
}

// writeExport writes the .json last: import goes by it, so a message cut off is never taken for whole.
func writeExport(dir string, x found) (string, error) {
	e := exported{Format: exportFormat, Envelope: x.env}
	for _, row := range x.rows {
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
	body, err := x.msg.Open()
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
	if err := m.Queue.Add(context.WithoutCancel(ctx), m.imported(e, moved.ID, msg)); err != nil {
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

// imported is the entry: the whole envelope, since reports name recipients that are done too, and a row for each that waits.
func (m *Manager) imported(e exported, id mail.ID, msg *mail.Message) queue.Entry {
	env := *e.Envelope
	env.ID = id
	entry := queue.Entry{Envelope: &env, Message: msg}
	for _, r := range e.Rows {
		row := queue.Row{ID: id, N: r.Recipient, Destination: m.Destination(env.Recipients[r.Recipient].To),
			Held: r.Held, Due: m.Now(), Attempts: r.Attempts, Delayed: r.Delayed}
		if r.Last != "" {
			row.Last = mail.Result{Status: mail.Deferred, Reply: reply.LocalError.With("imported, not tried here yet")}
		}
		entry.Rows = append(entry.Rows, row)
	}
	return entry
}
