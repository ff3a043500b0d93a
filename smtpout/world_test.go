// SPDX-License-Identifier: MIT

package smtpout

import (
	"context"
	"crypto/tls"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"posthouse/auth"
	"posthouse/certs"
	"posthouse/config"
	"posthouse/dkim"
	"posthouse/internal/listen"
	"posthouse/internal/maillab"
	"posthouse/mail"
	"posthouse/policy"
	"posthouse/reply"
	"posthouse/smtpd"
	"posthouse/table"
)

// world is a submission service: pim@user.test and paul@user.test have the password "secret". Mail from user.test is signed
// with the key s1, from two.test with two keys; the key of broken.test is not there.
type world struct {
	*Service
	queue  maillab.Carrier
	log    maillab.Log
	record string // of s1._domainkey.user.test
	busy   bool   // passwords cannot be checked now
}

func newWorld(t testing.TB) *world {
	t.Helper()
	dir := t.TempDir()
	w := &world{}
	w.Service = &Service{Hostname: "out.test", Passwords: passwords{w, openPasswords(t, dir)}, Signer: w.signer(t, dir),
		Owns: owns(t), Facts: outside{world: w}, Next: &w.queue, Log: w.log.Logger()}
	w.Lists.Relay, _ = policy.ParseList(policy.DefaultRelay())
	w.Lists.Recipient, _ = policy.ParseList([]string{"warn_if_reject reject_non_fqdn_helo_hostname", "reject_unknown_recipient_domain"})
	return w
}

func write(t testing.TB, dir, name, text string) string {
	t.Helper()
	file := filepath.Join(dir, name)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func openPasswords(t testing.TB, dir string) *auth.PasswdFile {
	t.Helper()
	var c auth.Config
	c.SetDefaults()
	c.PasswdFile = config.Path(write(t, dir, "users", "pim@user.test:{PLAIN}secret\npaul@user.test:{PLAIN}secret\n"))
	p, err := auth.Open(c)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// passwords can be out of order.
type passwords struct {
	*world
	file *auth.PasswdFile
}

func (p passwords) Authenticate(ctx context.Context, user, password string) (string, error) {
	if p.busy {
		return "", auth.ErrBusy
	}
	return p.file.Authenticate(ctx, user, password)
}

func (w *world) signer(t testing.TB, dir string) *dkim.Signer {
	t.Helper()
	for _, name := range []string{"one.key", "two.key"} {
		key, err := dkim.GenerateKey("ed25519", 0)
		if err != nil {
			t.Fatal(err)
		}
		write(t, dir, name, string(key))
		if name == "one.key" {
			if w.record, err = dkim.Record(key); err != nil {
				t.Fatal(err)
			}
		}
	}
	write(t, dir, "keys", "one user.test:s1:one.key\ntwo two.test:s2:two.key\nbroken %:s1:%.key\n")
	write(t, dir, "signers", "*@user.test one\n*@broken.test broken\n*@two.test one\n*@two.test two\n")
	s, err := dkim.Open(dkim.Config{SigningTable: table.MustRef("signers"), KeyTable: table.MustRef("keys"), MultipleSignatures: true}, dir)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// owns is sender_login_maps.
func owns(t testing.TB) func(login string, from mail.Path) bool {
	t.Helper()
	tab, err := table.Open(table.MustRef("inline:{pim@user.test=pim@user.test, @broken.test=pim@user.test, @else.test=pim@user.test, @two.test=pim@user.test}"), ".")
	if err != nil {
		t.Fatal(err)
	}
	return func(login string, from mail.Path) bool {
		lookup := func(key string) (string, bool) { logins, _, ok := tab.View().Lookup(key); return logins, ok }
		return auth.Owns(lookup, login, from.Local(), from.Domain(), "")
	}
}

// outside is the node's part of the facts: DNS lacks missing.test.
type outside struct {
	policy.Facts // what no test asks
	*world
}

func (o outside) Trusted(c *mail.Client) bool {
	for _, n := range o.Mynetworks {
		if n.Contains(c.Addr.Addr()) {
			return true
		}
	}
	return false
}
func (outside) Authorised(mail.Path) bool                            { return false }
func (outside) Final(string) bool                                    { return false }
func (outside) Deliverable(context.Context, mail.Path) (bool, error) { return true, nil }
func (outside) Resolves(_ context.Context, domain string) (bool, error) {
	if domain == "trouble.test" {
		return false, reply.DNSTrouble
	}
	return domain != "missing.test", nil
}

var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}

// serve puts the service behind a server that wants TLS; hosts of mynetworks get by without.
func (w *world) serve(t testing.TB) maillab.Dialogue {
	t.Helper()
	o := smtpd.Options{Name: "smtp_out", Service: w.Service, Spool: maillab.Spool{}, Log: w.log.Logger(), Profile: certs.Submission,
		Mynetworks: w.Mynetworks, Now: func() time.Time { return time.Date(2026, 11, 21, 13, 0, 0, 0, time.FixedZone("", 3600)) }}
	var section Config
	section.SetDefaults()
	o.Config = section.Config
	o.Config.Hostname, o.Config.AuthErrorLimit, o.Config.AuthFailureDelay = "out.test", 4, 0
	var client *tls.Config
	o.TLS, client = certificates(t)
	server, err := smtpd.New(o)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := listen.Config{TLS: "required"}
	if len(w.Mynetworks) > 0 {
		c.TLS = ""
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(l, c) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = server.Shutdown(ctx)
		if err := <-served; err != nil {
			t.Errorf("serving: %v", err)
		}
	})
	return maillab.Dialogue{Address: l.Addr().String(), TLS: client, Carrier: &w.queue, Log: &w.log}
}

func certificates(t testing.TB) (*certs.Store, *tls.Config) {
	t.Helper()
	ca, err := certs.MakeCA("test")
	if err != nil {
		t.Fatal(err)
	}
	cert, key, err := ca.Issue("out.test")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	s, err := certs.Open(certs.Config{
		Certificate: config.Path(write(t, dir, "c.pem", string(cert))), Key: config.Path(write(t, dir, "k.pem", string(key))),
	})
	if err != nil {
		t.Fatal(err)
	}
	return s, &tls.Config{ServerName: "out.test", RootCAs: ca.Pool()}
}
