// SPDX-License-Identifier: MIT

package relay

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"posthouse/config"
	"posthouse/internal/maillab"
	"posthouse/mail"
	"posthouse/smtpclient"
	"posthouse/upstream"
)

// TestNextHost: what the first of two exchangers does, and what becomes of a message to a@ and b@.
func TestNextHost(t *testing.T) {
	t.Parallel()
	const moved = "relayed 250 2.0.0, relayed 250 2.0.0"
	for _, c := range []struct {
		name   string
		script maillab.Script
		want   string
		second int // messages that the second host sees
	}{
		{"greets 554", maillab.On("BANNER", maillab.Action{Reply: "554 5.7.1 not you"}), moved, 1},
		{"greets 421", maillab.On("BANNER", maillab.Action{Reply: "421 4.3.2 busy"}), moved, 1},
		{"closes at once", maillab.On("BANNER", maillab.Action{Drop: true}), moved, 1},
		{"stalls at once", maillab.On("BANNER", maillab.Action{Stall: true}), moved, 1},
		{"endless greeting", maillab.On("BANNER", maillab.Action{Endless: true}), moved, 1},
		{"knows no hello", func(e maillab.Event) maillab.Action {
			if e.Verb == "EHLO" || e.Verb == "HELO" {
				return maillab.Action{Reply: "550 5.7.1 go away"}
			}
			return maillab.Action{}
		}, moved, 1},
		{"4yz at MAIL", maillab.On("MAIL", maillab.Action{Reply: "451 4.7.1 greylisted"}), moved, 1},
		{"5yz at MAIL", maillab.On("MAIL", maillab.Action{Reply: "550 5.7.1 no"}), "failed 550 5.7.1, failed 550 5.7.1", 0},
		{"4yz for one", maillab.RefuseRcpt("b@", "450 4.2.1 later"), moved, 1},
		{"5yz for one", maillab.RefuseRcpt("b@", "550 5.1.1 unknown"), "relayed 250 2.0.0, failed 550 5.1.1", 0},
		{"4yz at DATA", maillab.On("DATA", maillab.Action{Reply: "451 4.3.0 later"}), moved, 1},
		{"4yz after the dot", maillab.On(".", maillab.Action{Reply: "451 4.3.0 later"}), moved, 1},
		{"5yz after the dot", maillab.On(".", maillab.Action{Reply: "554 5.6.0 spam"}), "failed 554 5.6.0, failed 554 5.6.0", 0},
		{"lost at RCPT", maillab.On("RCPT", maillab.Action{Drop: true}), moved, 1},
		{"lost after the dot", maillab.On(".", maillab.Action{Drop: true}), "deferred 451 4.4.2, deferred 451 4.4.2", 0},
		{"stalls after the dot", maillab.On(".", maillab.Action{Stall: true}), "deferred 451 4.4.2, deferred 451 4.4.2", 0},
		{"endless after the dot", maillab.On(".", maillab.Action{Endless: true}), "deferred 451 4.5.0, deferred 451 4.5.0", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			limits := smtpclient.Timeouts{Greeting: 3 * time.Second, Command: 3 * time.Second, Data: 3 * time.Second, Dot: 3 * time.Second}
			l := newLab(t, world, Options{Timeouts: limits})
			l.sink("192.0.2.1:25", maillab.SinkOptions{Script: c.script})
			second := l.sink("192.0.2.2:25", maillab.SinkOptions{})
			if got := l.carry("", "a@two.test", "b@two.test"); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
			if n := len(second.Messages()); n != c.second {
				t.Errorf("the second host saw %d messages, want %d", n, c.second)
			}
		})
	}
}

