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

// relayProbe is one way to ask for mail to be relayed, with the answer that it gets.
type relayProbe struct {
	where, from, to string
	want            string // code and enhanced code at RCPT
}

// relayProbes are the ways that Postfix is asked too (package ipng): a list with both answers.
func relayProbes(t *testing.T) []relayProbe {
	t.Helper()
	const file = "ipng/testdata/probes/relay.txt"
	var probes []relayProbe
	n := 0
	for line := range strings.Lines(readFile(t, ".", file)) {
		n++
		probe, want, ok := strings.Cut(strings.TrimSpace(line), " = RCPT ")
		if !ok {
			continue
		}
		from, to, ok := strings.Cut(probe[strings.IndexByte(probe, '<'):], "> <")
		if !ok {
			t.Fatalf("%s:%d: no probe", file, n)
		}
		probes = append(probes, relayProbe{fmt.Sprintf("%s:%d", file, n), from + ">", "<" + to, want})
	}
	return probes
}

// No form of an address gets a stranger's mail relayed: what is not ours is refused for good at RCPT, and what is taken goes home.
func TestRelayProbes(t *testing.T) {
	t.Parallel()
	probes := relayProbes(t)
	if len(probes) < 30 {
		t.Fatalf("only %d probes", len(probes))
	}
	sink := maillab.NewSink(t, maillab.SinkOptions{})
	r := newRelay(t, room(t), sink.Addr(), "")
	dir := ipng(t)
	text := strings.NewReplacer(`mynetworks: ["127.0.0.0/8"]`, `mynetworks: []`,
		"virtual_alias_domains: [relay.test]", "virtual_alias_domains: "+dir+"/virtual-domains",
		"virtual_alias_maps: virtual", "virtual_alias_maps: "+dir+"/virtual\n  recipient_delimiter: \"+\"",
		"cluster: relay.test", "cluster: ipng.ch", "hostname: mx.relay.test", "hostname: smtp-in.ipng.ch").Replace(readFile(t, r.dir, "posthouse.yaml"))
	text += fmt.Sprintf("  srs: {domain: ipng.ch, secret_file: %s/srs.secret}\n", dir)
	writeFile(t, r.dir, "posthouse.yaml", text, 0o644)
	r.start(t)
	taken := 0
	for _, p := range probes {
		if got := p.send(t, r.address); !strings.HasPrefix(got, p.want) {
			t.Errorf("%s: %s to %s: %s, want %s", p.where, p.from, p.to, got, p.want)
		} else if got[0] == '2' {
			taken++
		}
	}
	for _, m := range sink.Wait(t, taken) {
		for _, to := range m.To {
			if !contains(to, "@maildrop.net.ipng.ch>") {
				t.Errorf("relayed: %s", to)
			}
		}
	}
}

// send asks for one recipient, and sends a message if it is taken. It returns the reply to RCPT.
func (p relayProbe) send(t *testing.T, address string) string {
	t.Helper()
	c, err := net.DialTimeout("tcp", address, maillab.Patience)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(maillab.Patience))
	in := bufio.NewScanner(c)
	answer := ""
	for _, line := range []string{"", "HELO pc", "MAIL FROM:" + p.from, "RCPT TO:" + p.to} {
		if line != "" {
			fmt.Fprintf(c, "%s\r\n", line)
		}
		if !in.Scan() {
			t.Fatalf("%s: no answer to %q: %v", p.where, line, in.Err())
		}
		answer = in.Text()
	}
	for _, line := range []string{"DATA", "Subject: probe\r\n\r\nprobe\r\n.", "QUIT"} {
		fmt.Fprintf(c, "%s\r\n", line)
		if !in.Scan() || in.Text()[0] > '3' {
			break // refused, as the recipient was
		}
	}
	return answer
}
