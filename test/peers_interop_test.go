// SPDX-License-Identifier: MIT

//go:build interop

package test

import (
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"posthouse/internal/maillab"
)

// TestClients sends with what others use: each client's mail arrives, in the clear from outside and by submission.
func TestClients(t *testing.T) {
	t.Parallel()
	s := up(t)
	t.Run("swaks", func(t *testing.T) { testSwaks(t, s) })
	t.Run("smtp-source", func(t *testing.T) { testSMTPSource(t, s) })
	t.Run("Python smtplib", func(t *testing.T) { testSmtplib(t, s) })
}

func testSwaks(t *testing.T, s *stack) {
	for name, args := range map[string][]string{
		"plain":    {"--server", s.addr(25), "--from", "you@example.test"},
		"STARTTLS": {"--server", s.addr(25), "--tls", "--from", "you@example.test"},
		"implicit": {"--server", s.addr(465), "--tls-on-connect", "--from", "you@example.test"},
		"submission": {"--server", s.addr(587), "--tls", "--auth", "PLAIN", "--auth-user", s.user, "--auth-password", s.password,
			"--from", s.user},
		"LOGIN": {"--server", s.addr(587), "--tls", "--auth", "LOGIN", "--auth-user", s.user, "--auth-password", s.password,
			"--from", s.user},
		"pipelined": {"--server", s.addr(25), "--pipeline", "--from", "you@example.test"},
	} {
		id := "swaks-" + strings.ToLower(name) + "@example.test"
		out, err := maillab.Run(t, ".", "swaks", append(args, "--to", s.user, "--header", "Message-ID: <"+id+">", "--timeout", "20")...)
		if err != nil {
			t.Errorf("%s: %v\n%s", name, err, out)
			continue
		}
		s.mailbox(t, id)
	}
}

func testSMTPSource(t *testing.T, s *stack) {
	out, err := maillab.Run(t, ".", "smtp-source", "-s", "10", "-m", "100", "-l", "5000", "-f", "source@example.test", "-t", s.user, s.addr(25))
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	maillab.Wait(t, maillab.Patience, "100 messages of smtp-source", func() bool {
		names, _ := filepath.Glob(filepath.Join(s.dir, "mail", "*", "Maildir", "new", "*"))
		found := 0
		for _, n := range names {
			if contains(readFile(t, "/", n), "source@example.test") {
				found++
			}
		}
		return found == 100
	})
}

// smtplibScript is what a Python program would do: STARTTLS with the CA checked, log in, send.
const smtplibScript = `
import smtplib, ssl, sys
from email.message import EmailMessage
host, port, ca, user, password, ident = sys.argv[1:]
m = EmailMessage()
m["From"], m["To"], m["Subject"], m["Message-ID"] = user, user, "héllo", "<%s>" % ident
m.set_content("grüße\n.\n..\nend")
with smtplib.SMTP(host, int(port), timeout=20) as s:
    s._host = "out.posthouse.test"  # the name to check the certificate for
    s.starttls(context=ssl.create_default_context(cafile=ca))
    s.login(user, password)
    print(s.send_message(m))
`

func testSmtplib(t *testing.T, s *stack) {
	const id = "smtplib@posthouse.test"
	out, err := maillab.Run(t, ".", "python3", "-c", smtplibScript, "127.0.0.1", strconv.Itoa(s.base+587),
		filepath.Join(s.dir, "tls/ca.pem"), s.user, s.password, id)
	if err != nil || strings.TrimSpace(out) != "{}" {
		t.Fatalf("%v\n%s", err, out)
	}
	if got := s.mailbox(t, id); !contains(got, "DKIM-Signature: ") {
		t.Errorf("not signed:\n%s", got)
	}
}

// Postfix takes what we relay, over its own STARTTLS: smtp-sink is not Postfix's SMTP server, but speaks with its library.
func TestRelayToSMTPSink(t *testing.T) {
	t.Parallel()
	port := maillab.FreePort(t)
	dir := room(t)
	sink := maillab.Start(t, dir, "smtp-sink", "-u", "nobody", "-c", maillab.Local(port), "200")
	maillab.WaitPort(t, maillab.Local(port))
	r := newRelay(t, dir, maillab.Local(port), "")
	r.start(t)
	out, err := maillab.Run(t, dir, "smtp-source", "-s", "5", "-m", "50", "-f", "a@example.test", "-t", "b@sink.test", r.address)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	maillab.Wait(t, maillab.Patience, "empty queue", func() bool { return len(r.list(t)) == 0 })
	if sink.Ended() {
		t.Error("smtp-sink ended")
	}
}

// withRoute stops the stack, routes a domain to an address, and starts it again.
func (s *stack) withRoute(t *testing.T, domain string, to net.Addr) {
	t.Helper()
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	table := readFile(t, s.dir, "transport") + fmt.Sprintf("%s smtp:%s\n", domain, bracketed(to.String()))
	writeFile(t, s.dir, "transport", table, 0o644)
	s.start(t)
}
