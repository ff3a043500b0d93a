// SPDX-License-Identifier: MIT

package test

import (
	"fmt"
	"net"
	"net/smtp"
	"strings"
	"sync"
	"testing"

	"posthouse/internal/maillab"
)

// senderPolicies are the SPF records of those whose mail is about. The client of sender.test is outside; what the receiver
// sees comes from the forwarder, which is this machine.
var senderPolicies = map[string]string{
	"sender.test": "v=spf1 ip4:198.51.100.7 -all",
	"first.test":  "v=spf1 ip4:198.51.100.9 -all",
	"relay.test":  "v=spf1 ip4:127.0.0.1 -all",
}

// spfCheck says what a receiver thinks of a client: a word of RFC 7208.
type spfCheck func(client, helo, from string) string

// TestForwardedMailPassesSPF with a receiver that reads these three records alone; the interop test has a real one.
func TestForwardedMailPassesSPF(t *testing.T) {
	t.Parallel()
	forwardHome(t, func(client, _, from string) string {
		_, domain, _ := strings.Cut(from, "@")
		if policy, ok := senderPolicies[domain]; ok && !strings.Contains(policy, " ip4:"+client+" ") {
			return "fail"
		}
		return "pass"
	})
}

// forwardHome follows a mail to an alias that leads outside, and the bounce that comes home. The receiver outside takes
// nothing that fails SPF.
func forwardHome(t *testing.T, check spfCheck) {
	far, home := newReceiver(t, check), maillab.NewSink(t, maillab.SinkOptions{})
	f := newForwarder(t, far.Sink, home, "  srs: {domain: relay.test, secret_file: secret}\n")
	f.send(t, "198.51.100.7", "alice@sender.test", "user@relay.test")
	forwarded := far.Wait(t, 1)[0]
	sender := argument(forwarded.From)
	if !strings.HasPrefix(sender, "SRS0=") || !strings.HasSuffix(sender, "=sender.test=alice@relay.test") || argument(forwarded.To[0]) != "someone@far.test" {
		t.Errorf("forwarded from %s to %s", forwarded.From, forwarded.To)
	}
	if !strings.Contains(forwarded.Data, "\r\nFrom: alice@sender.test\r\n") {
		t.Errorf("the header was touched:\n%s", forwarded.Data)
	}
	f.bounce(t, home, sender, "alice@sender.test")
	f.bounce(t, home, strings.ToUpper(sender), "ALICE@sender.test") // a host that folds local parts

	f.send(t, "198.51.100.9", "SRS0=Ab+/=XY=sender.test=alice@first.test", "user@relay.test")
	second := argument(far.Wait(t, 2)[1].From)
	if !strings.HasPrefix(second, "SRS1=") {
		t.Errorf("a forwarder was before us: %s", second)
	}
	f.bounce(t, home, second, "SRS0=Ab+/=XY=sender.test=alice@first.test")

	for _, forged := range []string{strings.Replace(sender, "alice", "mallory", 1), "SRS0=x@relay.test"} {
		if err := f.try(t, "203.0.113.9", "", forged); err == nil || !strings.HasPrefix(err.Error(), "550 ") || !contains(err.Error(), "5.1.1 ") {
			t.Errorf("a bounce to %s, which nobody signed: %v", forged, err)
		}
	}
	if refused := far.refused(); len(refused) > 0 {
		t.Errorf("refused for SPF: %q", refused)
	}
	unforwardable(t, check)
}

// unforwardable: without SRS the receiver refuses, so it does check.
func unforwardable(t *testing.T, check spfCheck) {
	far, home := newReceiver(t, check), maillab.NewSink(t, maillab.SinkOptions{})
	f := newForwarder(t, far.Sink, home, "")
	f.send(t, "198.51.100.7", "alice@sender.test", "user@relay.test")
	report := home.Wait(t, 1)[0]
	if argument(report.From) != "" || argument(report.To[0]) != "alice@sender.test" || !strings.Contains(report.Data, "550 5.7.23") {
		t.Errorf("the report of a refusal: from %s to %s\n%s", report.From, report.To, report.Data)
	}
	if len(far.refused()) == 0 {
		t.Error("the receiver took what fails SPF")
	}
}

