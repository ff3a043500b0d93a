// SPDX-License-Identifier: MIT

package smtpclient

import (
	"bufio"
	"errors"
	"io"
	"testing"

	"posthouse/mail"
)

// A server that will not reset says nothing of the next message: it is not returned to its sender.
func TestRefusedResetIsNotARefusalOfMail(t *testing.T) {
	t.Parallel()
	for _, reply := range []string{"502 5.5.1 not here", "554 5.7.1 go away", "451 4.3.0 later"} {
		c, _, err := converse(t, Options{}, plainHello+`
	C MAIL FROM:<from@a.test>
	S 550 5.7.1 not you
	C RSET
	S `+reply)
		if err != nil {
			t.Fatal(err)
		}
		env, msg := letter(t, "Subject: x\r\n\r\ntext\r\n", "one@b.test")
		if _, err := c.Send(t.Context(), env, []int{0}, env.From, msg); err != nil {
			t.Fatal(err)
		}
		results, err := c.Send(t.Context(), env, []int{0}, path(t, "other@a.test"), msg)
		if !errors.Is(err, ErrStale) || results[0].Status != mail.Unknown || c.Usable() {
			t.Errorf("%s: %v, %+v, usable %v", reply, err, results[0], c.Usable())
		}
		c.Close()
	}
}

// Replies that nobody asked for would be taken for those to the next message, each one place too early.
func TestUnaskedReply(t *testing.T) {
	t.Parallel()
	mine, theirs := sockets(t)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer theirs.Close()
		in := bufio.NewReader(theirs)
		for _, step := range []struct{ say, hear string }{
			{"220 mx.test\r\n", "EHLO client.test"}, {"250 mx.test\r\n", "*"}, {"250 ok\r\n", "*"}, {"250 ok\r\n", "DATA"},
			{"354 go on\r\n", "..."}, {"250 taken\r\n250 taken\r\n", ""},
		} {
			io.WriteString(theirs, step.say)
			if step.hear != "" && hear(in, step.hear) != nil {
				return
			}
		}
		if line, err := in.ReadString('\n'); err == nil {
			t.Errorf("another message begins: %q", line)
		}
	}()
	c, err := New(t.Context(), mine, Options{Hello: "client.test"})
	if err != nil {
		t.Fatal(err)
	}
	env, msg := letter(t, "Subject: x\r\n\r\ntext\r\n", "one@b.test")
	if r, err := c.Send(t.Context(), env, []int{0}, env.From, msg); err != nil || r[0].Status != mail.Relayed {
		t.Fatal(r, err)
	}
	if c.Usable() {
		t.Error("it is kept for more mail")
	}
	r, err := c.Send(t.Context(), env, []int{0}, env.From, msg)
	if !errors.Is(err, ErrStale) || r[0].Status != mail.Unknown {
		t.Errorf("%v, %+v", err, r)
	}
	c.Close()
	<-ended
}
