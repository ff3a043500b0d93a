// SPDX-License-Identifier: MIT

package smtpin

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"posthouse/alias"
	"posthouse/config"
	"posthouse/internal/listen"
	"posthouse/internal/maillab"
	"posthouse/mail"
	"posthouse/policy"
	"posthouse/reply"
	"posthouse/smtpd"
	"posthouse/srs"
	"posthouse/table"
)

// world is the cluster of the tests: alias.test, old.test and catch.test are alias domains, relay.test is relayed, drop.test
// has the mailboxes, srs.test the rewritten senders. It is noon of 21 November 2026.
type world struct {
	*Service
	queue   maillab.Carrier
	log     maillab.Log
	maps    *table.Table
	file    string       // of the alias table
	trusted bool         // the client is of mynetworks
	failed  atomic.Int32 // filters
}

func newWorld(t testing.TB, virtual string) *world {
	t.Helper()
	w := &world{file: filepath.Join(t.TempDir(), "virtual")}
	w.write(t, virtual)
	w.maps = open(t, "hash:"+w.file)
	w.Service = &Service{
		Aliases: alias.New(alias.Options{
			Maps: w.maps, Domains: open(t, "inline:{alias.test=x, old.test=x, catch.test=x}"), Delimiter: "+", Postmaster: "alias.test",
		}),
		Relayed: oneOf("relay.test"),
		Ours:    oneOf("alias.test", "old.test", "catch.test", "relay.test", "drop.test"),
		SRS:     rewriter(t), Facts: outside{world: w}, Next: &w.queue, Log: w.log.Logger(),
		Lists: policy.Lists{Relay: list(t, policy.DefaultRelay()...)},
	}
	return w
}

func (w *world) write(t testing.TB, virtual string) {
	t.Helper()
	if err := os.WriteFile(w.file, []byte(virtual), 0o600); err != nil {
		t.Fatal(err)
	}
}

func open(t testing.TB, ref string) *table.Table {
	t.Helper()
	tab, err := table.Open(table.MustRef(ref), "testdata")
	if err != nil {
		t.Fatal(err)
	}
	return tab
}

func oneOf(domains ...string) func(string) bool {
	return func(d string) bool { return slices.Contains(domains, d) }
}

func list(t testing.TB, words ...string) policy.List {
	t.Helper()
	l, problems := policy.ParseList(words)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	return l
}

func rewriter(t testing.TB) *srs.Rewriter {
	t.Helper()
	var c srs.Config
	c.SetDefaults()
	c.Domain, c.SecretFile = "srs.test", config.Path(filepath.Join(t.TempDir(), "secret"))
	c.ExcludeDomains = []string{"excluded.test"}
	if err := os.WriteFile(string(c.SecretFile), []byte("secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r, err := srs.Open(c)
	if err != nil {
		t.Fatal(err)
	}
	r.Now = func() time.Time { return time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC) }
	return r
}

// outside is the node's part of the facts: its networks, and a DNS that has trouble.test in trouble and lacks missing.test.
type outside struct {
	policy.Facts // what no test asks
	*world
}

func (o outside) Trusted(*mail.Client) bool                           { return o.trusted }
func (outside) Authorised(mail.Path) bool                             { return false }
func (outside) Final(string) bool                                     { return false }
func (outside) Deliverable(context.Context, mail.Path) (bool, error)  { return true, nil }
func (outside) Names(context.Context, *mail.Client) ([]string, error) { return nil, nil }
func (outside) Resolves(_ context.Context, domain string) (bool, error) {
	if domain == "trouble.test" {
		return false, reply.DNSTrouble
	}
	return domain != "missing.test", nil
}

// serve puts the service behind a server on a socket.
func (w *world) serve(t testing.TB) maillab.Dialogue {
	t.Helper()
	o := smtpd.Options{Name: "smtp_in", Service: w.Service, Spool: maillab.Spool{}, Log: w.log.Logger(), Node: "node.test", Postmaster: "alias.test"}
	o.Config.SetDefaults()
	o.Config.Hostname = "mx.test"
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

func virtual(t testing.TB) string {
	t.Helper()
	text, err := os.ReadFile("testdata/virtual")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func path(t testing.TB, s string) mail.Path {
	t.Helper()
	if s == "" {
		return mail.Path{}
	}
	p, err := mail.ParseAddress(s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}
