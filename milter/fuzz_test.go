// SPDX-License-Identifier: MIT

package milter

import (
	"bytes"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"posthouse/mail"
)

// FuzzEnding feeds what a filter may say at the end of a message: whatever it is, the header stays one header, the body canonical
// lines, and a reply one that a server may give.
func FuzzEnding(f *testing.F) {
	for _, seed := range []string{
		pkt('h', "X-A\x00one\n\ttwo\x00") + pkt('a', ""), pkt('i', "\x00\x00\x00\x00X-A\x00v\x00") + pkt('c', ""),
		pkt('m', "\x00\x00\x00\x01Subject\x00\x00") + pkt('c', ""), pkt('b', "body\r\nbare\nbare\rend") + pkt('a', ""),
		pkt('2', "<a@b.test>\x00NOTIFY=NEVER ORCPT=rfc822;a+2Bb\x00") + pkt('-', "<a@b.test>\x00") + pkt('e', "<>\x00SIZE=1\x00") + pkt('a', ""),
		pkt('q', "why\x00") + pkt('y', "550-5.7.1 a\r\n550 5.7.1 b%%\x00"), pkt('p', "") + pkt('y', "4"), "\x00\x00\x00\x00", "\xff\xff\xff\xff?",
	} {
		f.Add([]byte(seed), true)
		f.Add([]byte(seed), false)
	}
	f.Fuzz(func(t *testing.T, said []byte, leading bool) {
		events := uint32(0)
		if leading {
			events = 1 << 20
		}
		s := &script{version: 6, actions: 0x1ff, events: events, answer: at('E', string(said))}
		c := New([]Config{entry()}, Options{Dial: s.dial, Spool: spool{}, MaxBody: 1 << 16, Log: slog.New(slog.DiscardHandler)})
		client := stranger()
		session := c.Connect(&client)
		defer session.Close()
		conversation := session.conversations[0]
		<-conversation.opened
		l := conversation.link
		l.wire.stage(time.Second, time.Second)
		l.wire.Conn, l.wire.left = heard{l.wire.Conn, bytes.NewReader(said)}, maxAnswer
		end := ending{wire: l.wire, filter: conversation.filter, link: l, env: envelope(t)}
		action, err := end.read()
		if err != nil {
			end.drop()
			return
		}
		if v, err := conversation.settle(atEnd, action); err == nil && v.Refused() {
			if v.Reply.Code < 400 || v.Reply.Code > 599 || strings.Trim(v.Reply.Text, printable) != "" {
				t.Errorf("reply %q", v.Reply)
			}
		}
		checkEdits(t, end)
	})
}

const printable = " !\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~\n"

func checkEdits(t *testing.T, end ending) {
	h := message(t, simple).Header
	Apply(end.edits, &h)
	again, err := mail.ParseHeader(h.String())
	if err != nil || len(again.Fields()) != len(h.Fields()) {
		t.Errorf("%d fields became %d: %q %v", len(h.Fields()), len(again.Fields()), h, err)
	}
	if end.body == nil {
		return
	}
	body := text(t, end.body)
	if rest := strings.ReplaceAll(body, "\r\n", ""); strings.ContainsAny(rest, "\r\n") || body != "" && !strings.HasSuffix(body, "\r\n") {
		t.Errorf("body %q", body)
	}
}

// heard is a connection that says what it was given, and takes what it is told.
type heard struct {
	net.Conn
	said io.Reader
}

func (h heard) Read(p []byte) (int, error)  { return h.said.Read(p) }
func (h heard) Write(p []byte) (int, error) { return len(p), nil }
