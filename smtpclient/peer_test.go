// SPDX-License-Identifier: MIT

package smtpclient

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"

	"posthouse/mail"
)

// talk plays the server of a dialogue: "S " lines are sent, "C " lines have to come, "C *" is any line, "C ..." is all up
// to and with the line of a dot, "S-" closes. What came instead is an error of the test.
func talk(t *testing.T, conn net.Conn, dialogue string) {
	t.Helper()
	defer conn.Close()
	in := bufio.NewReader(conn)
	for line := range strings.Lines(dialogue) {
		line = strings.TrimRight(strings.TrimLeft(line, "\t"), "\n")
		var err error
		switch {
		case line == "":
		case line == "S-":
			return
		case strings.HasPrefix(line, "S "):
			_, err = io.WriteString(conn, line[2:]+"\r\n")
		default:
			err = hear(in, line[2:])
		}
		if err != nil {
			t.Errorf("server, at %q: %v", line, err)
			return
		}
	}
	io.Copy(io.Discard, in)
}

func hear(in *bufio.Reader, want string) error {
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return err
		}
		got := strings.TrimSuffix(line, "\r\n")
		if want == "..." && got != "." {
			continue
		}
		if want != "*" && want != "..." && got != want {
			return fmt.Errorf("got %q", got)
		}
		return nil
	}
}

// counting counts the writes of the client.
type counting struct {
	net.Conn
	writes atomic.Int64
}

func (c *counting) Write(p []byte) (int, error) {
	c.writes.Add(1)
	return c.Conn.Write(p)
}

// sockets are the two ends of a connection on loopback.
func sockets(t *testing.T) (mine, theirs net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if mine, err = net.Dial("tcp", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if theirs, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	return mine, theirs
}

// converse runs a dialogue and gives the client's end after New.
func converse(t *testing.T, o Options, dialogue string) (*Conn, *counting, error) {
	t.Helper()
	mine, theirs := sockets(t)
	ended := make(chan struct{})
	go func() { defer close(ended); talk(t, theirs, dialogue) }()
	t.Cleanup(func() { mine.Close(); <-ended })
	if o.Hello == "" {
		o.Hello = "client.test"
	}
	counted := &counting{Conn: mine}
	c, err := New(t.Context(), counted, o)
	return c, counted, err
}

const plainHello = `
	S 220 mx.test ESMTP
	C EHLO client.test
	S 250 mx.test
`

const fullHello = `
	S 220 mx.test ESMTP
	C EHLO client.test
	S 250-mx.test
	S 250-PIPELINING
	S 250-SIZE 1000000
	S 250-8BITMIME
	S 250-SMTPUTF8
	S 250 DSN
`

func path(t testing.TB, address string) mail.Path {
	t.Helper()
	if address == "" {
		return mail.Path{}
	}
	p, err := mail.ParseAddress(address)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// letter is an envelope with recipients and a message.
func letter(t testing.TB, text string, to ...string) (*mail.Envelope, *mail.Message) {
	t.Helper()
	env := &mail.Envelope{ID: "x", From: path(t, "from@a.test")}
	for _, a := range to {
		env.Recipients = append(env.Recipients, mail.Recipient{To: path(t, a)})
	}
	msg, err := mail.ReadMessage(strings.NewReader(text), 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	return env, msg
}

const small = "Subject: x\r\n\r\nhello\r\n"

func everyone(env *mail.Envelope) []int {
	all := make([]int, len(env.Recipients))
	for i := range all {
		all[i] = i
	}
	return all
}

// send sends to all recipients and gives the outcome in words: "relayed 250, deferred 451".
func send(ctx context.Context, c *Conn, env *mail.Envelope, msg *mail.Message) (string, error) {
	results, err := c.Send(ctx, env, everyone(env), env.From, msg)
	words := make([]string, len(results))
	for i, r := range results {
		words[i] = strings.TrimSpace(fmt.Sprintf("%v %d %s", r.Status, r.Reply.Code, r.Reply.Enhanced))
	}
	return strings.Join(words, ", "), err
}
