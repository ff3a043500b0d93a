// SPDX-License-Identifier: MIT

//go:build interop

package dovecot

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/textproto"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"posthouse/certs"
	"posthouse/internal/maillab"
)

// password is the one of wachtwoord-bastion, as `doveadm pw -s BLF-CRYPT` makes it.
const (
	password   = "wachtwoord-bastion"
	passwdLine = "guest:{BLF-CRYPT}$2y$05$SUqzG4isHYbAnOe79T6aeuJr5.SDy4jiXOPIrhRSkLMtc1Egwb4fS\n"
)

// safe is a log that may be read while it is written.
type safe struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safe) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safe) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// private starts a Dovecot in a new folder and returns its options, and the CA that signed its certificate.
func private(t *testing.T) (Options, *x509.CertPool) {
	t.Helper()
	dir, err := os.MkdirTemp("", "dovecot-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	ca, err := certs.MakeCA("test")
	if err != nil {
		t.Fatal(err)
	}
	cert, key, err := ca.Issue("drop.posthouse.test")
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{"cert.pem": cert, "key.pem": key, "users": []byte(passwdLine)} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca.PEM())
	o := Options{Dir: filepath.Join(dir, "dovecot"), MailRoot: filepath.Join(dir, "mail"), PasswdFile: filepath.Join(dir, "users"),
		Certificate: filepath.Join(dir, "cert.pem"), Key: filepath.Join(dir, "key.pem"), Hostname: "drop.posthouse.test",
		LMTP: filepath.Join(dir, "dovecot", "lmtp"), Address: "127.0.0.1", Port: maillab.FreePort(t)}
	run4test(t, o)
	return o, pool
}

// run4test runs Dovecot until the test ends, and checks that it ends in order.
func run4test(t *testing.T, o Options) {
	t.Helper()
	installed, err := Find(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	var log safe
	ended := make(chan error, 1)
	go func() { ended <- Run(ctx, installed, o, &log) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("Dovecot's log:\n%s", log.String())
		}
	})
	limit, cancel := context.WithTimeout(t.Context(), maillab.Patience)
	defer cancel()
	if err := Ready(limit, o); err != nil {
		t.Fatal(err)
	}
}

// lmtp delivers one message.
func lmtp(t *testing.T, socket, to, message string) {
	t.Helper()
	conn, err := net.DialTimeout("unix", socket, maillab.Patience)
	if err != nil {
		t.Fatal(err)
	}
	conn.SetDeadline(time.Now().Add(maillab.Patience))
	c := textproto.NewConn(conn)
	defer c.Close()
	for _, step := range []struct {
		line string
		code int
	}{
		{"", 220}, {"LHLO posthouse.test", 250}, {"MAIL FROM:<a@example.test>", 250}, {"RCPT TO:<" + to + ">", 250}, {"DATA", 354},
		{message + "\r\n.", 250}, {"QUIT", 221},
	} {
		if step.line != "" {
			c.PrintfLine("%s", step.line)
		}
		if _, text, err := c.ReadResponse(step.code); err != nil {
			t.Fatalf("%.40s: %s %v", step.line, text, err)
		}
	}
}

// imap logs in by IMAPS and returns what a series of commands printed.
func imap(t *testing.T, o Options, pool *x509.CertPool, commands ...string) string {
	t.Helper()
	dialer := &net.Dialer{Timeout: maillab.Patience}
	conn, err := tls.DialWithDialer(dialer, "tcp", fmt.Sprintf("%s:%d", o.Address, o.Port), &tls.Config{RootCAs: pool, ServerName: o.Hostname})
	if err != nil {
		t.Fatal(err)
	}
	conn.SetDeadline(time.Now().Add(maillab.Patience))
	c := textproto.NewConn(conn)
	defer c.Close()
	var all strings.Builder
	for n, command := range append([]string{"LOGIN guest@posthouse.test " + password, "SELECT INBOX"}, commands...) {
		tag := fmt.Sprintf("a%d", n)
		c.PrintfLine("%s %s", tag, command)
		for {
			line, err := c.ReadLine()
			if err != nil {
				t.Fatalf("%s: %v\n%s", command, err, all.String())
			}
			all.WriteString(line + "\n")
			if strings.HasPrefix(line, tag+" ") {
				break
			}
		}
	}
	return all.String()
}

// Without a Dovecot, waiting for one ends with its limit.
func TestReadyGivesUp(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := Ready(ctx, Options{LMTP: filepath.Join(t.TempDir(), "nobody")}); err == nil {
		t.Error("nobody listens, and it is ready")
	}
}

// Mail goes in by LMTP and out by IMAPS, and lies in a Maildir in between; a message that the embedded store put there is
// read as well.
func TestPrivateDovecot(t *testing.T) {
	t.Parallel()
	o, pool := private(t)
	lmtp(t, o.LMTP, "guest+tag@drop.posthouse.test", "Subject: by LMTP\r\n\r\nhello")
	if found, _ := filepath.Glob(filepath.Join(o.MailRoot, "guest", "Maildir", "*", "*")); len(found) == 0 {
		t.Error("nothing in the Maildir")
	}
	got := imap(t, o, pool, "FETCH 1 BODY.PEEK[]")
	for _, want := range []string{"* 1 EXISTS", "Subject: by LMTP", "Return-Path: <a@example.test>"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in:\n%s", want, got)
		}
	}
	if strings.Contains(got, "NO ") || strings.Contains(got, "BAD ") {
		t.Errorf("IMAP refused something:\n%s", got)
	}
}
