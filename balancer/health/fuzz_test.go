// SPDX-License-Identifier: MIT

package health

import (
	"net"
	"strings"
	"testing"
	"time"
)

// canned is a connection on which a server has said all of its part already.
type canned struct {
	net.Conn
	in *strings.Reader
}

func (c canned) Read(b []byte) (int, error)  { return c.in.Read(b) }
func (c canned) Write(b []byte) (int, error) { return len(b), nil }
func (c canned) SetDeadline(time.Time) error { return nil }
func (c canned) Close() error                { return nil }

// FuzzDialogue: whatever a server says, each protocol's reader ends, reads no more than allowed, and tells of it in a short and
// printable error.
func FuzzDialogue(f *testing.F) {
	protocols := []string{"smtp", "lmtp", "imap", "pop3", "sieve"}
	for i, protocol := range protocols {
		var all strings.Builder
		for _, s := range dialogues[protocol] {
			all.WriteString(s.say)
		}
		f.Add(uint8(i), all.String())
		f.Add(uint8(i), strings.ReplaceAll(all.String(), "\r", ""))
	}
	f.Add(uint8(0), "220-x\r\n421 too busy\r\n")
	f.Add(uint8(2), "* BYE full\r\n")
	f.Add(uint8(3), "-ERR no\r\n")
	f.Add(uint8(4), "NO \"no\"\r\n")
	f.Fuzz(func(t *testing.T, i uint8, text string) {
		speaks := talkOf(protocols[int(i)%len(protocols)])
		d := newDialogue(t.Context(), canned{in: strings.NewReader(text)}, ours)
		_, err := speaks.open(d)
		if err == nil {
			err = speaks.upgrade(d)
		}
		d.goodbye(speaks.bye)
		if left := d.raw.(*bounded).left; left < 0 {
			t.Fatalf("%d octets too many", -left)
		}
		if err == nil {
			return
		}
		text = err.Error()
		if len(text) > 4*maxShown+300 || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' }) {
			t.Fatalf("%q", text)
		}
	})
}
