// SPDX-License-Identifier: MIT

//go:build interop

package ipng

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"posthouse/internal/maillab"
)

// cluster is a node of the example, with those beside it and those outside.
type cluster struct {
	*mx
	rspamd                    *maillab.Process
	maildrop, eritap, example *maillab.Sink
}

// chrma0 is the node's address, and what the zone says of smtp-in.ipng.ch.
const chrma0 = "10.0.1.1:25"

// startCluster starts smtp-in.chrma0 with the example's file as it stands, save where it listens and keeps its state.
func startCluster(t *testing.T) *cluster {
	t.Helper()
	c := &cluster{rspamd: startRspamd(t), maildrop: sinkAt(t, "10.0.3.1:25"), eritap: sinkAt(t, "10.0.9.1:25"), example: sinkAt(t, "10.0.9.2:25")}
	dir := example(t)
	placed(t, dir, `- {address: ":25"}`, `- {address: "`+chrma0+`"}
    - {address: "`+six(chrma0)+`"}
    - {address: "10.0.1.1:10025", proxy_protocol: required, proxy_networks: ["10.0.0.0/8"]}`)
	c.mx = startMX(t, dir, "smtp-in.chrma0.net.ipng.ch", chrma0)
	return c
}

// placed puts the file's listeners of smtp_in and its folder where a test may have them.
func placed(t *testing.T, dir, from, to string) {
	t.Helper()
	file := filepath.Join(dir, "posthouse.yaml")
	text := read(t, file)
	for _, r := range [][2]string{{from, to}, {`":465"`, `"10.0.1.1:465"`}, {"/var/lib/posthouse", "state"}} {
		if !strings.Contains(text, r[0]) {
			t.Fatalf("%s does not stand in the example", r[0])
		}
		text = strings.Replace(text, r[0], r[1], 1)
	}
	write(t, file, text)
}

func sinkAt(t *testing.T, address string) *maillab.Sink {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	return maillab.NewSink(t, maillab.SinkOptions{Listener: l})
}

// TestExampleCluster is the example as its owner would run it.
func TestExampleCluster(t *testing.T) {
	lab(t)
	c := startCluster(t)
	for _, step := range []struct {
		name string
		test func(*testing.T, *cluster)
	}{
		{"probes", testProbes},
		{"clean mail", testClean},
		{"listed", testListed},
		{"by PROXY", testByProxy},
		{"alias", testAlias},
		{"bounce", testBounce},
		{"discarded", testDiscarded},
		{"GTUBE", testGTUBE},
		{"marked", testMarked},
		{"greylist", testGreylist},
		{"no Rspamd", testNoRspamd}, // the last one: it ends it
	} {
		t.Run(step.name, func(t *testing.T) { step.test(t, c) })
	}
}

// testProbes are those that Postfix has to answer too.
func testProbes(t *testing.T, c *cluster) {
	for _, s := range readSets(t, "testdata/probes/ipng.txt") {
		ask(t, "the cluster's", s, c.address, func(p *probe) string { return p.want })
	}
}

// mail is a clean message.
func mail(id, more string) string {
	return "From: Alice <alice@eritap.com>\r\nTo: Pim <pim@ipng.ch>\r\nSubject: hello\r\nDate: " + time.Now().Format(time.RFC1123Z) +
		"\r\nMessage-ID: <" + id + "@eritap.com>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=us-ascii\r\n" + more +
		"\r\nHello Pim,\r\n\r\nlet us have lunch tomorrow at noon, as last week.\r\n\r\nAlice\r\n"
}

// send sends a message and wants an outcome.
func (c *cluster) send(t *testing.T, p probe, message, want string) string {
	t.Helper()
	p.message, p.flags = message, append(p.flags, "+data")
	if p.helo == "" {
		p.helo = "mx.eritap.com"
	}
	got, text, err := p.play(c.address)
	if err != nil || got != want {
		t.Errorf("%s: %s (%s), %v; want %s", &p, got, text, err, want)
	}
	return string(text)
}

const taken = "END 250 2.0.0"

