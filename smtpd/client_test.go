// SPDX-License-Identifier: MIT

package smtpd

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"posthouse/internal/listen"
	"posthouse/mail"
	"posthouse/reply"
)

// TestEarly: what comes before it was its turn is a fact for reject_unauth_pipelining.
func TestEarly(t *testing.T) {
	t.Parallel()
	const group = "MAIL FROM:<a@client.test>\r\nRCPT TO:<b@ours.test>\r\nDATA\r\n"
	cases := map[string]struct {
		sends []string // each after the replies to the one before
		early bool
	}{
		"in turn":                {[]string{"EHLO x.test\r\n", "MAIL FROM:<a@client.test>\r\n", "RCPT TO:<b@ours.test>\r\n", "DATA\r\n"}, false},
		"pipelined as it may be": {[]string{"EHLO x.test\r\n", group}, false},
		"behind EHLO":            {[]string{"EHLO x.test\r\n" + group}, true},
		"without EHLO":           {[]string{"HELO x.test\r\n", group}, true},
		"behind NOOP":            {[]string{"EHLO x.test\r\n", "NOOP\r\n" + group}, true},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := &recorder{}
			p := start(t, r, nil).dial()
			for _, s := range c.sends {
				p.send(s)
				for range strings.Count(s, "\r\n") {
					p.reply()
				}
			}
			p.do("\r\n.\r\n", "250 ")
			if got := r.got()[0].env.Client.Early; got != c.early {
				t.Errorf("early: %v", got)
			}
		})
	}
}

// TestEarlyText: text behind DATA shows when the service is asked about DATA.
func TestEarlyText(t *testing.T) {
	t.Parallel()
	early := make(chan bool, 1)
	r := &recorder{onData: func(env *mail.Envelope) error { early <- env.Client.Early; return nil }}
	p := start(t, r, nil).hello()
	p.do("MAIL FROM:<a@client.test>\r\n", "250 ")
	p.do("RCPT TO:<b@ours.test>\r\n", "250 ")
	p.do("DATA\r\n\r\ntext\r\n.\r\n", "354 ")
	p.want("250 ")
	if !<-early {
		t.Error("not noticed")
	}
}

// TestEarlyTalker: before the banner.
func TestEarlyTalker(t *testing.T) {
	t.Parallel()
	hold := make(chan struct{})
	r := &recorder{onConnect: func(*mail.Client) error { <-hold; return nil }}
	p := start(t, r, nil).silent()
	p.send("EHLO client.test\r\n")
	close(hold)
	p.want("220 ")
	p.want("250 ")
	p.data()
	p.do("\r\n.\r\n", "250 ")
	if !r.got()[0].env.Client.Early {
		t.Error("not noticed")
	}
}

// names is a Resolver of two maps.
type names struct {
	ptr  map[string][]string
	addr map[string]string
}

func (n names) PTR(_ context.Context, a netip.Addr) ([]string, error) {
	if v, ok := n.ptr[a.String()]; ok {
		return v, nil
	}
	return nil, errors.New("SERVFAIL")
}

func (n names) Addrs(_ context.Context, host string) ([]netip.Addr, error) {
	if v, ok := n.addr[host]; ok {
		return []netip.Addr{netip.MustParseAddr(v)}, nil
	}
	return nil, errors.New("NXDOMAIN")
}

// TestClientName: a name counts if it leads back.
func TestClientName(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		resolver names
		want     string
	}{
		"verified": {names{map[string][]string{"127.0.0.1": {"bad.test.", "Good.test."}}, map[string]string{"Good.test.": "127.0.0.1"}}, "good.test"},
		"forged":   {names{map[string][]string{"127.0.0.1": {"bank.test."}}, map[string]string{"bank.test.": "192.0.2.1"}}, ""},
		"SERVFAIL": {names{}, ""},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := &recorder{}
			p := start(t, r, func(o *Options, _ *listen.Config) { o.Resolver = c.resolver }).hello()
			p.data()
			p.do("\r\n.\r\n", "250 ")
			if got := r.got()[0].env.Client.Name; got != c.want {
				t.Errorf("name %q, want %q", got, c.want)
			}
		})
	}
}

