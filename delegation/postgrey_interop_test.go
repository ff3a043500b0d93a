// SPDX-License-Identifier: MIT

//go:build interop

package delegation

import (
	"net/netip"
	"strings"
	"testing"

	"posthouse/internal/maillab"
	"posthouse/mail"
)

// TestPostgrey: the real one defers a triplet that it does not know, lets it pass when the delay is over, and puts its field
// into a message once, however many recipients that has.
func TestPostgrey(t *testing.T) {
	t.Parallel()
	dir, address := t.TempDir(), maillab.Local(maillab.FreePort(t))
	maillab.Start(t, dir, "/usr/sbin/postgrey", "--inet="+address, "--dbdir="+dir, "--delay=2", "--user=root", "--group=root", "--auto-whitelist-clients=0",
		"--whitelist-clients=/dev/null", "--whitelist-recipients=/dev/null")
	maillab.WaitPort(t, address)
	server, err := ParseServer("{ inet:" + address + ", timeout=10s }")
	if err != nil {
		t.Fatal(err)
	}
	c := New(Options{})
	t.Cleanup(func() { c.Close() })
	ask := func(id mail.ID, to string) string {
		t.Helper()
		from, _ := mail.ParseAddress("a@far.test")
		rcpt, _ := mail.ParseAddress(to)
		r := Request{State: "RCPT", ID: id, From: from, To: rcpt, Client: &mail.Client{Addr: netip.MustParseAddrPort("192.0.2.1:1025"), HELO: "mx.far.test", Protocol: "ESMTP"}}
		action, err := c.Ask(t.Context(), server, r.Attributes())
		if err != nil {
			t.Fatal(err)
		}
		return action
	}
	for _, to := range []string{"b@near.test", "c@near.test"} {
		if got := ask("first", to); !strings.HasPrefix(got, "DEFER_IF_PERMIT 4.2.0 ") {
			t.Fatalf("at first: %s", got)
		}
	}
	var got string
	maillab.Wait(t, maillab.Patience, "the delay to pass", func() bool {
		got = ask("second", "b@near.test")
		return !strings.HasPrefix(got, "DEFER_IF_PERMIT")
	})
	if !strings.HasPrefix(got, "PREPEND X-Greylist: delayed ") {
		t.Errorf("after the delay: %s", got)
	}
	maillab.Wait(t, maillab.Patience, "the delay to pass for the other", func() bool {
		got = ask("second", "c@near.test")
		return !strings.HasPrefix(got, "DEFER_IF_PERMIT")
	})
	if got != "DUNNO" {
		t.Errorf("another recipient of the message: %s", got)
	}
}