// arrived waits for a message at a sink.
func arrived(t *testing.T, s *maillab.Sink, id string) maillab.Message {
	t.Helper()
	var found maillab.Message
	maillab.Wait(t, maillab.Patience, "message "+id, func() bool {
		for _, m := range s.Messages() {
			if m.Taken && strings.HasPrefix(maillab.MessageID(m.Data), "<"+id+"@") {
				found = m
				return true
			}
		}
		return false
	})
	return found
}

// argument is the address of a MAIL or RCPT argument.
func argument(s string) string {
	_, s, _ = strings.Cut(s, "<")
	s, _, _ = strings.Cut(s, ">")
	return s
}

func testClean(t *testing.T, c *cluster) {
	c.send(t, probe{client: "192.0.2.1", from: "<alice@eritap.com>", to: []string{"<pim@ipng.ch>"}}, mail("clean", ""), taken)
	m := arrived(t, c.maildrop, "clean")
	if argument(m.From) != "alice@eritap.com" || argument(m.To[0]) != "pim+ipng@maildrop.net.ipng.ch" {
		t.Errorf("delivered %s to %s", m.From, m.To)
	}
	for _, want := range []string{"Received: from mx.eritap.com (mx.eritap.com [192.0.2.1])", "\r\nX-Spam", "\r\nlet us have lunch"} {
		if !strings.Contains("\r\n"+m.Data, want) {
			t.Errorf("no %q in\n%s", want, m.Data)
		}
	}
	if strings.Contains(m.Data, "HFILTER_HOSTNAME_UNKNOWN") {
		t.Errorf("Rspamd was not told the client's name:\n%s", m.Data)
	}
}

func testListed(t *testing.T, c *cluster) {
	listed := probe{client: "198.51.100.1", from: "<alice@eritap.com>", to: []string{"<pim@ipng.ch>"}}
	if text := c.send(t, listed, mail("listed", ""), "RCPT 554 5.7.1"); !strings.Contains(text, "listed by the example") || !strings.Contains(text, "zen.spamhaus.org") {
		t.Errorf("the reply names neither list nor reason: %s", text)
	}
	warned := probe{client: "198.51.100.2", from: "<alice@eritap.com>", to: []string{"<pim@ipng.ch>"}}
	c.send(t, warned, mail("warned", ""), taken)
	arrived(t, c.maildrop, "warned")
	if !maillab.Logged(c.Log(), "would be refused", "198.51.100.2", "zen.spamhaus.org=127.255.255.") {
		t.Error("the warning is not logged")
	}
}

// testByProxy has a balancer announce the clients.
func testByProxy(t *testing.T, c *cluster) {
	for client, want := range map[string]string{"198.51.100.1": "554 5.7.1", "192.0.2.1": "250 2.1.5", "127.0.0.1": "250 2.1.5"} {
		conn, err := net.Dial("tcp", "10.0.1.1:10025")
		if err != nil {
			t.Fatal(err)
		}
		k := &talk{}
		k.on(conn)
		fmt.Fprintf(conn, "PROXY TCP4 %s 10.0.1.1 4000 25\r\n", client)
		if a, err := k.read(); err != nil || !a.ok() {
			t.Fatal(a, err)
		}
		var a answer
		for _, line := range []string{"EHLO mx.eritap.com", "MAIL FROM:<a@eritap.com>", "RCPT TO:<pim@ipng.ch>"} {
			if a, err = k.say(line); err != nil {
				t.Fatal(err)
			}
		}
		if a.code() != want {
			t.Errorf("%s: %s, want %s", client, a.text, want)
		}
		k.close()
	}
}

// testAlias has one recipient inside and one outside, who gets a sender that is ours.
func testAlias(t *testing.T, c *cluster) {
	c.send(t, probe{client: "192.0.2.2", helo: "mx.example.com", from: "<bob@example.com>", to: []string{"<noc@frys-ix.net>"}}, mail("alias", ""), taken)
	in, out := arrived(t, c.maildrop, "alias"), arrived(t, c.eritap, "alias")
	if argument(in.From) != "bob@example.com" || argument(in.To[0]) != "pim+frysix@maildrop.net.ipng.ch" {
		t.Errorf("inside: %s to %s", in.From, in.To)
	}
	if s := argument(out.From); !strings.HasPrefix(s, "SRS0=") || !strings.HasSuffix(s, "=example.com=bob@ipng.ch") || argument(out.To[0]) != "noc@eritap.com" {
		t.Errorf("outside: %s to %s", out.From, out.To)
	}
}

