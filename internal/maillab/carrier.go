// SPDX-License-Identifier: MIT

package maillab

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"

	"posthouse/mail"
)

// Carrier stands where the queue stands behind a service: it takes all mail and remembers it, unless it is told otherwise.
type Carrier struct {
	mu      sync.Mutex
	mails   []Mail
	last    Mail
	outcome func(n int) mail.Outcome
}

// Mail is what a Carrier was given: copies, as a queue would keep them.
type Mail struct {
	Envelope mail.Envelope
	Text     string
}

// Answer makes the carrier refuse all mail with a result; the zero Result puts it back.
func (c *Carrier) Answer(r mail.Result) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.outcome = func(n int) mail.Outcome { return mail.All(n, r) }
	if r.Status == mail.Unknown {
		c.outcome = nil
	}
}

// Carry is mail.Carrier's.
func (c *Carrier) Carry(_ context.Context, env *mail.Envelope, msg *mail.Message) mail.Outcome {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.outcome != nil {
		return c.outcome(len(env.Recipients))
	}
	r, err := msg.Open()
	if err != nil {
		return nil
	}
	defer r.Close()
	text, err := io.ReadAll(r)
	if err != nil {
		return nil
	}
	kept := *env
	kept.Recipients = slices.Clone(env.Recipients)
	c.last = Mail{kept, string(text)}
	c.mails = append(c.mails, c.last)
	return mail.All(len(env.Recipients), mail.Result{Status: mail.Relayed})
}

// Next is the oldest mail that was not asked for yet.
func (c *Carrier) Next() (Mail, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.mails) == 0 {
		return Mail{}, false
	}
	m := c.mails[0]
	c.mails = c.mails[1:]
	return m, true
}

// Last is the mail that came last, asked for or not.
func (c *Carrier) Last() Mail {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.last
}

// Lines are the envelope in words, a line for each recipient: what its next hop would see, and what it remembers.
func (m Mail) Lines() []string {
	var lines []string
	for _, r := range m.Envelope.Recipients {
		from := m.Envelope.From
		if r.Sender != nil {
			from = *r.Sender
		}
		line := from.Wire() + " -> " + r.To.Wire()
		if r.Given != r.To {
			line += " given " + r.Given.Wire()
		}
		if r.Notify != 0 {
			line += " notify " + notifyWords(r.Notify)
		}
		if r.ORcpt != "" {
			line += " orcpt " + r.ORcpt
		}
		lines = append(lines, line)
	}
	return lines
}

func notifyWords(n mail.Notify) string {
	var words []string
	for i, w := range []string{"NEVER", "SUCCESS", "FAILURE", "DELAY"} {
		if n&(1<<i) != 0 {
			words = append(words, w)
		}
	}
	return strings.Join(words, ",")
}

// Spool keeps drafts in memory.
type Spool struct{}

// Create is mail.Spool's.
func (Spool) Create() (mail.Draft, error) { return &draft{}, nil }

type draft struct{ bytes.Buffer }

func (d *draft) Open() (io.ReadCloser, error) { return mail.Bytes(d.Bytes()).Open() }
func (d *draft) Size() int64                  { return int64(d.Len()) }
func (d *draft) Discard()                     {}

// Log is what was logged.
type Log struct {
	mu    sync.Mutex
	lines []string
}

// Logger writes to the log, in slog's text form without times.
func (l *Log) Logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}))
}

// Write takes one line.
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, strings.TrimSpace(string(p)))
	return len(p), nil
}

// Has reports a line in which all words stand.
func (l *Log) Has(words ...string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.ContainsFunc(l.lines, func(line string) bool {
		return !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(line, w) })
	})
}

// String is the whole log.
func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return fmt.Sprintln(strings.Join(l.lines, "\n"))
}
