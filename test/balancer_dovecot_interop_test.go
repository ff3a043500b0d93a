// SPDX-License-Identifier: MIT

//go:build interop

package test

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"posthouse/internal/maillab"
)

// TestIdleAtDovecot holds hundreds of sessions at a real Dovecot, some of them logged in and in IDLE (RFC 2177), each greeted through the
// balancer with its own address, and then ends Dovecot: every session ends, and the next client is served by the backup.
func TestIdleAtDovecot(t *testing.T) {
	t.Parallel()
	const clients, users = 800, 8
	first, second := maillab.NewDovecot(t, "127.0.0.1"), maillab.NewDovecot(t, "127.0.0.1")
	listen := door(t)
	upstream := []string{fmt.Sprintf("address: \"127.0.0.1:%d\"", first.ProxyIMAP), fmt.Sprintf("address: \"127.0.0.1:%d\", backup: true", second.ProxyIMAP)}
	lb := startBalancer(t, "", service("imap", listen, upstream, "proxy_protocol: v2", "client_connection_count_limit: 100",
		"health_check: {protocol: imap, interval: 1s}"))
	before := pss(t, lb.Pid())
	var all []*caller
	for i := range clients {
		c := call(t, listen, fmt.Sprintf("127.0.5.%d", 1+i/80), maillab.Patience)
		if !strings.HasPrefix(c.name, "* OK [CAPABILITY IMAP4rev1") || !strings.Contains(c.name, "Dovecot") {
			t.Fatalf("client %d hears %q, %v", i, c.name, c.err)
		}
		all = append(all, c)
	}
	t.Logf("%d sessions cost %d bytes each", clients, (pss(t, lb.Pid())-before)/clients)
	for i := range users {
		c := all[i*80]
		c.SetDeadline(time.Now().Add(maillab.Patience))
		io.WriteString(c, "a LOGIN alice secret\r\n")
		c.until(t, "a OK ")
		io.WriteString(c, "b SELECT INBOX\r\nc IDLE\r\n")
		c.until(t, "+ idling")
		first.WaitLog(fmt.Sprintf("rip=127.0.5.%d", 1+i))
	}
	first.Kill()
	for i, c := range all {
		c.SetDeadline(time.Now().Add(maillab.Patience))
		if _, err := io.Copy(io.Discard, c.r); err != nil && strings.Contains(err.Error(), "timeout") {
			t.Fatalf("session %d outlives its server: %v", i, err)
		}
		c.Close()
	}
	login(t, second, listen, "127.0.5.99")
}

// until reads lines up to one that begins so.
func (c *caller) until(t *testing.T, prefix string) {
	t.Helper()
	for line := ""; !strings.HasPrefix(line, prefix); {
		var err error
		if line, err = c.line(); err != nil || strings.HasPrefix(line, "a NO") || strings.HasPrefix(line, "b NO") {
			t.Fatalf("instead of %q: %q, %v", prefix, line, err)
		}
	}
}
