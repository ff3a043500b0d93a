// SPDX-License-Identifier: MIT

package smtpd

import (
	"strings"
	"testing"
)

func TestOneMessage(t *testing.T) {
	t.Parallel()
	r := &recorder{}
	w := start(t, r, nil)
	p := w.dial()
	hello := p.do("EHLO client.test\r\n", "250 ")
	if !strings.HasPrefix(hello, "250-mx.test (node.test)\r\n") {
		t.Errorf("EHLO: %q", hello)
	}
	p.data()
	answer := p.do("Subject: x\r\n\r\n..dot\r\ntext\r\n.\r\n", "250 2.0.0 Ok: queued as ")
	p.do("QUIT\r\n", "221 2.0.0")
	p.end()
	got := r.got()
	if len(got) != 1 {
		t.Fatalf("%d messages", len(got))
	}
	m := got[0]
	if !strings.HasSuffix(m.text, "Subject: x\r\n\r\n.dot\r\ntext\r\n") || !strings.HasPrefix(m.text, "Received: ") {
		t.Errorf("text %q", m.text)
	}
	if !strings.Contains(answer, string(m.env.ID)) || !strings.Contains(m.text, string(m.env.ID)) {
		t.Errorf("id %s is not in %q or the Received field", m.env.ID, answer)
	}
	if len(m.env.Recipients) != 1 || m.env.Recipients[0].To.String() != "b@ours.test" || m.env.From.String() != "a@client.test" {
		t.Errorf("envelope %+v", m.env)
	}
}
