// SPDX-License-Identifier: MIT

package smtpd

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"posthouse/mail"
	"posthouse/reply"
)

// TestDialogs plays the files of testdata/dialogs; its README tells the format.
func TestDialogs(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/dialogs/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d dialogs, %v", len(files), err)
	}
	for _, name := range files {
		t.Run(filepath.Base(name), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			w := start(t, &recorder{onRcpt: dialogRcpt}, nil)
			p := w.silent()
			p.play(name, string(text))
			p.end()
		})
	}
}

func dialogRcpt(to mail.Recipient) error {
	switch to.To.Local() {
	case "unknown":
		return reply.UnknownUser
	case "later":
		return reply.Deferred
	}
	return nil
}

// play runs a dialog: lines of the client leave together when the server is to speak next.
func (p *peer) play(name, text string) {
	p.t.Helper()
	var out strings.Builder
	for i, line := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
		who, said, _ := strings.Cut(line, ": ")
		if who == "C" {
			out.WriteString(said + "\r\n")
			continue
		}
		p.send(out.String())
		out.Reset()
		got, err := p.r.ReadString('\n')
		if err != nil {
			p.t.Fatalf("%s:%d: %v", name, i+1, err)
		}
		want, open := strings.CutSuffix(said, "...")
		if got = strings.TrimSuffix(got, "\r\n"); got != want && !(open && strings.HasPrefix(got, want)) {
			p.t.Fatalf("%s:%d: got %q, want %q", name, i+1, got, said)
		}
	}
}
