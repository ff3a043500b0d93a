// SPDX-License-Identifier: MIT

package smtpin

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"posthouse/alias"
	"posthouse/mail"
	"posthouse/reply"
	"posthouse/smtpd"
)

// begin opens a transaction as the frame does.
func (w *world) begin(t testing.TB, from string) (smtpd.Transaction, *mail.Envelope) {
	t.Helper()
	client := &mail.Client{HELO: "client.test"}
	s, err := w.Connect(t.Context(), client)
	if err != nil {
		t.Fatal(err)
	}
	env := &mail.Envelope{ID: "x", From: path(t, from), Client: *client}
	tx, err := s.Mail(t.Context(), env)
	if err != nil {
		t.Fatal(err)
	}
	return tx, env
}

// rcpt asks for a recipient as the frame does, and gives the reply in short, "" if it was taken.
func rcpt(t testing.TB, tx smtpd.Transaction, env *mail.Envelope, to string) string {
	t.Helper()
	r := mail.Recipient{To: path(t, to), Given: path(t, to)}
	if err := tx.Rcpt(t.Context(), r); err != nil {
		return reply.For(err).String()[:9]
	}
	env.Recipients = append(env.Recipients, r)
	return ""
}

func letter(t testing.TB) *mail.Message {
	t.Helper()
	m, err := mail.ReadMessage(strings.NewReader("Subject: x\r\n\r\ntext\r\n"), 1000)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestOneSnapshot: a table that changes under way counts from the next MAIL on, for the lists, for RCPT and for the message.
func TestOneSnapshot(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "a@alias.test a@drop.test\n")
	tx, env := w.begin(t, "x@client.test")
	if got := rcpt(t, tx, env, "a@alias.test"); got != "" {
		t.Fatal(got)
	}
	w.write(t, "a@alias.test other@drop.test\nb@alias.test b@drop.test\n")
	if changed, err := w.maps.Reload(); err != nil || !changed {
		t.Fatal(changed, err)
	}
	if got := rcpt(t, tx, env, "b@alias.test"); got != "550 5.1.1" {
		t.Errorf("a new alias in the old transaction: %q", got)
	}
	if err := tx.Message(t.Context(), letter(t)); err != nil {
		t.Fatal(err)
	}
	m, _ := w.queue.Next()
	if got := m.Lines(); !slices.Equal(got, []string{"<x@client.test> -> <a@drop.test> given <a@alias.test>"}) {
		t.Errorf("%q", got)
	}
	tx, env = w.begin(t, "x@client.test")
	if got := rcpt(t, tx, env, "b@alias.test"); got != "" {
		t.Errorf("a new alias in a new transaction: %q", got)
	}
}

// TestNewDomain: the lists see the domains that the message will be expanded by. Taken earlier, the mail would come back.
func TestNewDomain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "alias.test x\na@alias.test a@drop.test\n")
	w.Aliases = alias.New(alias.Options{Maps: w.maps}) // the domains are keys of the maps
	w.Lists.Relay = list(t, "reject_unauth_destination")
	tx, env := w.begin(t, "x@client.test")
	w.write(t, "alias.test x\nnew.test x\na@new.test a@drop.test\n")
	if _, err := w.maps.Reload(); err != nil {
		t.Fatal(err)
	}
	if got := rcpt(t, tx, env, "a@new.test"); got != "554 5.7.1" {
		t.Errorf("in the old transaction: %q", got)
	}
	tx, env = w.begin(t, "x@client.test")
	if got := rcpt(t, tx, env, "a@new.test"); got != "" {
		t.Errorf("in a new transaction: %q", got)
	}
}

// TestRefusedByTheQueue: the queue's reply is the answer, and nothing counts as discarded until the message was taken.
func TestRefusedByTheQueue(t *testing.T) {
	t.Parallel()
	w := newWorld(t, virtual(t))
	w.queue.Answer(mail.Result{Status: mail.Deferred, Reply: reply.DiskFull})
	tx, env := w.begin(t, "x@client.test")
	rcpt(t, tx, env, "half@alias.test")
	if err := tx.Message(t.Context(), letter(t)); err == nil || reply.For(err).Enhanced != "4.3.1" {
		t.Errorf("%v", err)
	}
	if w.log.Has("discarded") {
		t.Errorf("logged: %s", &w.log)
	}
}

// TestFrameKeepsItsEnvelope: what the frame holds stays as RCPT had it.
func TestFrameKeepsItsEnvelope(t *testing.T) {
	t.Parallel()
	w := newWorld(t, virtual(t))
	tx, env := w.begin(t, "x@client.test")
	rcpt(t, tx, env, "away@alias.test")
	want := slices.Clone(env.Recipients)
	if err := tx.Message(t.Context(), letter(t)); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(env.Recipients, want) {
		t.Errorf("%+v", env.Recipients)
	}
}

// TestTooLongForSRS: a sender whose rewriting would not fit goes out as it is, and a line says so.
func TestTooLongForSRS(t *testing.T) {
	t.Parallel()
	w := newWorld(t, virtual(t))
	long := strings.Repeat("x", 240) + "@client.test"
	tx, env := w.begin(t, long)
	rcpt(t, tx, env, "away@alias.test")
	if err := tx.Message(t.Context(), letter(t)); err != nil {
		t.Fatal(err)
	}
	if m, _ := w.queue.Next(); !slices.Equal(m.Lines(), []string{"<" + long + "> -> <fred@away.test> given <away@alias.test>"}) {
		t.Errorf("%q", m.Lines())
	}
	if !w.log.Has("level=WARN", "sender not rewritten", long) {
		t.Errorf("log: %s", &w.log)
	}
}