func TestAllHostsRefuse(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ verb, reply, want string }{
		{"BANNER", "554 5.7.1 not you", "dead deferred 454 4.7.1"},
		{"BANNER", "421 busy", "dead deferred 421"},
		{"EHLO", "421 4.3.2 busy", "dead deferred 421 4.3.2"},
		{"RCPT", "451 4.2.0 later", "deferred 451 4.2.0"},
		{"MAIL", "421 4.3.2 busy", "deferred 421 4.3.2"},
	} {
		l := newLab(t, world, Options{})
		for _, a := range []string{"192.0.2.1:25", "192.0.2.2:25"} {
			l.sink(a, maillab.SinkOptions{Script: maillab.On(c.verb, maillab.Action{Reply: c.reply, Close: true})})
		}
		if got := l.carry("", "a@two.test"); got != c.want {
			t.Errorf("%s at %s: %s, want %s", c.reply, c.verb, got, c.want)
		}
	}
}

func crowd(n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf("r%d@two.test", i)
	}
	return all
}

func TestFiftyRecipientsATransaction(t *testing.T) {
	t.Parallel()
	l := newLab(t, world, Options{})
	s := l.sink("192.0.2.1:25", maillab.SinkOptions{})
	if got := l.carry("", crowd(120)...); strings.Count(got, "relayed 250") != 120 {
		t.Error(got)
	}
	m := s.Messages()
	if len(m) != 3 || len(m[0].To) != 50 || len(m[2].To) != 20 || s.Connections() != 1 {
		t.Errorf("%d messages on %d connections", len(m), s.Connections())
	}
}

func TestTooManyGoAtOnceInAnotherTransaction(t *testing.T) {
	t.Parallel()
	for _, refusal := range []string{"452 4.5.3 too many", "552 too many"} {
		l := newLab(t, world, Options{})
		taken := 0
		s := l.sink("192.0.2.1:25", maillab.SinkOptions{Script: func(e maillab.Event) maillab.Action {
			switch e.Verb {
			case "MAIL":
				taken = 0
			case "RCPT":
				if taken++; taken > 4 {
					return maillab.Action{Reply: refusal}
				}
			}
			return maillab.Action{}
		}})
		if got := l.carry("", crowd(10)...); strings.Count(got, "relayed 250") != 10 {
			t.Errorf("%s: %s", refusal, got)
		}
		if m := s.Messages(); len(m) != 3 || s.Connections() != 1 {
			t.Errorf("%s: %d messages on %d connections", refusal, len(m), s.Connections())
		}
	}
}

// A full mailbox is no matter of number: the message is not sent again at once, neither after RCPT nor after the dot.
func TestFullMailboxIsNotTooMany(t *testing.T) {
	t.Parallel()
	for _, verb := range []string{"RCPT", "."} {
		l := newLab(t, world, Options{})
		s := l.sink("192.0.2.1:24", maillab.SinkOptions{LMTP: true, Script: func(e maillab.Event) maillab.Action {
			if e.Verb == verb && strings.Contains(e.Argument, "b@") {
				return maillab.Action{Reply: "452 4.2.2 full"}
			}
			return maillab.Action{}
		}})
		got := l.carry("lmtp:mx1.two.test", "a@two.test", "b@two.test", "c@two.test")
		if want := "delivered 250 2.0.0, deferred 452 4.2.2, delivered 250 2.0.0"; got != want || s.Taken("<1@a.test>") != 2 {
			t.Errorf("at %s: %s, taken %d times", verb, got, s.Taken("<1@a.test>"))
		}
	}
}

func TestTooManyForAllIsDeferred(t *testing.T) {
	t.Parallel()
	l := newLab(t, world, Options{})
	l.sink("192.0.2.1:25", maillab.SinkOptions{Script: maillab.On("RCPT", maillab.Action{Reply: "452 4.5.3 too many"})})
	if got := l.carry("", "a@two.test", "b@two.test"); got != "deferred 452 4.5.3, deferred 452 4.5.3" {
		t.Error(got)
	}
}

