// SPDX-License-Identifier: MIT

//go:build interop

package test

import (
	"fmt"
	"net/smtp"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"posthouse/internal/maillab"
)

// TestSRSTablesOfPostfix: a Postfix that forwards has the same from us, in either protocol, as from PostSRSd: the envelope
// sender of what it forwards is rewritten, the bounce goes home, and an address that nobody signed is refused.
func TestSRSTablesOfPostfix(t *testing.T) {
	t.Parallel()
	for name, maps := range map[string]func(t *testing.T, dir string) (forward, reverse string){
		"PostSRSd": func(t *testing.T, dir string) (string, string) {
			s := newPostSRSd(t, dir)
			return "tcp:" + s.forward, "tcp:" + s.reverse
		},
		"tcp": func(t *testing.T, dir string) (string, string) {
			s := newSRSTables(t, dir)
			return "tcp:" + s.forward, "tcp:" + s.reverse
		},
		"socketmap": func(t *testing.T, dir string) (string, string) {
			s := newSRSTables(t, dir)
			return "socketmap:unix:" + s.socketmap + ":forward", "socketmap:unix:" + s.socketmap + ":reverse"
		},
		"socketmap by TCP": func(t *testing.T, dir string) (string, string) {
			address := maillab.Local(maillab.FreePort(t))
			newSRSTables(t, dir, "--socketmap", address)
			return "socketmap:inet:" + address + ":forward", "socketmap:inet:" + address + ":reverse"
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := room(t)
			writeFile(t, dir, "secret", "s\n", 0o600)
			forward, reverse := maps(t, dir)
			forwardAndBounce(t, dir, forward, reverse)
		})
	}
}

func forwardAndBounce(t *testing.T, dir, forward, reverse string) {
	sink := maillab.NewSink(t, maillab.SinkOptions{})
	address := maillab.Local(maillab.FreePort(t))
	maillab.StartPostfix(t, maillab.PostfixOptions{
		Dir: dir, Main: fmt.Sprintf(postfixFile, sink.Port(), forward, reverse), Master: address + " inet n - n - - smtpd\n", Address: address,
	})
	send := func(from, to, header string) error {
		return smtp.SendMail(address, nil, from, []string{to}, []byte(header+"\r\n\r\nbody\r\n"))
	}
	if err := send("Alice@example.com", "user@relay.test", "From: Alice@example.com\r\nTo: user@relay.test"); err != nil {
		t.Fatal(err)
	}
	forwarded := sink.Wait(t, 1)[0]
	sender := argument(forwarded.From)
	if !strings.HasPrefix(sender, "SRS0=") || !strings.HasSuffix(sender, "=example.com=Alice@srs.test") || argument(forwarded.To[0]) != "outside@far.test" {
		t.Errorf("forwarded from %s to %s", forwarded.From, forwarded.To)
	}
	if !strings.Contains(forwarded.Data, "\r\nFrom: Alice@example.com\r\n") {
		t.Errorf("the header was touched:\n%s", forwarded.Data)
	}

	for i, bounced := range []string{sender, upper(sender)} { // some hosts fold it
		if err := send("", bounced, "From: MAILER-DAEMON@far.test\r\nTo: "+bounced); err != nil {
			t.Fatal(err)
		}
		bounce := sink.Wait(t, 2+i)[1+i]
		if argument(bounce.From) != "" || len(bounce.To) != 1 || !strings.EqualFold(argument(bounce.To[0]), "alice@example.com") {
			t.Errorf("the bounce to %s went from %s to %s", bounced, bounce.From, bounce.To)
		}
		if !strings.Contains(lower(bounce.Data), "\r\nto: alice@example.com\r\n") {
			t.Errorf("its header tells of the address that the sender does not know:\n%s", bounce.Data)
		}
	}

	if err := send("", strings.Replace(sender, "Alice", "mallory", 1), "Subject: forged"); err == nil || !strings.HasPrefix(err.Error(), "550 ") {
		t.Errorf("an address that nobody signed: %v", err)
	}
	if err := send("someone@srs.test", "user@relay.test", "Subject: from us"); err != nil {
		t.Fatal(err)
	}
	if got := sink.Wait(t, 4)[3]; argument(got.From) != "someone@srs.test" {
		t.Errorf("a sender of the domain itself became %s", got.From)
	}
}

// postfixFile is the main.cf of a forwarder: port of the next hop, maps. The last four lines are what PostSRSd's manual has.
const postfixFile = `myhostname = mx.relay.test
mydestination =
mynetworks = 192.0.2.1
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
virtual_alias_domains = relay.test, srs.test
virtual_alias_maps = inline:{{user@relay.test = outside@far.test}}
relayhost = [127.0.0.1]:%d
smtpd_relay_restrictions = reject_unauth_destination
sender_canonical_maps = %s
sender_canonical_classes = envelope_sender
recipient_canonical_maps = %s
recipient_canonical_classes = envelope_recipient, header_recipient
`

// TestSRSSocketOfSystemd: the socket that systemd made for Postfix alone is taken over, with the mode that it has.
func TestSRSSocketOfSystemd(t *testing.T) {
	t.Parallel()
	dir := room(t)
	writeFile(t, dir, "secret", "s\n", 0o600)
	socket := filepath.Join(dir, "srs")
	p := maillab.Start(t, dir, "systemd-socket-activate", "-l", socket, "--fdname=srs-socketmap", binary, "srs", "serve", "-dsrs.test",
		"-s"+filepath.Join(dir, "secret"), "--forward=", "--reverse=", "--socketmap=unix:"+socket)
	p.WaitLog("Listening")
	if err := os.Chmod(socket, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := askSocketmap(t, socket, "forward a@srs.test"); got != "OK a@srs.test" {
		t.Errorf("%q", got)
	}
	if info, err := os.Stat(socket); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if err := p.Stop(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(socket); err != nil {
		t.Error("the socket of systemd is gone")
	}
}