// TestExpansionIsBounded: a list of many with an extension for each RCPT.
func TestExpansionIsBounded(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	text.WriteString("list@alias.test")
	for i := range 900 {
		fmt.Fprintf(&text, " u%d@drop.test", i)
	}
	w := newWorld(t, text.String()+"\n")
	tx, env := w.begin(t, "x@client.test")
	taken := 0
	for i := range 50 {
		switch got := rcpt(t, tx, env, fmt.Sprintf("list+%d@alias.test", i)); got {
		case "":
			taken++
		case "452 4.5.3":
		default:
			t.Fatal(got)
		}
	}
	if err := tx.Message(t.Context(), letter(t)); err != nil {
		t.Fatal(err)
	}
	if m, _ := w.queue.Next(); taken != maxExpanded/900 || len(m.Envelope.Recipients) != taken*900 {
		t.Errorf("%d taken, %d recipients", taken, len(m.Envelope.Recipients))
	}
}

// TestAnyTable: whatever the tables, a message has each recipient once and never too many, and what RCPT took is not refused
// later.
func TestAnyTable(t *testing.T) {
	t.Parallel()
	domains := []string{"alias.test", "old.test", "drop.test", "relay.test", "away.test"}
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 1))
		name := func() string { return fmt.Sprintf("%c@%s", 'a'+r.IntN(6), domains[r.IntN(len(domains))]) }
		var text strings.Builder
		for range 1 + r.IntN(20) {
			key := []string{name(), "@" + domains[r.IntN(2)]}[r.IntN(8)/7]
			text.WriteString(key + "\t")
			for range 1 + r.IntN(4) {
				text.WriteString([]string{name(), name(), name(), "@" + domains[r.IntN(5)], "/dev/null", "bare", "x@@y"}[r.IntN(7)] + " ")
			}
			text.WriteString("\n")
		}
		w := newWorld(t, text.String())
		tx, env := w.begin(t, "x@client.test")
		for range 10 {
			rcpt(t, tx, env, name())
		}
		if len(env.Recipients) == 0 {
			continue
		}
		if err := tx.Message(t.Context(), letter(t)); err != nil {
			t.Fatalf("seed %d: %v\n%s", seed, err, &text)
		}
		m, _ := w.queue.Next()
		seen := map[mail.Path]bool{}
		for _, to := range m.Envelope.Recipients {
			if seen[to.To] || to.Given.IsNull() {
				t.Fatalf("seed %d: %s twice, or without origin\n%s", seed, to.To, &text)
			}
			seen[to.To] = true
		}
		if len(seen) > maxExpanded {
			t.Fatalf("seed %d: %d recipients", seed, len(seen))
		}
	}
}

// BenchmarkRelay is one message of a client in mynetworks through a service that only relays.
func BenchmarkRelay(b *testing.B) {
	w := newWorld(b, virtual(b))
	w.trusted, w.SRS = true, nil
	w.Next = sink{}
	client := &mail.Client{HELO: "client.test"}
	to := mail.Recipient{To: path(b, "x@away.test"), Given: path(b, "x@away.test")}
	from, msg, ctx := path(b, "a@client.test"), letter(b), b.Context()
	b.ReportAllocs()
	for b.Loop() {
		s, _ := w.Connect(ctx, client)
		env := &mail.Envelope{ID: "x", From: from, Client: *client}
		tx, _ := s.Mail(ctx, env)
		if err := tx.Rcpt(ctx, to); err != nil {
			b.Fatal(err)
		}
		env.Recipients = append(env.Recipients, to)
		if err := tx.Message(ctx, msg); err != nil {
			b.Fatal(err)
		}
	}
}

// sink is a Carrier that takes everything.
type sink struct{}

func (sink) Carry(_ context.Context, env *mail.Envelope, _ *mail.Message) mail.Outcome {
	return mail.All(len(env.Recipients), mail.Result{Status: mail.Relayed})
}

// TestRoutedRecipients: user%elsewhere@ours asks us to relay, whatever its local part begins with. What we signed ourselves
// comes home even so.
func TestRoutedRecipients(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "")
	w.Lists.Relay = list(t, "reject_unauth_destination")
	signed, err := w.SRS.Forward(path(t, "a%b@client.test"))
	if err != nil {
		t.Fatal(err)
	}
	for to, want := range map[string]string{
		"a@relay.test":                          "",
		"victim%else.test@relay.test":           "554 5.7.1",
		"else.test!victim@relay.test":           "554 5.7.1",
		"SRS0=victim%else.test@relay.test":      "554 5.7.1",
		"SRS0=aaaa=AA=else.test=a%b@alias.test": "554 5.7.1",
		`"victim@else.test"@relay.test`:         "554 5.7.1",
		signed.String():                         "",
	} {
		tx, env := w.begin(t, "x@client.test")
		if got := rcpt(t, tx, env, to); got != want {
			t.Errorf("%s: %q, want %q", to, got, want)
		}
	}
}

// TestNobodyIsNoPromise: a 250 is for those who get the message, or whom an alias discards; for nobody there is none.
func TestNobodyIsNoPromise(t *testing.T) {
	t.Parallel()
	tx, _ := newWorld(t, "").begin(t, "x@client.test")
	if err := tx.Message(t.Context(), letter(t)); err == nil {
		t.Error("a message for nobody was taken")
	}
}
