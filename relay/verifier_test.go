// SPDX-License-Identifier: MIT

package relay

import (
	"context"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"posthouse/internal/maillab"
	"posthouse/mail"
	"posthouse/reply"
)

const verifyZone = `
two.test. MX 10 mx1.two.test.
two.test. MX 20 mx2.two.test.
mx1.two.test. A 192.0.2.1
mx2.two.test. A 192.0.2.2
null.test. MX 0 .
loop.test. MX 10 client.test.
client.test. A 192.0.2.9
`

// counted is a script that counts the RCPTs that come in.
func counted(n *atomic.Int32, a maillab.Action) maillab.Script {
	return func(e maillab.Event) maillab.Action {
		if e.Verb != "RCPT" {
			return maillab.Action{}
		}
		n.Add(1)
		return a
	}
}

func TestVerify(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, to string
		mx1, mx2 maillab.Script
		want     string
		tried    string
	}{
		{name: "taken", to: "a@two.test", tried: "192.0.2.1"},
		{name: "unknown", to: "a@two.test", mx1: maillab.On("RCPT", maillab.Action{Reply: "550 5.1.1 nobody"}), want: "550 5.1.1", tried: "192.0.2.1"},
		{name: "the second says no", to: "a@two.test", mx1: maillab.On("RCPT", maillab.Action{Reply: "450 4.2.0 greylisted"}),
			mx2: maillab.On("RCPT", maillab.Action{Reply: "550 5.1.1 nobody"}), want: "550 5.1.1", tried: "192.0.2.1 192.0.2.2"},
		{name: "nobody is sure", to: "a@two.test", mx1: maillab.On("RCPT", maillab.Action{Reply: "450 4.2.0 greylisted"}),
			mx2: maillab.On("BANNER", maillab.Action{Reply: "554 5.7.1 go away"}), want: "450 4.2.0", tried: "192.0.2.1 192.0.2.2"},
		{name: "no bounces there", to: "a@two.test", mx1: maillab.On("MAIL", maillab.Action{Reply: "550 5.7.1 no <>"}), tried: "192.0.2.1 192.0.2.2"},
		{name: "no domain", to: "a@gone.test", want: "550 5.1.2"},
		{name: "null MX", to: "a@null.test", want: "556 5.1.10"},
		{name: "ourselves", to: "a@loop.test", want: "554 5.4.6"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t, verifyZone, Options{})
			l.sink("192.0.2.1:25", maillab.SinkOptions{Script: c.mx1})
			s := l.sink("192.0.2.2:25", maillab.SinkOptions{Script: c.mx2})
			v := l.Verifier(VerifierOptions{})
			if got := code(v.Verify(t.Context(), address(t, c.to))); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
			if got := l.tried(); got != c.tried {
				t.Errorf("tried %s, want %s", got, c.tried)
			}
			if n := len(s.Messages()); n != 0 {
				t.Errorf("%d messages were sent", n)
			}
		})
	}
}

// <> and our own addresses are answered without a word to anybody.
func TestVerifyOurs(t *testing.T) {
	t.Parallel()
	l := newLab(t, verifyZone, Options{})
	v := l.Verifier(VerifierOptions{Local: func(_ context.Context, to mail.Path) (bool, error) {
		switch to.Local() {
		case "known":
			return true, nil
		case "unknown":
			return true, reply.UnknownUser
		}
		return false, reply.LocalError
	}})
	for to, want := range map[string]string{"known@two.test": "", "unknown@two.test": "550 5.1.1", "trouble@two.test": "451 4.3.0"} {
		if got := code(v.Verify(t.Context(), address(t, to))); got != want {
			t.Errorf("%s: %s, want %s", to, got, want)
		}
	}
	if err := v.Verify(t.Context(), mail.Path{}); err != nil {
		t.Errorf("<>: %v", err)
	}
	if tried := l.tried(); tried != "" {
		t.Errorf("asked %s", tried)
	}
}

// The transport map's way is the way of the question.
func TestVerifyAlongARoute(t *testing.T) {
	t.Parallel()
	l := newLab(t, verifyZone, Options{})
	l.sink("192.0.2.7:2626", maillab.SinkOptions{})
	v := l.Verifier(VerifierOptions{Route: func(context.Context, mail.Path) (Route, error) { return ParseRoute("smtp:[192.0.2.7]:2626") }})
	if err := v.Verify(t.Context(), address(t, "a@two.test")); err != nil {
		t.Fatal(err)
	}
	if got := l.tried(); got != "192.0.2.7:2626" {
		t.Errorf("tried %s", got)
	}
}

