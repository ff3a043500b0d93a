// SPDX-License-Identifier: MIT

//go:build interop

package milter

import (
	"strings"
	"testing"
	"time"

	"posthouse/config"
	"posthouse/internal/maillab"
	"posthouse/upstream"
)

// gtube is refused by every filter for spam; Rspamd tags its sister.
const (
	gtube  = maillab.GTUBE
	tagged = "YJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"
)

// startRspamd runs an Rspamd and returns how it is asked.
func startRspamd(t *testing.T, redis int) (*maillab.Process, Config) {
	t.Helper()
	p, address := maillab.Rspamd(t, redis)
	return p, filterAt(t, address)
}

// Rspamd judges as it does behind Postfix: what is clean passes, what is not is tagged, greylisted or refused; and where one of
// two proxies dies, mail goes on.
func TestRspamd(t *testing.T) {
	t.Parallel()
	redis := maillab.Redis(t)
	first, one := startRspamd(t, redis)
	chain := real(t, one)
	t.Run("clean", func(t *testing.T) {
		raw := letter(t, "", "Good morning, the agenda is attached.")
		v, r := talk(t, chain, raw)
		if h := after(t, raw, r); v.Action != Continue || !r.Spoke || !h.Has("X-Spamd-Result") {
			t.Errorf("%+v", r)
		}
	})
	t.Run("blocked", func(t *testing.T) {
		v, r := talk(t, chain, letter(t, "", gtube))
		if v.Action != Reject || v.Err != nil || v.Reply.String() != "554 5.7.1 Gtube pattern" || len(r.Edits) != 0 {
			t.Errorf("%+v", r)
		}
	})
	t.Run("tagged", func(t *testing.T) {
		raw := letter(t, "X-Spam: No\r\n", tagged)
		v, r := talk(t, chain, raw)
		if h := after(t, raw, r); v.Action != Continue || h.Get("X-Spam") != "Yes" || h.Count("X-Spam") != 1 {
			t.Errorf("%+v\n%s", r, after(t, raw, r))
		}
	})
	t.Run("greylisted", func(t *testing.T) { testGreylisted(t, chain) })
	t.Run("several messages on one connection", func(t *testing.T) {
		client := stranger()
		s := chain.Connect(&client)
		defer s.Close()
		for i, want := range []Action{Reject, Continue, Reject, Continue} {
			body := "Good morning."
			if want == Reject {
				body = gtube
			}
			if v, _ := say(t, s, letter(t, "", body)); v.Action != want || v.Err != nil {
				t.Errorf("message %d: %+v", i, v)
			}
		}
	})
	t.Run("one of two dies", func(t *testing.T) { testRspamdDies(t, redis, first, one) })
}

func testGreylisted(t *testing.T, chain *Chain) {
	raw := letter(t, "X-Lab: grey\r\n", "Good morning.")
	v, r := talk(t, chain, raw)
	if v.Action != Tempfail || v.Err != nil || v.Reply.Code != 451 || len(r.Edits) != 0 {
		t.Fatalf("%+v", r)
	}
	maillab.Wait(t, 20*time.Second, "the end of greylisting", func() bool {
		v, _ = talk(t, chain, raw)
		return v.Action == Continue
	})
}

func testRspamdDies(t *testing.T, redis int, first *maillab.Process, one Config) {
	_, two := startRspamd(t, redis)
	both := entry(func(c *Config) {
		c.Address = config.Address{}
		for _, each := range []Config{one, two} {
			var s upstream.Server
			s.SetDefaults()
			s.Address = each.Address
			c.Upstream = append(c.Upstream, s)
		}
	})
	chain := real(t, both)
	client := stranger()
	var open []*Session
	for range 2 { // one at each
		s := chain.Connect(&client)
		defer s.Close()
		if v, _ := say(t, s, letter(t, "", "Good morning.")); v.Action != Continue {
			t.Fatalf("%+v", v)
		}
		open = append(open, s)
	}
	first.Kill()
	for _, s := range open { // who had the dead one is told to come again once, and then served by the other
		v, _ := say(t, s, letter(t, "", gtube))
		if v.Err != nil {
			if v.Action != Tempfail || !strings.HasPrefix(v.Reply.String(), "451 4.7.1 ") {
				t.Errorf("%+v", v)
			}
			v, _ = say(t, s, letter(t, "", gtube))
		}
		if v.Action != Reject || v.Reply.Code != 554 {
			t.Errorf("%+v", v)
		}
	}
	for range 4 {
		if v, _ := talk(t, chain, letter(t, "", gtube)); v.Action != Reject || v.Reply.Code != 554 {
			t.Errorf("%+v", v)
		}
	}
}
