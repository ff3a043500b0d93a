// SPDX-License-Identifier: MIT

package relay

import (
	"crypto/tls"
	"strings"
	"testing"

	"posthouse/internal/maillab"
)

func TestLevels(t *testing.T) {
	t.Parallel()
	roots, good := authority(t, "mx1.two.test")
	_, self := authority(t, "mx1.two.test")
	_, wrong := authority(t, "other.test")
	old := good.Clone()
	old.MinVersion, old.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
	old.CipherSuites = []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA}
	const (
		clear = "relayed in the clear"
		over  = "relayed over TLS"
		not   = "dead deferred 454 4.7.5"
	)
	servers := map[string]*tls.Config{"nothing": nil, "good": good, "another CA's": self, "another name's": wrong, "TLS 1.1": old}
	for level, want := range map[string]map[string]string{
		"none":      {"nothing": clear, "good": clear, "another CA's": clear, "another name's": clear, "TLS 1.1": clear},
		"may":       {"nothing": clear, "good": over, "another CA's": over, "another name's": over, "TLS 1.1": over},
		"dane":      {"nothing": clear, "good": over, "another CA's": over, "another name's": over, "TLS 1.1": over},
		"encrypt":   {"nothing": not, "good": over, "another CA's": over, "another name's": over, "TLS 1.1": not},
		"dane-only": {"nothing": not, "good": over, "another CA's": over, "another name's": over, "TLS 1.1": not},
		"verify":    {"nothing": not, "good": over, "another CA's": not, "another name's": not, "TLS 1.1": not},
		"secure":    {"nothing": not, "good": over, "another CA's": not, "another name's": not, "TLS 1.1": not},
	} {
		for name, server := range servers {
			t.Run(level+"/"+name, func(t *testing.T) {
				t.Parallel()
				l := newLab(t, world, Options{TLSLevel: level, Roots: roots})
				l.sink("192.0.2.1:25", maillab.SinkOptions{TLS: server})
				env, msg := letter(t, "a@two.test")
				out := l.outcome("", env, msg)
				got := words(out)
				if strings.HasPrefix(got, "relayed") && out[0].TLS == "" {
					got = clear
				} else if strings.HasPrefix(got, "relayed") {
					got = over
				}
				if w := want[name]; got != w && !(w == not && got == "dead deferred 451 4.4.1") {
					t.Errorf("%s, want %s", got, w)
				}
			})
		}
	}
}

func TestUnknownLevel(t *testing.T) {
	t.Parallel()
	if _, err := New(Options{TLSLevel: "sometimes"}); err == nil {
		t.Error("it was taken")
	}
}

// may: after a failed handshake, the same host again in the clear, and not the next one.
func TestFailedHandshakeGoesOnInTheClear(t *testing.T) {
	t.Parallel()
	_, server := authority(t, "mx1.two.test")
	for name, action := range map[string]maillab.Action{
		"refused": {Reply: "454 4.7.0 not now"}, "dropped": {Drop: true}, "garbage": {Reply: "220 go\n554 no"},
	} {
		l := newLab(t, world, Options{})
		first := l.sink("192.0.2.1:25", maillab.SinkOptions{TLS: server, Script: maillab.On("STARTTLS", action)})
		second := l.sink("192.0.2.2:25", maillab.SinkOptions{})
		if got := l.carry("", "a@two.test"); got != "relayed 250 2.0.0" || first.Connections() != 2 || second.Connections() != 0 {
			t.Errorf("%s: %s, %d and %d connections", name, got, first.Connections(), second.Connections())
		}
		strict := newLab(t, world, Options{TLSLevel: "encrypt"})
		strict.to["192.0.2.1:25"] = first.Addr()
		before := len(first.Messages())
		if got := strict.carry("", "a@two.test"); !strings.HasPrefix(got, "dead deferred 45") || len(first.Messages()) != before {
			t.Errorf("%s, encrypt: %s", name, got)
		}
	}
}

func TestRequireTLS(t *testing.T) {
	t.Parallel()
	roots, good := authority(t, "mx1.two.test", "mx2.two.test")
	_, self := authority(t, "mx1.two.test")
	with := []string{"PIPELINING", "REQUIRETLS"}
	for _, c := range []struct {
		name          string
		first, second *maillab.SinkOptions
		want          string
	}{
		{"kept", &maillab.SinkOptions{TLS: good, Extensions: with}, nil, "relayed 250 2.0.0"},
		{"no TLS", &maillab.SinkOptions{Extensions: with}, &maillab.SinkOptions{Extensions: with}, "failed 550 5.7.30"},
		{"not verified", &maillab.SinkOptions{TLS: self, Extensions: with}, &maillab.SinkOptions{}, "failed 550 5.7.30"},
		{"the word is not known", &maillab.SinkOptions{TLS: good}, &maillab.SinkOptions{TLS: good}, "failed 550 5.7.30"},
		{"the next host keeps it", &maillab.SinkOptions{TLS: good}, &maillab.SinkOptions{TLS: good, Extensions: with}, "relayed 250 2.0.0"},
		{"the next host may keep it", &maillab.SinkOptions{TLS: good}, nil, "deferred 451 4.4.1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t, world, Options{Roots: roots})
			var sinks []*maillab.Sink
			for address, o := range map[string]*maillab.SinkOptions{"192.0.2.1:25": c.first, "192.0.2.2:25": c.second} {
				if o != nil {
					sinks = append(sinks, l.sink(address, *o))
				}
			}
			env, msg := letter(t, "a@two.test")
			env.RequireTLS = true
			if got := strings.TrimPrefix(words(l.outcome("", env, msg)), "dead "); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
			for _, s := range sinks {
				for _, m := range s.Messages() {
					if !m.TLS || !strings.HasSuffix(m.From, " REQUIRETLS") {
						t.Errorf("sent %+v", m)
					}
				}
			}
		})
	}
}

// Mail that never leaves the machine has met REQUIRETLS.
func TestRequireTLSToASocket(t *testing.T) {
	t.Parallel()
	l := newLab(t, world, Options{})
	l.sink("/run/lmtp", maillab.SinkOptions{LMTP: true})
	env, msg := letter(t, "a@two.test")
	env.RequireTLS = true
	if got := words(l.outcome("lmtp:unix:/run/lmtp", env, msg)); got != "delivered 250 2.0.0" {
		t.Error(got)
	}
}
