// SPDX-License-Identifier: MIT

package smtpin

import (
	"context"
	"log/slog"
	"net/netip"
	"strings"
	"testing"

	"posthouse/dnsbl"
	"posthouse/mail"
	"posthouse/policy"
	"posthouse/resolver"
)

// nowhere takes all mail.
type nowhere struct{}

func (nowhere) Carry(_ context.Context, env *mail.Envelope, _ *mail.Message) mail.Outcome {
	return mail.All(len(env.Recipients), mail.Result{Status: mail.Relayed})
}

// listing is facts with DNS lists.
type listing struct {
	policy.Facts
	lists *dnsbl.Lister
}

func (l listing) Listed(ctx context.Context, asks []dnsbl.Ask) []dnsbl.Result {
	return l.lists.Ask(ctx, asks)
}

// BenchmarkMessage is what a message costs here, wire and disk aside: bare, with the trail that is always kept, and with all that
// is asked about a stranger.
func BenchmarkMessage(b *testing.B) {
	quiet := slog.New(slog.DiscardHandler)
	for _, c := range []struct {
		name         string
		trails, asks bool
	}{{"bare", false, false}, {"trail", true, false}, {"all", true, true}} {
		b.Run(c.name, func(b *testing.B) {
			w := newWorld(b, people)
			if c.asks {
				w = authenticating(b, "auto", nil)
				z, err := resolver.ParseZone(senders + "2.0.0.127.a.test. A 127.0.0.2\n2.0.0.127.b.test. A 127.0.0.2\n2.0.0.127.c.test. A 127.0.0.2\n")
				if err != nil {
					b.Fatal(err)
				}
				w.Facts = listing{w.Facts, dnsbl.New(dnsbl.Options{Resolver: z})}
				w.Lists.Recipient = list(b, "reject_rbl_client a.test", "reject_rbl_client b.test", "reject_rbl_client c.test",
					"reject_rhsbl_sender a.test", "reject_rhsbl_sender b.test", "reject_rhsbl_helo c.test")
			}
			if c.trails {
				w.Trails = new(policy.Trails)
			}
			w.Next, w.Log = nowhere{}, quiet
			msg, err := mail.ReadMessage(strings.NewReader("Received: by mx.test\r\n"+hello), 1<<20)
			if err != nil {
				b.Fatal(err)
			}
			client := &mail.Client{HELO: "client.test", Name: "client.test", Addr: netip.MustParseAddrPort("192.0.2.9:1")}
			to := mail.Recipient{To: path(b, "a@alias.test"), Given: path(b, "a@alias.test")}
			from := path(b, "x@pass.test")
			b.ReportAllocs()
			for b.Loop() {
				s, err := w.Connect(b.Context(), client)
				if err != nil {
					b.Fatal(err)
				}
				env := &mail.Envelope{ID: "x", From: from, Client: *client}
				tx, err := s.Mail(b.Context(), env)
				if err != nil {
					b.Fatal(err)
				}
				if err := tx.Rcpt(b.Context(), to); err != nil {
					b.Fatal(err)
				}
				env.Recipients = append(env.Recipients, to)
				if err := tx.Data(b.Context()); err != nil {
					b.Fatal(err)
				}
				m := *msg
				if err := tx.Message(b.Context(), &m); err != nil {
					b.Fatal(err)
				}
				tx.Close()
				s.Close()
			}
		})
	}
}
