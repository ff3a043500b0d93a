// SPDX-License-Identifier: MIT

package maildrop

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"posthouse/alias"
	"posthouse/internal/listen"
	"posthouse/internal/maillab"
	"posthouse/mail"
	"posthouse/policy"
	"posthouse/relay"
	"posthouse/resolver"
	"posthouse/smtpd"
	"posthouse/table"
	"posthouse/upstream"
)

// world is a maildrop in front of an LMTP server that has some mailboxes.
type world struct {
	*Service
	queue   maillab.Carrier
	log     maillab.Log
	store   *maillab.Sink
	maps    *table.Table
	trusted bool // the client is of mynetworks
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{store: maillab.NewSink(t, maillab.SinkOptions{LMTP: true, Script: someMailboxes})}
	text, err := os.ReadFile("testdata/virtual")
	if err != nil {
		t.Fatal(err)
	}
	w.maps = open(t, "hash:"+write(t, filepath.Join(t.TempDir(), "virtual"), string(text)))
	w.Service = &Service{
		Aliases:   alias.New(alias.Options{Maps: w.maps, Mailboxes: open(t, "inline:{drop.test=x}"), Delimiter: "+", Postmaster: "drop.test"}),
		Mailboxes: w.mailboxes(t), Facts: outside{world: w}, Next: &w.queue, Log: w.log.Logger(),
	}
	w.Lists.Relay, _ = policy.ParseList([]string{"permit_mynetworks", "reject_unauth_destination"})
	w.Lists.Recipient, _ = policy.ParseList([]string{"warn_if_reject reject_unlisted_recipient"})
	return w
}

// someMailboxes is what the store says at RCPT.
func someMailboxes(e maillab.Event) maillab.Action {
	switch {
	case e.Verb != "RCPT":
	case strings.Contains(e.Argument, "<nobody"):
		return maillab.Action{Reply: "550 5.1.1 no such user here"}
	case strings.Contains(e.Argument, "<unsure"):
		return maillab.Action{Reply: "451 4.3.0 ask later"}
	}
	return maillab.Action{}
}

func (w *world) mailboxes(t testing.TB) *relay.Mailboxes {
	t.Helper()
	names, err := resolver.ParseZone("$ORIGIN test.\n")
	if err != nil {
		t.Fatal(err)
	}
	r, err := relay.New(relay.Options{Resolver: names, Hello: "drop.test", Log: w.log.Logger()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	var s upstream.Server
	s.SetDefaults()
	if err := s.Address.UnmarshalText([]byte(w.store.Addr())); err != nil {
		t.Fatal(err)
	}
	return r.Mailboxes(upstream.New([]upstream.Server{s}, upstream.Options{}))
}

func write(t testing.TB, file, text string) string {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func open(t testing.TB, ref string) *table.Table {
	t.Helper()
	tab, err := table.Open(table.MustRef(ref), ".")
	if err != nil {
		t.Fatal(err)
	}
	return tab
}

// outside is the node's part of the facts.
type outside struct {
	policy.Facts // what no test asks
	*world
}

func (o outside) Trusted(*mail.Client) bool                          { return o.trusted }
func (outside) Authorised(mail.Path) bool                            { return false }
func (outside) Final(string) bool                                    { return false }
func (outside) Deliverable(context.Context, mail.Path) (bool, error) { return true, nil }
func (outside) Resolves(context.Context, string) (bool, error)       { return true, nil }

// serve puts the service behind a server on a socket.
func (w *world) serve(t testing.TB) maillab.Dialogue {
	t.Helper()
	o := smtpd.Options{Name: "maildrop", Service: w.Service, Spool: maillab.Spool{}, Log: w.log.Logger(), Postmaster: "drop.test"}
	o.Config.SetDefaults()
	o.Config.Hostname = "drop.test"
	server, err := smtpd.New(o)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(l, listen.Config{}) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = server.Shutdown(ctx)
		if err := <-served; err != nil {
			t.Errorf("serving: %v", err)
		}
	})
	return maillab.Dialogue{Address: l.Addr().String(), Carrier: &w.queue, Log: &w.log}
}

func path(t testing.TB, s string) mail.Path {
	t.Helper()
	p, err := mail.ParseAddress(s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}
