// SPDX-License-Identifier: MIT

package relay

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"posthouse/internal/maillab"
)

func TestReuse(t *testing.T) {
	t.Parallel()
	roots, server := authority(t, "mx1.two.test")
	l := newLab(t, world, Options{Roots: roots, Idle: Idle{Messages: 3, Time: time.Minute}})
	s := l.sink("192.0.2.1:25", maillab.SinkOptions{TLS: server, Extensions: []string{"PIPELINING", "REQUIRETLS"}})
	for i := range 7 {
		if got := l.carry("", "a@two.test"); got != "relayed 250 2.0.0" {
			t.Fatal(got)
		}
		if want := i/3 + 1; s.Connections() != want {
			t.Errorf("message %d: %d connections, want %d", i+1, s.Connections(), want)
		}
	}
	env, msg := letter(t, "a@two.test")
	env.RequireTLS = true
	before := s.Connections()
	if got := words(l.outcome("", env, msg)); got != "relayed 250 2.0.0" || s.Connections() != before+1 {
		t.Errorf("%s: a conversation whose host was not verified is none for REQUIRETLS", got)
	}
}

// A kept conversation that the other side has ended costs no delivery.
func TestStaleConversationsAreReplaced(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]maillab.Action{
		"closed": {Close: true},
		"421":    {Reply: "421 4.4.2 idle too long", Close: true},
	} {
		l := newLab(t, world, Options{Idle: Idle{Time: time.Minute}})
		s := l.sink("192.0.2.1:25", maillab.SinkOptions{})
		if name == "421" {
			mails := 0
			s.Behave(func(e maillab.Event) maillab.Action {
				if e.Verb == "MAIL" {
					if mails++; mails == 2 {
						return end
					}
				}
				return maillab.Action{}
			})
		} else {
			s.Behave(maillab.On(".", end))
		}
		for i := range 3 {
			if got := l.carry("", fmt.Sprintf("a%d@two.test", i)); got != "relayed 250 2.0.0" {
				t.Errorf("%s, message %d: %s", name, i+1, got)
			}
		}
		if taken := s.Taken("<1@a.test>"); taken != 3 {
			t.Errorf("%s: taken %d times", name, taken)
		}
	}
}

func TestIdleConversationsAreBounded(t *testing.T) {
	t.Parallel()
	l := newLab(t, world, Options{Idle: Idle{PerHost: 2, Total: 3, Time: time.Minute}})
	together := make(chan struct{})
	var here sync.WaitGroup
	here.Add(8)
	script := maillab.On("MAIL", maillab.Action{})
	for _, a := range []string{"192.0.2.1:25", "192.0.2.3:25"} {
		l.sink(a, maillab.SinkOptions{Script: func(e maillab.Event) maillab.Action {
			if e.Verb == "DATA" {
				here.Done()
				<-together
			}
			return script(e)
		}})
	}
	go func() { here.Wait(); close(together) }()
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			if got := l.carry("", "a@"+[]string{"two.test", "implicit.test"}[i%2]); got != "relayed 250 2.0.0" {
				t.Error(got)
			}
		})
	}
	all.Wait()
	if l.idle.total != 3 {
		t.Errorf("%d kept", l.idle.total)
	}
	for k, list := range l.idle.idle {
		if len(list) > 2 {
			t.Errorf("%d kept for %v", len(list), k)
		}
	}
	if l.Close(); l.idle.total != 0 || len(l.idle.idle) != 0 {
		t.Error("Close left some")
	}
}

// An idle conversation says QUIT when its time is over.
func TestIdleConversationEnds(t *testing.T) {
	t.Parallel()
	quit := make(chan struct{})
	l := newLab(t, world, Options{Idle: Idle{Time: time.Millisecond}})
	l.sink("192.0.2.1:25", maillab.SinkOptions{Script: func(e maillab.Event) maillab.Action {
		if e.Verb == "QUIT" {
			close(quit)
		}
		return maillab.Action{}
	}})
	l.carry("", "a@two.test")
	<-quit
}

func TestOldConversationsAreNotKept(t *testing.T) {
	t.Parallel()
	now := time.Unix(1e9, 0)
	l := newLab(t, world, Options{Idle: Idle{Time: time.Minute, Age: time.Hour}, Now: func() time.Time { return now }})
	s := l.sink("192.0.2.1:25", maillab.SinkOptions{})
	l.carry("", "a@two.test")
	now = now.Add(time.Hour)
	l.carry("", "a@two.test")
	if l.carry("", "a@two.test"); s.Connections() != 2 {
		t.Errorf("%d connections, want 2", s.Connections())
	}
}

func TestDeadAddressesAreLeftAside(t *testing.T) {
	t.Parallel()
	now := time.Unix(1e9, 0)
	l := newLab(t, world, Options{Now: func() time.Time { return now }, Idle: Idle{Messages: 1}})
	l.sink("192.0.2.2:25", maillab.SinkOptions{})
	for _, step := range []struct {
		after time.Duration
		tried string
	}{
		{0, "192.0.2.1 192.0.2.2"},
		{0, "192.0.2.2"},
		{firstPause - 1, "192.0.2.2"},
		{1, "192.0.2.1 192.0.2.2"},
		{firstPause, "192.0.2.2"},
		{firstPause, "192.0.2.1 192.0.2.2"},
	} {
		now = now.Add(step.after)
		if got := l.carry("", "a@two.test"); got != "relayed 250 2.0.0" {
			t.Error(got)
		}
		if got := l.tried(); got != step.tried {
			t.Errorf("after %v: tried %s, want %s", step.after, got, step.tried)
		}
	}
}

func TestAllDeadTriesOne(t *testing.T) {
	t.Parallel()
	l := newLab(t, world, Options{})
	l.carry("", "a@two.test")
	l.tried()
	if got, tried := l.carry("", "a@two.test"), l.tried(); got != "dead deferred 451 4.4.1" || tried != "192.0.2.1" {
		t.Errorf("%s, tried %s", got, tried)
	}
	l.sink("192.0.2.2:25", maillab.SinkOptions{}) // whose pause ends first now
	if got := l.carry("", "a@two.test"); got != "relayed 250 2.0.0" {
		t.Error(got)
	}
}

func TestGraveyardIsBounded(t *testing.T) {
	t.Parallel()
	g := newGraveyard(time.Now)
	for i := range maxGraves + 100 {
		g.add(fmt.Sprint(i))
	}
	if len(g.lying) != maxGraves {
		t.Errorf("%d remembered", len(g.lying))
	}
}
