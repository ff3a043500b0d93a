// SPDX-License-Identifier: MIT

package test

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"posthouse/internal/maillab"
)

// gateLines ask two lists, one of good clients, and keep the banner back for a moment.
const gateLines = `  gate:
    dnsbl_sites: ["bl.test*2", "wl.test*-1"]
    dnsbl_threshold: 2
    greet_wait: 200ms
    allow: ["198.51.100.10"]
    action: drop
`

// The gate closes before the banner on who is on too many lists, and on who speaks first; explain says why.
func TestGate(t *testing.T) {
	t.Parallel()
	dir, sink := room(t), maillab.NewSink(t, maillab.SinkOptions{})
	r := newRelay(t, dir, sink.Addr(), gateLines)
	file := strings.Replace(readFile(t, dir, "posthouse.yaml"), `["`+r.address+`"]`,
		`[{address: "`+r.address+`", proxy_protocol: required, proxy_networks: [127.0.0.0/8]}]`, 1)
	writeFile(t, dir, "posthouse.yaml", strings.Replace(file, `["127.0.0.0/8"]`, `["192.0.2.0/24"]`, 1), 0o644)
	writeFile(t, dir, "zone", "8.100.51.198.bl.test. 60 IN A 127.0.0.2\n8.100.51.198.wl.test. 60 IN A 127.0.0.2\n"+
		"9.100.51.198.bl.test. 60 IN A 127.0.0.2\n10.100.51.198.bl.test. 60 IN A 127.0.0.2\n9.2.0.192.bl.test. 60 IN A 127.0.0.2\n", 0o644)
	r.start(t)
	f := &forwarder{r}
	for client, want := range map[string]string{
		"198.51.100.7": "", "198.51.100.8": "", "198.51.100.10": "", "192.0.2.9": "", // unlisted, made good, allowed, of mynetworks
		"198.51.100.9": `521 "5.7.1 Service unavailable; client [198.51.100.9] blocked using bl.test"`,
	} {
		err := f.try(t, client, "alice@sender.test", "postmaster@relay.test")
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v, want %q", client, err, want)
		}
	}
	if got := f.first(t, "198.51.100.7", "EHLO early.test\r\n"); !strings.HasPrefix(got, "521 5.5.1 ") {
		t.Errorf("who speaks first hears %q", got)
	}
	if got := f.first(t, "198.51.100.7", ""); !strings.HasPrefix(got, "220 ") {
		t.Errorf("who waits hears %q", got)
	}
	out := r.command(t, "explain", "--client", "198.51.100.9", "--from", "alice@sender.test", "--to", "postmaster@relay.test").out
	if !strings.Contains(out, "2 of 2 by bl.test*2") || !strings.Contains(out, "521 5.7.1") {
		t.Errorf("explain does not say why:\n%s", out)
	}
}

// first is what a client hears first, having said something at once.
func (f *forwarder) first(t *testing.T, client, said string) string {
	t.Helper()
	conn, err := net.Dial("tcp", f.address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(maillab.Patience))
	fmt.Fprintf(conn, "PROXY TCP4 %s 192.0.2.25 40000 25\r\n%s", client, said)
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return line
}
