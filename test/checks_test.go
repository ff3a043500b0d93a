// SPDX-License-Identifier: MIT

package test

import (
	"strings"
	"testing"
)

// TestSubmissionChecks: header_checks of smtp_out keep to themselves where a user sits, and what they change is signed.
func TestSubmissionChecks(t *testing.T) {
	t.Parallel()
	s := up(t)
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	before, after, _ := strings.Cut(readFile(t, s.dir, "posthouse.yaml"), "  dkim:\n")
	writeFile(t, s.dir, "posthouse.yaml", before+"  header_checks: regexp:header-out\n  body_checks: regexp:body-out\n  dkim:\n"+after, 0o644)
	writeFile(t, s.dir, "header-out", "/^Received: .*office/ IGNORE\n/^Subject: .*secret/ REJECT not outside\n", 0o644)
	writeFile(t, s.dir, "body-out", "/^internal:/ REPLACE -\n", 0o644)
	s.start(t)
	message := letter("sent@posthouse.test", s.user, s.user, "internal: do not pass on\nbye")
	if err := submit(s, s.user, s.user, "Received: from home.test ([192.168.1.2]) by office.test\r\n"+message); err != nil {
		t.Fatal(err)
	}
	got := s.mailbox(t, "sent@posthouse.test")
	if strings.Contains(got, "192.168.1.2") || !strings.HasSuffix(strings.ReplaceAll(got, "\r\n", "\n"), "\n\n-\nbye\n") || !contains(got, "dkim=pass") {
		t.Errorf("it arrived as\n%s", got)
	}
	err := submit(s, s.user, s.user, strings.Replace(message, "Subject: ", "Subject: a secret ", 1))
	if err == nil || !strings.HasPrefix(err.Error(), "550 ") || !contains(err.Error(), "5.7.1 not outside") {
		t.Errorf("what header_checks refuse: %v", err)
	}
}
