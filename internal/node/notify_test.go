// SPDX-License-Identifier: MIT

package node

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"posthouse/delivery"
	"posthouse/internal/maillab"
	"posthouse/mail"
	"posthouse/queue"
	"posthouse/queue/pebbledb"
	"posthouse/relay"
	"posthouse/resolver"
)

// sent queues mail from a@from.test for these recipients, all at one host, and runs queue, delivery and relay until the two
// hosts have what they are waited for. Nothing may be left then, no report either.
func sent(t *testing.T, there, back *maillab.Sink, env *mail.Envelope, wait func()) {
	t.Helper()
	names, err := resolver.ParseZone("from.test. 60 IN A 127.0.0.1\n")
	if err != nil {
		t.Fatal(err)
	}
	hops, err := relay.New(relay.Options{Resolver: names, Hello: "mx.ours.test", TLSLevel: "none", Self: self{}.is, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer hops.Close()
	store, err := pebbledb.Open(t.TempDir(), pebbledb.Options{Ballast: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	q, err := queue.New(t.Context(), queue.Options{Store: store, Destination: mail.Path.Domain})
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	m := delivery.New(delivery.Options{
		Queue: q, Hostname: "mx.ours.test", Service: "smtp-out", Log: slog.New(slog.DiscardHandler),
		Route: func(_ *mail.Envelope, destination string) mail.Carrier {
			addr := there.Addr()
			if destination == "from.test" {
				addr = back.Addr()
			}
			host, port, _ := strings.Cut(addr, ":")
			route, err := relay.ParseRoute("smtp:[" + host + "]:" + port)
			if err != nil {
				t.Error(err)
			}
			return hops.Carrier(destination, route)
		},
	})
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- m.Run(ctx, t.Context()) }()
	msg := &mail.Message{Header: mail.Header{}, Body: mail.Bytes("text\r\n")}
	msg.Header.Append("Subject: x\r\n")
	if err := q.Carry(t.Context(), env, msg).Err(); err != nil {
		t.Fatal(err)
	}
	wait()
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	for x, err := range q.List(t.Context(), queue.Filter{All: true}) {
		t.Errorf("left in the queue: %+v, %v", x, err)
	}
}

// noted is mail with everything of RFC 3461 that a sender may ask for.
func noted(t *testing.T) *mail.Envelope {
	t.Helper()
	env := &mail.Envelope{ID: mail.NewID(time.Now()), From: mustPath(t, "a@from.test"), Arrived: time.Now(), Ret: "HDRS", EnvID: "QQ314159"}
	for _, to := range []mail.Recipient{
		{To: mustPath(t, "s@there.test"), Notify: mail.NotifySuccess | mail.NotifyFailure, ORcpt: "rfc822;first@there.test"},
		{To: mustPath(t, "n@there.test"), Notify: mail.NotifyNever},
		{To: mustPath(t, "u@there.test")},
	} {
		to.Given = to.To
		env.Recipients = append(env.Recipients, to)
	}
	return env
}

func mustPath(t *testing.T, s string) mail.Path {
	t.Helper()
	p, err := mail.ParseAddress(s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestHopThatReportsItself: a host with DSN is told all that was asked for, and the reports are its own (RFC 3461 5.2.1).
func TestHopThatReportsItself(t *testing.T) {
	t.Parallel()
	there, back := maillab.NewSink(t, maillab.SinkOptions{}), maillab.NewSink(t, maillab.SinkOptions{})
	sent(t, there, back, noted(t), func() { there.Wait(t, 1) })
	got := there.Messages()[0]
	want := []string{"TO:<s@there.test> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;first@there.test", "TO:<n@there.test> NOTIFY=NEVER", "TO:<u@there.test>"}
	if !slices.Equal(got.To, want) {
		t.Errorf("RCPT TO: %q, want %q", got.To, want)
	}
	if !strings.Contains(got.From, " RET=HDRS") || !strings.Contains(got.From, " ENVID=QQ314159") {
		t.Errorf("MAIL FROM:%s", got.From)
	}
	if n := len(back.Messages()); n != 0 {
		t.Errorf("%d reports beside the hop's own", n)
	}
}

// TestHopWithoutDSN: it is told nothing of it, and who asked for success hears that his mail was relayed to where no report will
// come from (RFC 3461 5.2.2).
func TestHopWithoutDSN(t *testing.T) {
	t.Parallel()
	there := maillab.NewSink(t, maillab.SinkOptions{Extensions: []string{"PIPELINING", "8BITMIME"}})
	back := maillab.NewSink(t, maillab.SinkOptions{})
	sent(t, there, back, noted(t), func() { there.Wait(t, 1); back.Wait(t, 1) })
	got := there.Messages()[0]
	if want := []string{"TO:<s@there.test>", "TO:<n@there.test>", "TO:<u@there.test>"}; !slices.Equal(got.To, want) {
		t.Errorf("RCPT TO: %q, want %q", got.To, want)
	}
	if strings.Contains(got.From, "RET=") || strings.Contains(got.From, "ENVID=") {
		t.Errorf("MAIL FROM:%s", got.From)
	}
	report := back.Messages()[0]
	if !strings.HasPrefix(report.From, "FROM:<>") || len(report.To) != 1 || !strings.HasPrefix(report.To[0], "TO:<a@from.test>") {
		t.Errorf("report from %q to %q", report.From, report.To)
	}
	for _, want := range []string{
		"Original-Envelope-Id: QQ314159\r\n", "Original-Recipient: rfc822;first@there.test\r\n",
		"Final-Recipient: rfc822;s@there.test\r\n", "Action: relayed\r\n",
	} {
		if !strings.Contains(report.Data, want) {
			t.Errorf("no %q in\n%s", want, report.Data)
		}
	}
	if strings.Contains(report.Data, "n@there.test") || strings.Contains(report.Data, "u@there.test") {
		t.Errorf("a report on those who asked for none:\n%s", report.Data)
	}
}
