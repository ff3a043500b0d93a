// SPDX-License-Identifier: MIT

package test

import (
	"crypto/tls"
	"fmt"
	"io"
	"net/smtp"
	"strings"
	"testing"
	"time"

	"posthouse/internal/maillab"
)

// mailFront is a whole node with a balancer before smtp-in and smtp-out. All connections come from the balancer's address; 127.0.0.9 is
// on the list of bad clients, and nobody may have more than two connections.
type mailFront struct {
	*stack
	in        string   // smtp-in, for balancers alone
	mx        []string // balancers before it: v1, v2, and v2 for those that another balancer announces
	out, out2 string   // before smtp-out: from clients, and from another balancer
}

func startMailFront(t *testing.T) *mailFront {
	t.Helper()
	f := &mailFront{stack: up(t), in: door(t), mx: []string{door(t), door(t), door(t)}, out: door(t), out2: door(t)}
	if err := f.Stop(); err != nil {
		t.Fatal(err)
	}
	file := readFile(t, f.dir, "posthouse.yaml")
	for _, r := range [][2]string{
		{fmt.Sprintf("{address: %q}           # STARTTLS offered", f.addr(25)), fmt.Sprintf("{address: %q}\n    - %s", f.addr(25), behind(f.in, ""))},
		{fmt.Sprintf("{address: %q, tls: required}", f.addr(587)), behind(f.addr(587), ", tls: required")},
		{"recipient_restrictions: [", "client_connection_count_limit: 2\n  recipient_restrictions: [reject_rbl_client bl.test, "},
		{"  auth:\n", "  client_connection_count_limit: 2\n  auth:\n"},
	} {
		if !strings.Contains(file, r[0]) {
			t.Fatalf("%q does not stand in the file of up", r[0])
		}
		file = strings.Replace(file, r[0], r[1], 1)
	}
	writeFile(t, f.dir, "posthouse.yaml", file, 0o644)
	zone := readFile(t, f.dir, "zone")
	for _, listed := range []string{"9.0.0.127", "9.100.51.198"} {
		zone += "\n" + listed + ".bl.test. 60 IN A 127.0.0.2"
	}
	writeFile(t, f.dir, "zone", zone+"\n", 0o644)
	f.start(t)
	in, out := []string{fmt.Sprintf("address: %q", f.in)}, []string{fmt.Sprintf("address: %q", f.addr(587))}
	check := "health_check: {protocol: smtp, interval: 200ms}"
	startBalancer(t, "", service("mx1", f.mx[0], in, "proxy_protocol: v1", check)+service("mx2", f.mx[1], in, "proxy_protocol: v2", check)+
		proxied(service("mx3", f.mx[2], in, "proxy_protocol: v2"), f.mx[2], "127.0.0.0/8")+
		service("out", f.out, out, "proxy_protocol: v2", check)+proxied(service("out2", f.out2, out, "proxy_protocol: v1"), f.out2, "127.0.0.0/8"))
	return f
}

// behind is a listener that takes connections from balancers of this machine alone.
func behind(address, more string) string {
	return fmt.Sprintf("{address: %q, proxy_protocol: required, proxy_networks: [\"127.0.0.0/8\"]%s}", address, more)
}

// TestMailBehindTheBalancer: what smtp-in and smtp-out decide by a client's address they decide by the real one.
func TestMailBehindTheBalancer(t *testing.T) {
	t.Parallel()
	f := startMailFront(t)
	for i, address := range f.mx[:2] {
		id := fmt.Sprintf("good%d@example.test", i)
		if err := f.bring(t, address, "127.0.0.5", "", id); err != nil {
			t.Errorf("a client that nobody lists, by %s: %v", address, err)
		} else if got := f.mailbox(t, id); !strings.Contains(got, "[127.0.0.5]") {
			t.Errorf("Received does not name the client:\n%s", got)
		}
		if err := f.bring(t, address, "127.0.0.9", "", "bad@example.test"); err == nil || !strings.Contains(err.Error(), "[127.0.0.9] blocked using bl.test") {
			t.Errorf("the listed client: %v", err)
		}
	}
	if err := f.bring(t, f.mx[2], "", v1("198.51.100.9"), "bad@example.test"); err == nil || !strings.Contains(err.Error(), "[198.51.100.9] blocked using bl.test") {
		t.Errorf("the listed client that another balancer announces: %v", err)
	}
	if err := f.bring(t, f.mx[2], "", v1("198.51.100.8"), "outer@example.test"); err != nil {
		t.Error(err)
	} else if got := f.mailbox(t, "outer@example.test"); !strings.Contains(got, "[198.51.100.8]") {
		t.Errorf("Received does not name the announced client:\n%s", got)
	}
	f.limits(t, f.mx[0], "127.0.0.6", "127.0.0.7")
	f.limits(t, f.mx[1], "127.0.0.16", "127.0.0.17") // others, since the service behind may still count those before
	f.limits(t, f.out, "127.0.0.6", "127.0.0.7")
	f.submit(t)
}

// bring has a client bring a message for the user, by the balancer at an address.
func (f *mailFront) bring(t *testing.T, address, from, header, id string) error {
	t.Helper()
	conn := dialFrom(t, address, from)
	defer conn.Close()
	io.WriteString(conn, header)
	c, err := smtp.NewClient(conn, "127.0.0.1")
	if err != nil {
		return err
	}
	if err := c.Hello("client.example.test"); err != nil {
		return err
	}
	if err := (client{c}).send("you@example.test", []string{f.user}, letter(id, "you@example.test", f.user, "hello")); err != nil {
		return err
	}
	return c.Quit()
}

// limits: the third connection of a client is one too many, and the first of another is not. The health checks take nobody's place.
func (f *mailFront) limits(t *testing.T, address, client, other string) {
	t.Helper()
	for _, step := range [][2]string{{client, "220 "}, {client, "220 "}, {client, "421 "}, {other, "220 "}} {
		c := call(t, address, step[0], maillab.Patience)
		if !strings.HasPrefix(c.name, step[1]) {
			t.Errorf("%s at %s hears %q (%v), want %q", step[0], address, c.name, c.err, step[1])
		}
		defer c.Close()
	}
}

// submit logs in from an address that only another balancer's header has, and the log has it too.
func (f *mailFront) submit(t *testing.T) {
	t.Helper()
	conn := dialFrom(t, f.out2, "")
	conn.SetDeadline(time.Now().Add(maillab.Patience))
	io.WriteString(conn, v1("2001:db8::77"))
	c, err := smtp.NewClient(conn, "127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []func() error{
		func() error { return c.StartTLS(&tls.Config{RootCAs: f.roots, ServerName: "out.posthouse.test"}) },
		func() error { return c.Auth(smtp.PlainAuth("", f.user, f.password, "127.0.0.1")) },
		func() error {
			return (client{c}).send(f.user, []string{f.user}, letter("submitted@posthouse.test", f.user, f.user, "hello"))
		},
		c.Quit,
	} {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
	if got := f.mailbox(t, "submitted@posthouse.test"); !strings.Contains(got, "[IPv6:2001:db8::77]") && !strings.Contains(f.Log(), "2001:db8::77") {
		t.Errorf("neither the message nor the log has the client's address:\n%s", got)
	}
}
