// SPDX-License-Identifier: MIT

//go:build interop

package test

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/textproto"
	"strings"
	"syscall"
	"testing"
	"time"

	"posthouse/internal/maillab"
)

// With Dovecot beside it, mail goes there by LMTP and is read by IMAPS; without, the embedded store's Maildir is what
// Dovecot opens later as it is.
func TestUpDovecot(t *testing.T) {
	t.Parallel()
	s := up(t)
	if err := deliver(s.addr(25), "you@example.test", s.user, letter("embedded@example.test", "you@example.test", s.user, "one")); err != nil {
		t.Fatal(err)
	}
	s.mailbox(t, "embedded@example.test")
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	s.start(t, "--dovecot")
	maillab.WaitPort(t, s.addr(993))
	if err := deliver(s.addr(25), "you@example.test", s.user, letter("dovecot@example.test", "you@example.test", s.user, "two")); err != nil {
		t.Fatal(err)
	}
	s.mailbox(t, "dovecot@example.test")
	got := s.imap(t, "SELECT INBOX", "FETCH 1:* BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)]")
	for _, want := range []string{"embedded@example.test", "dovecot@example.test", "* 2 EXISTS"} {
		if !contains(got, want) {
			t.Errorf("IMAP does not show %q:\n%s", want, got)
		}
	}
	if err := s.Stop(); err != nil {
		t.Error(err)
	}
	if c, err := net.DialTimeout("tcp", s.addr(993), time.Second); err == nil {
		c.Close()
		t.Error("Dovecot still runs")
	}
}

// A killed posthouse leaves no Dovecot behind.
func TestKilledUpTakesDovecotAlong(t *testing.T) {
	t.Parallel()
	s := up(t, "--dovecot")
	maillab.WaitPort(t, s.addr(993))
	s.Signal(syscall.SIGKILL)
	maillab.Wait(t, maillab.Patience, "end of Dovecot", func() bool {
		c, err := net.DialTimeout("tcp", s.addr(993), time.Second)
		if err == nil {
			c.Close()
		}
		return err != nil
	})
	s.start(t, "--dovecot")
	maillab.WaitPort(t, s.addr(993))
}

// imap logs in and returns what the commands printed.
func (s *stack) imap(t *testing.T, commands ...string) string {
	t.Helper()
	conn, err := tls.DialWithDialer(&net.Dialer{Timeout: maillab.Patience}, "tcp", s.addr(993),
		&tls.Config{RootCAs: s.roots, ServerName: "drop.posthouse.test"})
	if err != nil {
		t.Fatal(err)
	}
	conn.SetDeadline(time.Now().Add(maillab.Patience))
	c := textproto.NewConn(conn)
	defer c.Close()
	var all strings.Builder
	for n, command := range append([]string{"LOGIN " + s.user + " " + s.password}, commands...) {
		c.PrintfLine("a%d %s", n, command)
		for line := ""; !strings.HasPrefix(line, fmt.Sprintf("a%d ", n)); {
			if line, err = c.ReadLine(); err != nil {
				t.Fatalf("%v after:\n%s", err, all.String())
			}
			all.WriteString(line + "\n")
		}
	}
	return all.String()
}
