// SPDX-License-Identifier: MIT

package smtpclient

import (
	"bytes"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"posthouse/mail"
)

// recorded is a server whose words are known beforehand; what it is told goes nowhere.
type recorded struct {
	net.Conn
	in io.Reader
}

func (c recorded) Read(p []byte) (int, error)       { return c.in.Read(p) }
func (c recorded) Write(p []byte) (int, error)      { return len(p), nil }
func (c recorded) Close() error                     { return nil }
func (c recorded) SetReadDeadline(time.Time) error  { return nil }
func (c recorded) SetWriteDeadline(time.Time) error { return nil }

// FuzzConversation holds whole conversations with a server that says anything. Nothing counts as taken without a 2yz reply
// to the dot, no recipient is left without a result, and no error of the connection makes a Failed.
func FuzzConversation(f *testing.F) {
	for _, s := range []string{
		"220 x\r\n250-x\r\n250 PIPELINING\r\n250 a\r\n250 b\r\n550 c\r\n354 d\r\n250 e\r\n",
		"220 x\r\n250 x\r\n250 a\r\n250 b\r\n452 c\r\n354 d\r\n451 e\r\n250 again\r\n",
		"220 x\r\n500 x\r\n250 x\r\n421 bye\r\n",
		"220 x\r\n250-x\r\n250 PIPELINING\r\n250 a\r\n550 b\r\n550 c\r\n354 d\r\n250 e\r\n250\r\n250\r\n250\r\n250\r\n354\r\n250\r\n",
	} {
		f.Add([]byte(s), false)
		f.Add([]byte(s), true)
	}
	f.Fuzz(func(t *testing.T, in []byte, lmtp bool) {
		c, err := New(t.Context(), recorded{in: bytes.NewReader(in)}, Options{Hello: "client.test", LMTP: lmtp})
		if err != nil {
			return
		}
		env, msg := letter(t, small, "a@b.test", "b@b.test")
		for range 2 {
			results, err := c.Send(t.Context(), env, []int{0, 1}, env.From, msg)
			for _, r := range results {
				checkResult(t, r, err)
			}
			if err != nil {
				return
			}
		}
	})
}

func checkResult(t *testing.T, r mail.Result, err error) {
	t.Helper()
	wanted := map[mail.Status]int{mail.Relayed: 2, mail.Delivered: 2, mail.Deferred: 4, mail.Failed: 5, mail.Unknown: 4}
	if r.Reply.Code/100 != wanted[r.Status] {
		t.Errorf("%v with %v", r.Status, r.Reply)
	}
	if r.Status == mail.Unknown && err == nil {
		t.Error("no result, and no error")
	}
	if strings.ContainsAny(r.Reply.Text, "\r\x00\x1b") {
		t.Errorf("text %q", r.Reply.Text)
	}
}
