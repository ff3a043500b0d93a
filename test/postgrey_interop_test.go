// SPDX-License-Identifier: MIT

//go:build interop

package test

import (
	"strings"
	"testing"

	"posthouse/internal/maillab"
)

// TestPostgreyAndChecks: a stranger's first attempt is deferred by the real postgrey; one after the delay is taken, with
// postgrey's field on top, once for two recipients, and with what header_checks and body_checks change.
func TestPostgreyAndChecks(t *testing.T) {
	t.Parallel()
	dir, postgrey := room(t), maillab.Local(maillab.FreePort(t))
	maillab.Start(t, dir, "/usr/sbin/postgrey", "--inet="+postgrey, "--dbdir="+dir, "--delay=2", "--user=root", "--group=root",
		"--whitelist-clients=/dev/null", "--whitelist-recipients=/dev/null")
	maillab.WaitPort(t, postgrey)
	sink := maillab.NewSink(t, maillab.SinkOptions{})
	r := newRelay(t, dir, sink.Addr(), "  recipient_restrictions: ['check_policy_service { inet:"+postgrey+", timeout=10s }']\n"+
		"  header_checks: regexp:header_checks\n  body_checks: regexp:body_checks\n")
	writeFile(t, dir, "virtual", "postmaster@relay.test  operator@sink.test\nuser@relay.test  user@sink.test\n", 0o644)
	writeFile(t, dir, "header_checks", "/^X-Secret:/ IGNORE\n/^Subject: .*free/ REJECT no, thanks\n", 0o644)
	writeFile(t, dir, "body_checks", "/^secret/ REPLACE not told\n", 0o644)
	r.start(t)

	try := func(header string) error {
		c, err := dial(r.address)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		return c.send("alice@sender.test", []string{"user@relay.test", "postmaster@relay.test"}, header+"From: alice@sender.test\r\n\r\nsecret\r\nbody\r\n")
	}
	if err := try("Subject: first\r\n"); err == nil || !greylisted(err) {
		t.Fatalf("a first attempt: %v", err)
	}
	maillab.Wait(t, maillab.Patience, "postgrey to let it pass", func() bool {
		err := try("X-Secret: a\r\n b\r\nSubject: second\r\n")
		if err != nil && !greylisted(err) {
			t.Fatal(err)
		}
		return err == nil
	})
	got := sink.Wait(t, 1)[0].Data
	if strings.Count(got, "X-Greylist: delayed ") != 1 || strings.Contains(got, "X-Secret") || !strings.HasSuffix(got, "\r\n\r\nnot told\r\nbody\r\n") {
		t.Errorf("it arrived as\n%s", got)
	}
	if err := try("Subject: for free\r\n"); err == nil || !strings.HasPrefix(err.Error(), "550 ") || !contains(err.Error(), "5.7.1 no, thanks") {
		t.Errorf("what header_checks refuse: %v", err)
	}
}

func greylisted(err error) bool {
	return strings.HasPrefix(err.Error(), "450 ") && contains(err.Error(), "4.2.0 ") && contains(err.Error(), "Greylisted")
}