// testBounce follows the bounce of what was forwarded to its sender.
func testBounce(t *testing.T, c *cluster) {
	forwarded := arrived(t, c.eritap, "alias")
	home := argument(forwarded.From)
	c.send(t, probe{client: "192.0.2.1", from: "<>", to: []string{"<" + home + ">"}}, mail("bounce", ""), taken)
	if m := arrived(t, c.example, "bounce"); argument(m.From) != "" || argument(m.To[0]) != "bob@example.com" {
		t.Errorf("the bounce went %s to %s", m.From, m.To)
	}
	c.send(t, probe{client: "192.0.2.1", from: "<>", to: []string{"<" + strings.Replace(home, "=bob@", "=eve@", 1) + ">"}}, mail("forged", ""), "RCPT 550 5.1.1")
}

func testDiscarded(t *testing.T, c *cluster) {
	c.send(t, probe{client: "192.0.2.1", from: "<alice@eritap.com>", to: []string{"<noreply@ipng.ch>"}}, mail("discarded", ""), taken)
	if !maillab.Logged(c.Log(), "discarded", "noreply@ipng.ch") {
		t.Error("not logged")
	}
}

const gtube = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"

func testGTUBE(t *testing.T, c *cluster) {
	p := probe{client: "192.0.2.1", from: "<alice@eritap.com>", to: []string{"<pim@ipng.ch>"}}
	if text := c.send(t, p, mail("gtube", "")+gtube+"\r\n", "END 554 5.7.1"); !strings.Contains(text, "Gtube") {
		t.Errorf("not Rspamd's words: %s", text)
	}
}

// testMarked sends what Rspamd takes for spam, but not for so much of it that it refuses.
func testMarked(t *testing.T, c *cluster) {
	p := probe{client: "192.0.2.1", from: "<alice@eritap.com>", to: []string{"<pim@ipng.ch>"}}
	c.send(t, p, mail("marked", "")+"Y"+gtube[1:]+"\r\n", taken)
	if m := arrived(t, c.maildrop, "marked"); !strings.Contains(m.Data, "\r\nX-Spam: Yes\r\n") {
		t.Errorf("not marked:\n%s", m.Data)
	}
}

// testGreylist sends what Rspamd looks at twice, from a sender that it has not seen yet.
func testGreylist(t *testing.T, c *cluster) {
	p := probe{client: "192.0.2.1", from: "<carol@eritap.com>", to: []string{"<hostmaster@ipng.ch>"}}
	message := mail("grey", "X-Lab: grey\r\n")
	c.send(t, p, message, "END 451 4.7.1")
	maillab.Wait(t, maillab.Patience, "end of the greylisting", func() bool {
		time.Sleep(time.Second) // as an impatient client would
		p.message, p.flags, p.helo = message, []string{"+data"}, "mx.eritap.com"
		got, _, err := p.play(c.address)
		return err == nil && got == taken
	})
	arrived(t, c.maildrop, "grey")
}

// testNoRspamd ends Rspamd: its default_action is accept, so mail goes on, and at once.
func testNoRspamd(t *testing.T, c *cluster) {
	c.rspamd.Kill()
	before := time.Now()
	c.send(t, probe{client: "192.0.2.1", from: "<alice@eritap.com>", to: []string{"<pim@ipng.ch>"}}, mail("unfiltered", ""), taken)
	if took := time.Since(before); took > moment {
		t.Errorf("took %v", took)
	}
	arrived(t, c.maildrop, "unfiltered")
	if !maillab.Logged(c.Log(), "rspamd.net.ipng.ch") {
		t.Error("not logged")
	}
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
