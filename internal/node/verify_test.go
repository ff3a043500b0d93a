// SPDX-License-Identifier: MIT

package node

import (
	"strings"
	"sync/atomic"
	"testing"

	"posthouse/internal/maillab"
)

// What others have said of their addresses outlives a reload: each would be asked about all of them anew otherwise.
func TestVerdictsStay(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	sink := maillab.NewSink(t, maillab.SinkOptions{Script: func(e maillab.Event) maillab.Action {
		if e.Verb != "RCPT" {
			return maillab.Action{}
		}
		asked.Add(1)
		return maillab.Action{Reply: "550 5.1.1 nobody"}
	}})
	dir := smallCluster(t)
	_, port, _ := strings.Cut(sink.Addr(), ":")
	write(t, dir, "ways", "far.test smtp:[127.0.0.1]:"+port+"\n")
	change := []string{"  virtual_alias_domains", "  relay_domains: [far.test]\n  recipient_restrictions: [reject_unverified_recipient]\n" +
		"  delivery: {transport_maps: ways}\n  virtual_alias_domains"}
	write(t, dir, "posthouse.yaml", strings.NewReplacer(change...).Replace(small))
	r := run(t, dir, SMTPIn)
	try := func() string {
		p, _ := r.dial(t, "smtp-in")
		p.ask("EHLO client.test")
		p.ask("MAIL FROM:<a@client.test>")
		return p.ask("RCPT TO:<x@far.test>")
	}
	first := try()
	if line := r.reload(t); !strings.Contains(line, "msg=reloaded") {
		t.Fatal(line)
	}
	if second := try(); !strings.HasPrefix(first, "450 4.1.1 ") || second != first {
		t.Errorf("%q, and after a reload %q", first, second)
	}
	if n := asked.Load(); n != 1 {
		t.Errorf("the next hop was asked %d times", n)
	}
}
