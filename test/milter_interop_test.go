// SPDX-License-Identifier: MIT

//go:build interop

package test

import (
	"errors"
	"fmt"
	"net"
	"net/smtp"
	"net/textproto"
	"strings"
	"testing"
	"time"

	"posthouse/internal/maillab"
)

// gtube is refused by every filter for spam.
const gtube = maillab.GTUBE

// newFiltered starts an smtp-in with such milters, whose clients a proxy announces.
func newFiltered(t *testing.T, sink *maillab.Sink, milters string) *forwarder {
	t.Helper()
	r := newRelay(t, room(t), sink.Addr(), "  milters: "+milters+"\n")
	file := readFile(t, r.dir, "posthouse.yaml")
	file = strings.Replace(file, `["`+r.address+`"]`, `[{address: "`+r.address+`", proxy_protocol: required, proxy_networks: [127.0.0.0/8]}]`, 1)
	writeFile(t, r.dir, "posthouse.yaml", strings.Replace(file, `["127.0.0.0/8"]`, `["192.0.2.0/24"]`, 1), 0o644)
	writeFile(t, r.dir, "zone", readFile(t, r.dir, "zone")+ // whom Rspamd does not mistrust for want of a name
		"mail.client.test. IN A 203.0.113.9\n9.113.0.203.in-addr.arpa. IN PTR mail.client.test.\n", 0o644)
	r.start(t)
	return &forwarder{r}
}

// bring has a stranger bring a message, and returns the last reply: an error unless it was taken.
func (f *forwarder) bring(t *testing.T, message string) error {
	t.Helper()
	conn, err := net.Dial("tcp", f.address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(60 * time.Second))
	fmt.Fprint(conn, "PROXY TCP4 203.0.113.9 192.0.2.25 40000 25\r\n")
	c, err := smtp.NewClient(conn, "mx.relay.test")
	if err != nil {
		return err
	}
	if err := c.Hello("mail.client.test"); err != nil {
		return err
	}
	if err := (client{c}).send("someone@sender.test", []string{"postmaster@relay.test"}, message); err != nil {
		return err
	}
	return c.Quit()
}

// refusedWith reports a reply that begins so.
func refusedWith(err error, code int, text string) bool {
	var e *textproto.Error
	return errors.As(err, &e) && e.Code == code && strings.HasPrefix(e.Msg, text)
}

// strangersLetter has what Rspamd misses otherwise.
func strangersLetter(id, extra, body string) string {
	return strings.Replace(letter(id+"@sender.test", "someone@sender.test", "postmaster@relay.test", body), "Subject:",
		extra+"MIME-Version: 1.0\r\nContent-Type: text/plain\r\nSubject:", 1)
}

// smtp-in with two Rspamds says what they say, tags what they tag, and goes on when one of them dies.
func TestSMTPInAsksRspamd(t *testing.T) {
	t.Parallel()
	redis, sink := maillab.Redis(t), maillab.NewSink(t, maillab.SinkOptions{})
	first, one := maillab.Rspamd(t, redis)
	_, two := maillab.Rspamd(t, redis)
	f := newFiltered(t, sink, fmt.Sprintf("[{upstream: [%q, {address: %q, backup: true}]}]", one, two))
	for range 2 {
		if err := f.bring(t, strangersLetter("spam", "", gtube)); !refusedWith(err, 554, "5.7.1 Gtube pattern") {
			t.Errorf("GTUBE: %v", err)
		}
		if err := f.bring(t, strangersLetter("ham", "", "Good morning.")); err != nil {
			t.Errorf("clean: %v", err)
		}
		first.Kill() // for the second round
	}
	if err := f.bring(t, strangersLetter("tagged", "X-Spam: No\r\n", "Y"+gtube[1:])); err != nil {
		t.Errorf("tagged: %v", err)
	}
	if t.Failed() {
		return
	}
	got := sink.Wait(t, 3)
	for i, want := range []string{"X-Spamd-Result: ", "X-Spamd-Result: ", "X-Spam: Yes\r\n"} {
		if !strings.Contains(got[i].Data, want) || strings.Contains(got[i].Data, "X-Spam: No") {
			t.Errorf("message %d has no %q:\n%s", i, want, got[i].Data)
		}
	}
	grey := strangersLetter("grey", "X-Lab: grey\r\n", "Good morning.")
	if err := f.bring(t, grey); !refusedWith(err, 451, "4.7.1 ") {
		t.Errorf("greylisted: %v", err)
	}
	maillab.Wait(t, maillab.Patience, "the end of greylisting", func() bool { return f.bring(t, grey) == nil })
}

// Without a filter to ask, default_action answers.
func TestSMTPInWithoutItsFilter(t *testing.T) {
	t.Parallel()
	for action, want := range map[string]string{
		"tempfail": `451 "4.7.1 Service unavailable - try again later"`, "reject": `550 "5.5.0 Service unavailable"`, "accept": "<nil>",
	} {
		sink := maillab.NewSink(t, maillab.SinkOptions{})
		f := newFiltered(t, sink, fmt.Sprintf("[{address: %q, default_action: %s}]", maillab.Local(maillab.FreePort(t)), action))
		if err := f.bring(t, strangersLetter("one", "", "Good morning.")); fmt.Sprint(err) != want {
			t.Errorf("%s: %v", action, err)
		}
	}
}
