// SPDX-License-Identifier: MIT

package test

import (
	"net/smtp"
	"path/filepath"
	"strings"
	"testing"
)

// A table breaks while the services run, and with it the cluster file for any start: just then an operator has questions, and
// the running services answer them.
func TestQuestionsWithABrokenTable(t *testing.T) {
	t.Parallel()
	s := up(t)
	c, err := smtp.Dial(s.addr(25))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Mail("someone@else.test"); err != nil {
		t.Fatal(err)
	}
	if err := c.Rcpt("nobody@else.test"); err == nil {
		t.Fatal("it relays")
	}
	writeFile(t, s.dir, "virtual", "broken\n", 0o600)
	file := filepath.Join(s.dir, "posthouse.yaml")
	if r := posthouse(t, s.dir, "config", "check", "--config", file); r.code == 0 {
		t.Fatalf("the table is not broken: %s", r.out)
	}
	if r := posthouse(t, s.dir, "explain", "--last", "1", "--config", file); r.code != 0 || !strings.Contains(r.out, "someone@else.test") {
		t.Errorf("explain: %d\n%s%s", r.code, r.out, r.err)
	}
	if r := posthouse(t, s.dir, "queue", "list", "--config", file); r.code != 0 {
		t.Errorf("queue list: %d\n%s%s", r.code, r.out, r.err)
	}
}
