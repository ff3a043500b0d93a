// SPDX-License-Identifier: MIT

package smtpclient

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"posthouse/mail"
	"posthouse/reply"
)

// bubble runs the client against a server of three lines in a bubble: what waits there takes no time.
func bubble(t *testing.T, server func(t *testing.T, conn net.Conn), client func(t *testing.T, conn net.Conn)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		mine, theirs := net.Pipe()
		ended := make(chan struct{})
		go func() { defer close(ended); server(t, theirs) }()
		client(t, mine)
		mine.Close()
		theirs.Close()
		<-ended
	})
}

// C2: a receiver that stops reading ends the attempt after the time-out of one block.
func TestReceiverStopsReading(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, conn net.Conn) {
		in := bufio.NewReader(conn)
		io.WriteString(conn, "220 x\r\n")
		hear(in, "*")
		io.WriteString(conn, "250-x\r\n250 PIPELINING\r\n")
		hear(in, "*")
		hear(in, "*")
		hear(in, "DATA")
		io.WriteString(conn, "250 a\r\n250 a\r\n354 go\r\n")
	}, func(t *testing.T, conn net.Conn) {
		c, err := New(t.Context(), conn, Options{Hello: "client.test"})
		if err != nil {
			t.Fatal(err)
		}
		env, msg := letter(t, small+strings.Repeat("x\r\n", 1<<20), "to@b.test")
		start := time.Now()
		got, err := send(t.Context(), c, env, msg)
		if took := time.Since(start); got != "deferred 451 4.4.2" || err == nil || took != 3*time.Minute+lastWordsLimit {
			t.Errorf("%s, %v after %v", got, err, took)
		}
	})
}

// A receiver that takes an octet now and then keeps each write alive, but not the whole.
func TestReceiverTooSlow(t *testing.T) {
	t.Parallel()
	w := &wire{conn: slowConn{}}
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		s := &stuffer{wire: w, limit: 3 * time.Minute, until: start.Add(10 * time.Minute), buf: make([]byte, 0, 10)}
		for s.err == nil {
			s.Write([]byte("0123456789"))
		}
		if took := time.Since(start); took > 11*time.Minute {
			t.Errorf("it went on for %v", took)
		}
	})
}

// slowConn takes a write in a minute, if it may.
type slowConn struct{ net.Conn }

func (slowConn) Write(p []byte) (int, error) { time.Sleep(time.Minute); return len(p), nil } // in a bubble

func (slowConn) SetWriteDeadline(d time.Time) error {
	if time.Until(d) <= 0 {
		return errors.New("too late")
	}
	return nil
}

// C3: replies are bounded in octets, however they are endless.
func TestEndlessReplies(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"lines":   "220-and another line\r\n",
		"a line":  "220-and more and more",
		"nothing": "\r\n",
		"zeros":   "\x00\x00\x00\x00",
		"LF":      "220-x\n",
	} {
		endless := io.MultiReader(strings.NewReader(text), forever(text))
		counted := &countingReader{r: endless}
		if _, err := readReply(bufio.NewReaderSize(counted, 4096), nil); !errors.Is(err, errProtocol) {
			t.Errorf("%s: %v", name, err)
		}
		if counted.n > maxReply+8192 {
			t.Errorf("%s: read %d octets", name, counted.n)
		}
	}
}

type forever string

func (f forever) Read(p []byte) (int, error) { return copy(p, f), nil }

type countingReader struct {
	r io.Reader
	n int
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += n
	return n, err
}

// Each reply has a deadline as a whole: an octet a minute does not extend it.
func TestTrickledReply(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, conn net.Conn) {
		for {
			if _, err := io.WriteString(conn, "2"); err != nil {
				return
			}
			time.Sleep(time.Minute) // in a bubble
		}
	}, func(t *testing.T, conn net.Conn) {
		start := time.Now()
		_, err := New(t.Context(), conn, Options{Hello: "client.test"})
		if took := time.Since(start); err == nil || took != 5*time.Minute {
			t.Errorf("%v after %v", err, took)
		}
		if r := reply.For(err); r.Enhanced != "4.4.2" || !strings.Contains(r.Text, "greeting") {
			t.Errorf("%v", r)
		}
	})
}

// RFC 5321 4.5.3.2, step by step.
func TestTimeouts(t *testing.T) {
	t.Parallel()
	steps := []struct {
		doing string
		limit time.Duration
		reply string
	}{
		{"greeting", 5 * time.Minute, "220 x"}, {"hello", 5 * time.Minute, "250 x"}, {"MAIL", 5 * time.Minute, "250 x"},
		{"RCPT", 5 * time.Minute, "250 x"}, {"DATA", 2 * time.Minute, "354 x"}, {"final dot", 10 * time.Minute, "250 x"},
	}
	for stall, step := range steps {
		t.Run(step.doing, func(t *testing.T) {
			bubble(t, func(t *testing.T, conn net.Conn) {
				in := bufio.NewReader(conn)
				for i, s := range steps[:stall] {
					io.WriteString(conn, s.reply+"\r\n")
					if i < len(steps)-2 {
						hear(in, "*")
					} else {
						hear(in, "...")
					}
				}
				io.Copy(io.Discard, in)
			}, func(t *testing.T, conn net.Conn) {
				start := time.Now()
				c, err := New(t.Context(), conn, Options{Hello: "client.test"})
				words := "deferred 451 4.4.2"
				if err == nil {
					env, msg := letter(t, small, "to@b.test")
					words, err = send(t.Context(), c, env, msg)
				}
				if took := time.Since(start); took != step.limit || words != "deferred 451 4.4.2" {
					t.Errorf("%s, %v after %v, want %v", words, err, took, step.limit)
				}
			})
		})
	}
}