// TestDiskFull: asked at MAIL, with the size that was announced.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	p := start(t, &recorder{}, func(o *Options, _ *listen.Config) {
		o.Free = func(size int64) error {
			if size > 1000 {
				return reply.DiskFull
			}
			return nil
		}
	}).hello()
	p.do("MAIL FROM:<a@client.test> SIZE=1001\r\n", "452 4.3.1")
	p.do("MAIL FROM:<a@client.test> SIZE=1000\r\n", "250 ")
}

func TestRecipientLimit(t *testing.T) {
	t.Parallel()
	r := &recorder{}
	p := start(t, r, func(o *Options, _ *listen.Config) { o.Config.RecipientLimit = 2 }).hello()
	p.do("MAIL FROM:<a@client.test>\r\n", "250 ")
	for i := range 2 {
		p.do(fmt.Sprintf("RCPT TO:<u%d@ours.test>\r\n", i), "250 ")
	}
	p.do("RCPT TO:<u3@ours.test>\r\n", "452 4.5.3")
	p.do("DATA\r\n", "354 ")
	p.do("\r\n.\r\n", "250 ")
	if n := len(r.got()[0].env.Recipients); n != 2 {
		t.Errorf("%d recipients", n)
	}
}

// TestParameters: what MAIL and RCPT may carry, and what they may not.
func TestParameters(t *testing.T) {
	t.Parallel()
	p := start(t, &recorder{}, func(o *Options, _ *listen.Config) { o.Config.ErrorLimit = 100 }).hello()
	const rcpt = "RCPT TO:<b@ours.test> "
	for _, c := range []struct{ line, want string }{
		{"MAIL FROM:<a@client.test> FOO=1", "555 5.5.4"},
		{"MAIL FROM:<a@client.test> SIZE=1 SIZE=2", "501 5.5.4"},
		{"MAIL FROM:<a@client.test> BODY=7BIT=8BIT", "501 5.5.4"},
		{"MAIL FROM:<a@client.test> BODY=", "501 5.5.4"},
		{"MAIL FROM:<a@client.test> BODY=BINARYMIME", "504 5.5.4"},
		{"MAIL FROM:<a@client.test> BODY=X", "501 5.5.4"},
		{"MAIL FROM:<a@client.test> SMTPUTF8=1", "501 5.5.4"},
		{"MAIL FROM:<a@client.test> RET=SOME", "501 5.5.4"},
		{"MAIL FROM:<a@client.test> ENVID=" + strings.Repeat("x", 101), "501 5.5.4"},
		{"MAIL FROM:<a@client.test>SIZE=1", "501 5.5.4"},
		{"MAIL FROM:<a b@client.test>", "501 5.1.7"},
		{"MAIL FROM:<a@client.test", "501 5.5.4"},
		{"MAIL TO:<a@client.test>", "501 5.5.4"},
		{"MAIL", "501 5.5.4"},
		{"MAIL FROM: a@client.test BODY=8BITMIME", "250 2.1.0"}, // as Postfix bears it
		{"RCPT TO:<>", "501 5.1.3"},
		{"RCPT TO:<b>", "501 5.1.3"},
		{"RCPT TO:<b@ours..test>", "501 5.1.3"},
		{rcpt + "NOTIFY=NEVER,SUCCESS", "501 5.5.4"},
		{rcpt + "ORCPT=x", "501 5.5.4"},
		{rcpt + "ORCPT=utf-8;a\\x{01}@b.test", "501 5.5.4"},
		{rcpt + "ORCPT=utf-8;\xc3\xa9@b.test", "501 5.5.4"}, // without SMTPUTF8
		{rcpt + "ORCPT=utf-8;\\x{E9}@b.test", "250 2.1.5"},
		{rcpt + "SIZE=1", "555 5.5.4"},
		{rcpt + strings.Repeat("A=1 ", 20), "501 5.5.4"},
	} {
		p.do(c.line+"\r\n", c.want)
	}
}