func TestContextEnds(t *testing.T) {
	t.Parallel()
	for _, verb := range []string{"BANNER", "EHLO", "MAIL", "DATA", "."} {
		l := newLab(t, world, Options{})
		reached := make(chan struct{})
		l.sink("192.0.2.1:25", maillab.SinkOptions{Script: func(e maillab.Event) maillab.Action {
			if e.Verb == verb {
				close(reached)
				return maillab.Action{Stall: true}
			}
			return maillab.Action{}
		}})
		ctx, cancel := context.WithCancel(t.Context())
		go func() { <-reached; cancel() }()
		env, msg := letter(t, "a@two.test")
		if got := words(l.Carrier("two.test", MX("two.test")).Carry(ctx, env, msg)); got != "unknown 451 4.4.2" {
			t.Errorf("at %s: %s", verb, got)
		}
	}
}

func TestSenderOfTheRecipient(t *testing.T) {
	t.Parallel()
	l := newLab(t, world, Options{})
	s := l.sink("192.0.2.1:25", maillab.SinkOptions{})
	env, msg := letter(t, "a@two.test")
	sender := address(t, "SRS0=x=y=a.test=from@us.test")
	env.Recipients[0].Sender = &sender
	out := l.outcome("", env, msg)
	if m := s.Messages(); len(m) != 1 || !strings.HasPrefix(m[0].From, "FROM:<SRS0=x=y=a.test=from@us.test>") {
		t.Errorf("%+v", m)
	}
	if r := out[0]; r.Remote != "mx1.two.test[192.0.2.1]:25" || r.TLS != "" || !r.DSN || r.Reply.Text != "Ok: taken" {
		t.Errorf("%+v", r)
	}
}

func member(host string, backup bool) upstream.Server {
	var s upstream.Server
	s.SetDefaults()
	s.Address, s.Backup = config.Address{Network: "tcp", Host: host, Port: 24}, backup
	return s
}

func TestGroup(t *testing.T) {
	t.Parallel()
	l := newLab(t, world, Options{})
	now := time.Unix(1e9, 0)
	g := upstream.New([]upstream.Server{member("192.0.2.31", false), member("mx2.two.test", true)},
		upstream.Options{Now: func() time.Time { return now }})
	backup := l.sink("192.0.2.2:24", maillab.SinkOptions{LMTP: true})
	send := func() string {
		env, msg := letter(t, "a@two.test", "b@two.test")
		return words(l.LMTP(g).Carry(t.Context(), env, msg))
	}
	const both = "delivered 250 2.0.0, delivered 250 2.0.0"
	if got, tried := send(), l.tried(); got != both || tried != "192.0.2.31:24 192.0.2.2:24" {
		t.Errorf("primary down: %s, tried %s", got, tried)
	}
	if got, tried := send(), l.tried(); got != both || tried != "" {
		t.Errorf("primary left out, connection to the backup kept: %s, tried %q", got, tried)
	}
	now = now.Add(11 * time.Second)
	primary := l.sink("192.0.2.31:24", maillab.SinkOptions{LMTP: true, Script: maillab.RefuseRcpt("b@", "550 5.1.1 unknown")})
	if got := send(); got != "delivered 250 2.0.0, failed 550 5.1.1" {
		t.Errorf("primary up: %s", got)
	}
	if len(primary.Messages()) == 0 || len(backup.Messages()) == 0 {
		t.Error("both should have had mail")
	}
	primary.Close()
	backup.Close()
	if got := send(); got != "dead deferred 451 4.4.1, dead deferred 451 4.4.1" {
		t.Errorf("all down: %s", got)
	}
	if got := words(l.LMTP(upstream.New(nil, upstream.Options{})).Carry(t.Context(), &mail.Envelope{}, nil)); got != "" {
		t.Errorf("no recipients: %s", got)
	}
}

// A group whose connections are all in use is busy, not dead.
func TestBusyGroup(t *testing.T) {
	t.Parallel()
	l := newLab(t, world, Options{})
	s := member("192.0.2.31", false)
	s.MaxConns = 1
	g := upstream.New([]upstream.Server{s}, upstream.Options{})
	g.Pick(new(upstream.Visit))
	env, msg := letter(t, "a@two.test")
	if got := words(l.LMTP(g).Carry(t.Context(), env, msg)); got != "deferred 451 4.4.1" || l.tried() != "" {
		t.Error(got)
	}
}