// C9: the end of the context ends the conversation where it stands, with nothing said about the mail.
func TestContextEnds(t *testing.T) {
	t.Parallel()
	c, _, err := converse(t, Options{}, fullHello+"C *\nC *\nC DATA")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(10*time.Millisecond, cancel)
	env, msg := letter(t, small, "to@b.test")
	if got, err := send(ctx, c, env, msg); got != "unknown 451 4.4.2" || err == nil || c.Usable() {
		t.Errorf("%s, %v", got, err)
	}
}

// broken is a body that ends before its time, or cannot be opened.
type broken struct {
	mail.Bytes
	open bool
}

func (b broken) Size() int64 { return int64(len(b.Bytes)) + 10 }

func (b broken) Open() (io.ReadCloser, error) {
	if !b.open {
		return nil, errors.New("gone")
	}
	return b.Bytes.Open()
}

func TestNoDotBehindHalfAMessage(t *testing.T) {
	t.Parallel()
	for _, open := range []bool{true, false} {
		mine, theirs := sockets(t)
		heard := make(chan string, 1)
		go func() {
			in := bufio.NewReader(theirs)
			io.WriteString(theirs, "220 x\r\n")
			hear(in, "*")
			io.WriteString(theirs, "250-x\r\n250 PIPELINING\r\n250 a\r\n250 a\r\n354 go\r\n")
			all, _ := io.ReadAll(in)
			theirs.Close()
			heard <- string(all)
		}()
		c, err := New(t.Context(), mine, Options{Hello: "client.test"})
		if err != nil {
			t.Fatal(err)
		}
		env, msg := letter(t, small, "to@b.test")
		msg.Body = broken{mail.Bytes("half\r\n"), open}
		got, err := send(t.Context(), c, env, msg)
		if got != "deferred 451 4.3.0" || !errors.Is(err, ErrMessage) || c.Usable() {
			t.Errorf("%s, %v", got, err)
		}
		c.Close()
		if all := <-heard; strings.Contains(all, "\r\n.\r\n") {
			t.Errorf("the server got %q", all)
		}
	}
}

// A server that refuses in the middle of the body and closes is heard.
func TestLastWords(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, conn net.Conn) {
		in := bufio.NewReader(conn)
		io.WriteString(conn, "220 x\r\n")
		hear(in, "*")
		io.WriteString(conn, "250-x\r\n250 PIPELINING\r\n")
		hear(in, "*")
		hear(in, "*")
		hear(in, "*")
		io.WriteString(conn, "250 a\r\n250 a\r\n354 go\r\n552 5.3.4 too big\r\n")
	}, func(t *testing.T, conn net.Conn) {
		c, err := New(t.Context(), conn, Options{Hello: "client.test"})
		if err != nil {
			t.Fatal(err)
		}
		env, msg := letter(t, small+strings.Repeat("x\r\n", 1<<20), "to@b.test")
		if got, err := send(t.Context(), c, env, msg); got != "failed 552 5.3.4" || err == nil {
			t.Errorf("%s, %v", got, err)
		}
	})
}

func TestReplies(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"250 fine\r\n":                       "250 fine",
		"250 fine\n":                         "250 fine",
		"250\r\n":                            "250 ",
		"250-one\r\n250 two\r\n":             "250 one\ntwo",
		"550-5.1.1 one\r\n550 5.1.1 two\r\n": "550 5.1.1 one\ntwo",
		"550 5.1.1\r\n":                      "550 5.1.1 ",
		"450 5.1.1 contradicts\r\n":          "450 5.1.1 contradicts",
		"250 2.0 short\r\n":                  "250 2.0 short",
		"250 2.1234.0 long\r\n":              "250 2.1234.0 long",
		"250 \x1b[2J\xff\x00\tx\r\n":         "250 ?[2J?? x",
		"250-a\r\n251 b\r\n":                 "not SMTP",
		"25 fine\r\n":                        "not SMTP",
		"150 fine\r\n":                       "not SMTP",
		"650 fine\r\n":                       "not SMTP",
		"2500 fine\r\n":                      "not SMTP",
		"HTTP/1.1 400 Bad Request\r\n":       "not SMTP",
		"\r\n":                               "not SMTP",
		"250 no end":                         "EOF",
		"250-and then\r\n":                   "EOF",
		"250 " + strings.Repeat("x", 5000) + "\r\n": "250 " + strings.Repeat("x", maxText),
	} {
		r, err := readReply(bufio.NewReaderSize(strings.NewReader(in), 4096), nil)
		got := r.String()
		if err != nil {
			got = err.Error()
		}
		if got != want && !(err != nil && strings.HasPrefix(got, want)) {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func FuzzReply(f *testing.F) {
	for _, s := range []string{"250 2.0.0 fine\r\n", "250-a\r\n250 b\r\n", "5", "250-" + strings.Repeat("x", 5000) + "\n", "421 4.4.2\r\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		lines := 0
		r, err := readReply(bufio.NewReaderSize(bytes.NewReader(in), 4096), func([]byte) { lines++ })
		if err != nil {
			return
		}
		if r.Code < 200 || r.Code > 599 || lines == 0 || len(r.Text) > maxText+maxReply/4 {
			t.Errorf("%q: %+v of %d lines", in, r, lines)
		}
		for _, c := range []byte(r.Text + r.Enhanced) {
			if c != '\n' && (c < ' ' || c > '~') {
				t.Errorf("%q: text %q", in, r.Text)
			}
		}
		if r.Enhanced != "" && int(r.Enhanced[0]-'0') != r.Code/100 {
			t.Errorf("%q: %+v", in, r)
		}
	})
}
