// SPDX-License-Identifier: MIT

package maillab

import (
	"errors"
	"net"
	"net/smtp"
	"net/textproto"
	"strings"
	"syscall"
	"testing"
	"time"
)

const sample = "Message-ID: <1@a.test>\r\nSubject: hello\r\n\r\n.dot\r\nend\r\n"

func TestSinkTakesMail(t *testing.T) {
	t.Parallel()
	s := NewSink(t, SinkOptions{})
	if err := smtp.SendMail(s.Addr(), nil, "a@a.test", []string{"b@b.test", "c@c.test"}, []byte(sample)); err != nil {
		t.Fatal(err)
	}
	m := s.Wait(t, 1)[0]
	if m.From != "FROM:<a@a.test> BODY=8BITMIME SMTPUTF8" || len(m.To) != 2 || m.Data != sample {
		t.Errorf("got %+v", m)
	}
	if s.Taken("<1@a.test>") != 1 || s.Connections() != 1 {
		t.Errorf("taken %d, connections %d", s.Taken("<1@a.test>"), s.Connections())
	}
}

func TestSinkMisbehaves(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		script Script
		want   string
	}{
		"refuse at the banner": {On("BANNER", Action{Reply: "554 5.3.2 No"}), "5.3.2 No"},
		"refuse a recipient":   {RefuseRcpt("<b@", "550 5.1.1 Unknown"), "5.1.1 Unknown"},
		"refuse the message":   {On(".", Action{Reply: "451 4.3.0 Later"}), "4.3.0 Later"},
		"drop after the dot":   {On(".", Action{Drop: true}), "EOF"},
		"close after a reply":  {On("MAIL", Action{Close: true}), "EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := NewSink(t, SinkOptions{Script: c.script})
			err := smtp.SendMail(s.Addr(), nil, "a@a.test", []string{"b@b.test"}, []byte(sample))
			lost := c.want == "EOF" && errors.Is(err, syscall.ECONNRESET) // the client said more before it saw the end
			if err == nil || !strings.Contains(err.Error(), c.want) && !lost {
				t.Errorf("error %v, want %q", err, c.want)
			}
			if s.Taken("<1@a.test>") != 0 {
				t.Error("counted as taken")
			}
		})
	}
}

func TestSinkFirst(t *testing.T) {
	t.Parallel()
	s := NewSink(t, SinkOptions{Script: First(1, On("RCPT", Action{Reply: "450 4.2.1 Later"}))})
	send := func() error {
		return smtp.SendMail(s.Addr(), nil, "a@a.test", []string{"b@b.test"}, []byte(sample))
	}
	if send() == nil || send() != nil {
		t.Error("the first should be refused and the second taken")
	}
}

func TestSinkStallsAndNeverEnds(t *testing.T) {
	t.Parallel()
	s := NewSink(t, SinkOptions{Script: func(e Event) Action {
		return Action{Stall: e.Verb == "NOOP", Endless: e.Verb == "EHLO"}
	}})
	c, err := net.Dial("tcp", s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(Patience))
	r := textproto.NewConn(c)
	r.ReadLine()
	r.PrintfLine("EHLO a.test")
	for range 1000 {
		if line, err := r.ReadLine(); err != nil || !strings.HasPrefix(line, "250-") {
			t.Fatalf("line %q, error %v", line, err)
		}
	}
}

func TestSinkLMTP(t *testing.T) {
	t.Parallel()
	s := NewSink(t, SinkOptions{LMTP: true, Script: func(e Event) Action {
		if e.Verb == "." && strings.Contains(e.Argument, "full") {
			return Action{Reply: "452 4.2.2 Mailbox full"}
		}
		return Action{}
	}})
	r, err := textproto.Dial("tcp", s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for _, step := range []struct{ line, want string }{
		{"", "220"}, {"LHLO a.test", "250"}, {"MAIL FROM:<a@a.test>", "250"}, {"RCPT TO:<b@b.test>", "250"},
		{"RCPT TO:<full@b.test>", "250"}, {"DATA", "354"}, {sample + ".", "250"}, {"", "452"}, {"QUIT", "221"},
	} {
		if step.line != "" {
			r.PrintfLine("%s", step.line)
		}
		code, text, err := r.ReadResponse(0)
		if err != nil || !strings.HasPrefix(step.want, string(rune('0'+code/100))) {
			t.Fatalf("%q: %d %s, %v", step.line, code, text, err)
		}
	}
}