// A yes serves for a week; then it is asked anew, and serves on while nobody answers, to the end of the month.
func TestVerifyRemembers(t *testing.T) {
	t.Parallel()
	now := time.Unix(1e9, 0)
	l := newLab(t, verifyZone, Options{Now: func() time.Time { return now }})
	var asked atomic.Int32
	s := l.sink("192.0.2.1:25", maillab.SinkOptions{Script: counted(&asked, maillab.Action{})})
	v := l.Verifier(VerifierOptions{})
	step := func(name, want string, rcpts int32) {
		t.Helper()
		if got := code(v.Verify(t.Context(), address(t, "a@two.test"))); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
		if got := asked.Swap(0); got != rcpts {
			t.Errorf("%s: asked %d times, want %d", name, got, rcpts)
		}
	}
	step("new", "", 1)
	now = now.Add(6 * 24 * time.Hour)
	step("fresh", "", 0)
	now = now.Add(2 * 24 * time.Hour)
	s.Behave(counted(&asked, maillab.Action{Reply: "451 4.3.0 not now"}))
	step("old, and nobody is sure", "", 1)
	s.Behave(counted(&asked, maillab.Action{Reply: "550 5.1.1 nobody"}))
	step("old, and refused for once", "", 1)
	s.Behave(counted(&asked, maillab.Action{Reply: "451 4.3.0 not now"}))
	now = now.Add(30 * 24 * time.Hour)
	step("expired", "451 4.3.0", 1)
	step("unsure", "451 4.3.0", 0)
	now = now.Add(2 * time.Minute)
	s.Behave(counted(&asked, maillab.Action{Reply: "550 5.1.1 nobody"}))
	step("no", "550 5.1.1", 1)
	step("no, remembered", "550 5.1.1", 0)
	now = now.Add(4 * time.Hour)
	s.Behave(counted(&asked, maillab.Action{}))
	step("made in the meantime", "", 1)
}

// Many questions about one address are one, and those about one host are few at a time.
func TestVerifyAtOnce(t *testing.T) {
	t.Parallel()
	l := newLab(t, verifyZone, Options{})
	var asked, most, now atomic.Int32
	l.sink("192.0.2.1:25", maillab.SinkOptions{Script: func(e maillab.Event) maillab.Action {
		switch e.Verb {
		case "MAIL":
			if n := now.Add(1); n > most.Load() {
				most.Store(n)
			}
			return maillab.Action{Delay: 20 * time.Millisecond}
		case "RCPT":
			asked.Add(1)
			now.Add(-1)
		}
		return maillab.Action{}
	}})
	v := l.Verifier(VerifierOptions{PerHop: 1})
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if err := v.Verify(t.Context(), address(t, "a@two.test")); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if asked.Load() != 1 || most.Load() != 1 {
		t.Errorf("asked %d times, %d at once", asked.Load(), most.Load())
	}
	if n := len(v.turns.keys); n != 0 {
		t.Errorf("%d hops are still known", n)
	}
}

// A server that says nothing costs the client its time-out, no more, and says nothing about the address.
func TestVerifyTimeout(t *testing.T) {
	t.Parallel()
	l := newLab(t, verifyZone, Options{})
	l.sink("192.0.2.1:25", maillab.SinkOptions{Script: maillab.On("RCPT", maillab.Action{Stall: true})})
	v := l.Verifier(VerifierOptions{Timeout: 100 * time.Millisecond})
	err := v.Verify(t.Context(), address(t, "a@two.test"))
	if got := code(err); got != "451 4.4.1" || !strings.Contains(err.Error(), "too long") {
		t.Error(err)
	}
	if _, _, ok := v.known.of(address(t, "a@two.test")); ok {
		t.Error("that was remembered")
	}
}

func TestVerifyIsBounded(t *testing.T) {
	t.Parallel()
	l := newLab(t, verifyZone, Options{Self: func(string, []netip.Addr) bool { return false }})
	v := l.Verifier(VerifierOptions{Verdicts: NewVerdicts(nil, 10)})
	for i := range 50 {
		v.Verify(t.Context(), address(t, "a"+time.Duration(i).String()+"@gone.test"))
	}
	if n := len(v.known.known); n != 10 {
		t.Errorf("%d remembered", n)
	}
}