// forwarder is an smtp-in whose clients a proxy announces: none of them is trusted.
type forwarder struct{ *relay }

// newForwarder starts it, with an alias to the receiver.
func newForwarder(t *testing.T, far, home *maillab.Sink, srs string) *forwarder {
	t.Helper()
	dir := room(t)
	r := newRelay(t, dir, far.Addr(), srs)
	file := readFile(t, dir, "posthouse.yaml")
	file = strings.Replace(file, `["`+r.address+`"]`, `[{address: "`+r.address+`", proxy_protocol: required, proxy_networks: [127.0.0.0/8]}]`, 1)
	file = strings.Replace(file, `["127.0.0.0/8"]`, `["192.0.2.0/24"]`, 1)
	writeFile(t, dir, "posthouse.yaml", file, 0o644)
	writeFile(t, dir, "secret", "s\n", 0o600)
	writeFile(t, dir, "virtual", "postmaster@relay.test operator@far.test\nuser@relay.test someone@far.test\n", 0o644)
	writeFile(t, dir, "transport", fmt.Sprintf("far.test smtp:%s\nsender.test smtp:%s\nfirst.test smtp:%[2]s\n",
		bracketed(far.Addr()), bracketed(home.Addr())), 0o644)
	r.start(t)
	return &forwarder{r}
}

// send has a client outside bring a mail, which must be taken.
func (f *forwarder) send(t *testing.T, client, from, to string) {
	t.Helper()
	if err := f.try(t, client, from, to); err != nil {
		t.Fatalf("from %s to %s: %v", from, to, err)
	}
}

// bounce brings a bounce to a rewritten sender, and expects it at the home of the first one.
func (f *forwarder) bounce(t *testing.T, home *maillab.Sink, to, want string) {
	t.Helper()
	before := len(home.Messages())
	f.send(t, "203.0.113.9", "", to)
	got := home.Wait(t, before+1)[before]
	if argument(got.From) != "" || len(got.To) != 1 || argument(got.To[0]) != want {
		t.Errorf("the bounce to %s went from %s to %s; want %s", to, got.From, got.To, want)
	}
}

func (f *forwarder) try(t *testing.T, client, from, to string) error {
	t.Helper()
	conn, err := net.Dial("tcp", f.address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "PROXY TCP4 %s 192.0.2.25 40000 25\r\n", client)
	c, err := smtp.NewClient(conn, "mx.relay.test")
	if err != nil {
		return err
	}
	if err := c.Hello("mail.client.test"); err != nil {
		return err
	}
	if err := c.Mail(from); err != nil {
		return err
	}
	if err := c.Rcpt(to); err != nil {
		return err
	}
	w, err := c.Data()
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "From: %s\r\nTo: %s\r\nSubject: forwarded\r\n\r\nbody\r\n", from, to)
	if err := w.Close(); err != nil {
		return err
	}
	return c.Quit()
}

// receiver is a sink that refuses what fails SPF at MAIL, as strict ones do.
type receiver struct {
	*maillab.Sink
	mu    sync.Mutex
	helo  map[int]string // by connection
	wrong []string
}

func newReceiver(t *testing.T, check spfCheck) *receiver {
	t.Helper()
	r := &receiver{helo: map[int]string{}}
	r.Sink = maillab.NewSink(t, maillab.SinkOptions{Script: func(e maillab.Event) maillab.Action {
		r.mu.Lock()
		defer r.mu.Unlock()
		switch e.Verb {
		case "EHLO", "HELO":
			r.helo[e.Connection] = e.Argument
		case "MAIL":
			from := argument(e.Argument)
			if result := check("127.0.0.1", r.helo[e.Connection], from); result != "pass" {
				r.wrong = append(r.wrong, from+": "+result)
				return maillab.Action{Reply: "550 5.7.23 SPF " + result}
			}
		}
		return maillab.Action{}
	}})
	return r
}

// refused are the senders that it refused, with the results.
func (r *receiver) refused() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.wrong
}

// argument is what stands in the angle brackets of MAIL or RCPT.
func argument(s string) string {
	_, rest, _ := strings.Cut(s, "<")
	inner, _, _ := strings.Cut(rest, ">")
	return inner
}
