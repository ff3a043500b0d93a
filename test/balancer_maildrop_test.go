// SPDX-License-Identifier: MIT

package test

import (
	"fmt"
	"io"
	"net/smtp"
	"strings"
	"testing"

	"posthouse/internal/maillab"
)

// TestMaildropBehindTheBalancer: maildrop's limits and its Received field go by the client that the balancer announces.
func TestMaildropBehindTheBalancer(t *testing.T) {
	t.Parallel()
	s, drop, front, outer := up(t), door(t), door(t), door(t)
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	file := readFile(t, s.dir, "posthouse.yaml")
	listen := fmt.Sprintf("    - {address: %q}           # between", s.addr(26))
	before, after, found := strings.Cut(file, listen)
	if !found {
		t.Fatalf("%q does not stand in the file of up", listen)
	}
	writeFile(t, s.dir, "posthouse.yaml", before+"    - "+behind(drop, "")+"\n"+listen+strings.Replace(after, "  virtual_mailbox_domains:",
		"  client_connection_count_limit: 2\n  virtual_mailbox_domains:", 1), 0o644)
	s.start(t)
	server, check := []string{fmt.Sprintf("address: %q", drop)}, "health_check: {protocol: smtp, interval: 200ms}"
	startBalancer(t, "", service("drop", front, server, "proxy_protocol: v2", check)+
		proxied(service("outer", outer, server, "proxy_protocol: v1"), outer, "127.0.0.0/8"))
	for _, way := range []struct{ address, from, header, client string }{
		{front, "127.0.0.5", "", "[127.0.0.5]"},
		{outer, "", v1("198.51.100.8"), "[198.51.100.8]"},
		{outer, "", v1("2001:db8::8"), "[IPv6:2001:db8::8]"},
	} {
		id := fmt.Sprintf("%x@example.test", way.client)
		conn := dialFrom(t, way.address, way.from)
		io.WriteString(conn, way.header)
		c, err := smtp.NewClient(conn, "127.0.0.1")
		if err != nil {
			t.Fatal(err)
		}
		user, _, _ := strings.Cut(s.user, "@")
		to := user + "@drop.posthouse.test"
		if err := (client{c}).send("you@example.test", []string{to}, letter(id, "you@example.test", to, "hello")); err != nil {
			t.Fatalf("%s: %v", way.client, err)
		}
		c.Quit()
		if got := s.mailbox(t, id); !strings.Contains(got, way.client) {
			t.Errorf("Received does not name %s:\n%s", way.client, got)
		}
	}
	for _, step := range [][2]string{{"127.0.0.6", "220 "}, {"127.0.0.6", "220 "}, {"127.0.0.6", "421 "}, {"127.0.0.7", "220 "}} {
		c := call(t, front, step[0], maillab.Patience)
		if !strings.HasPrefix(c.name, step[1]) {
			t.Errorf("%s hears %q (%v), want %q", step[0], c.name, c.err, step[1])
		}
		defer c.Close()
	}
}
