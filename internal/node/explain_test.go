// SPDX-License-Identifier: MIT

package node

import (
	"fmt"
	"net/netip"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"posthouse/mail"
)

// A running service explains by what it knows, remembers why it refused whom, and counts it; a reload leaves all that.
func TestExplainRunning(t *testing.T) {
	t.Parallel()
	r := run(t, smallCluster(t), SMTPIn)
	c, _, err := Load(filepath.Join(r.dir, "posthouse.yaml"), "")
	if err != nil {
		t.Fatal(err)
	}
	to, _ := mail.ParseAddress("nobody@example.test")
	from, _ := mail.ParseAddress("a@client.test")
	e, live, err := c.Explain(t.Context(), Case{Client: netip.MustParseAddr("192.0.2.1"), HELO: "client.test", From: from, To: []mail.Path{to}})
	if err != nil || !live || len(e.Replies) != 2 || !strings.HasPrefix(e.Replies[1].Reply, "550 5.1.1") {
		t.Fatalf("%+v, %v, %v", e, live, err)
	}
	p, _ := r.dial(t, "smtp-in")
	p.ask("EHLO client.test")
	p.ask("MAIL FROM:<a@client.test>")
	if got := p.ask("RCPT TO:<nobody@example.test>"); !strings.HasPrefix(got, "550 5.1.1") {
		t.Fatal(got)
	}
	if line := r.reload(t); !strings.Contains(line, "reloaded") {
		t.Fatal(line)
	}
	last, err := c.Trails(t.Context(), Wanted{Last: 5})
	if err != nil || len(last) != 1 || last[0].To != "nobody@example.test" {
		t.Fatalf("%+v, %v", last, err)
	}
	logged := regexp.MustCompile(`msg=refused.* id=(\w+)`).FindStringSubmatch(r.log.String())
	if logged == nil {
		t.Fatalf("no id in the log:\n%s", r.log)
	}
	kept, err := c.Trails(t.Context(), Wanted{ID: mail.ID(logged[1])})
	if err != nil || len(kept) != 1 || len(kept[0].Steps) < 3 {
		t.Errorf("%+v, %v", kept, err)
	}
	if _, err := c.Trails(t.Context(), Wanted{ID: mail.NewID(kept[0].Time)}); err == nil || !strings.Contains(err.Error(), "nothing is known of") {
		t.Errorf("an id that nobody knows: %v", err)
	}
}

// The lists, the gate and the filters of a reload are for connections that come after it.
func TestReloadOfRules(t *testing.T) {
	t.Parallel()
	r := run(t, smallCluster(t), SMTPIn)
	old, _ := r.dial(t, "smtp-in")
	r.rewrite(t, "  virtual_alias_domains", fmt.Sprintf("  sender_restrictions: [%q]\n  virtual_alias_domains",
		"check_sender_access inline:{a@client.test=REJECT}"))
	if line := r.reload(t); !strings.Contains(line, "reloaded") {
		t.Fatal(line)
	}
	fresh, _ := r.dial(t, "smtp-in")
	for _, c := range []struct {
		*client
		want string
	}{{old, "250 2.1.5"}, {fresh, "554 5.7.1"}} {
		c.ask("EHLO client.test")
		c.ask("MAIL FROM:<a@client.test>")
		if got := c.ask("RCPT TO:<postmaster@example.test>"); !strings.HasPrefix(got, c.want) {
			t.Errorf("got %s, want %s", got, c.want)
		}
	}
}
