// SPDX-License-Identifier: MIT

package smtpd

import (
	"context"
	"crypto/tls"
	"io"
	"strings"
	"testing"

	"posthouse/certs"
	"posthouse/config"
	"posthouse/internal/listen"
)

func TestStartTLS(t *testing.T) {
	t.Parallel()
	r := &recorder{}
	w := start(t, r, nil)
	p := w.hello()
	p.do("STARTTLS x\r\n", "501 5.5.4")
	p.do("STARTTLS\r\n", "220 2.0.0")
	p.tls(w.ca)
	// RFC 3207 4.2: nothing said in the clear counts, the EHLO neither.
	for _, line := range []string{"MAIL FROM:<a@client.test>", "RCPT TO:<b@ours.test>", "DATA", "AUTH PLAIN x"} {
		p.do(line+"\r\n", "503 5.5.1")
	}
	p.do("EHLO again.test\r\n", "250 ")
	p.do("STARTTLS\r\n", "503 5.5.1")
	p.data()
	p.do("Subject: x\r\n\r\n.\r\n", "250 ")
	c := r.got()[0].env.Client
	if c.HELO != "again.test" || c.Protocol != "ESMTPS" || !strings.HasPrefix(c.TLS, "TLSv1.3 TLS_") {
		t.Errorf("client %+v", c)
	}
}

// TestShutdownInTLS: the 421 goes through TLS too.
func TestShutdownInTLS(t *testing.T) {
	t.Parallel()
	w := start(t, &recorder{}, nil)
	p := w.hello()
	p.do("STARTTLS\r\n", "220 ")
	p.tls(w.ca)
	p.do("EHLO client.test\r\n", "250 ")
	done := make(chan error, 1)
	go func() { done <- w.server.Shutdown(context.Background()) }()
	p.want("421 4.3.2")
	p.end()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestStartTLSNotNow(t *testing.T) {
	t.Parallel()
	p := start(t, &recorder{}, nil).hello()
	p.do("MAIL FROM:<a@client.test>\r\n", "250 ")
	p.do("STARTTLS\r\n", "503 5.5.1")
	p = start(t, &recorder{}, func(o *Options, _ *listen.Config) { o.TLS = nil }).hello()
	p.do("STARTTLS\r\n", "502 5.5.1")
}

func TestImplicitTLS(t *testing.T) {
	t.Parallel()
	w := start(t, &recorder{}, func(_ *Options, c *listen.Config) { c.TLS = "implicit" })
	p := w.silent()
	p.tls(w.ca)
	p.want("220 ")
	p.do("EHLO client.test\r\n", "250 ")
	p.do("STARTTLS\r\n", "503 5.5.1")
	p.data()
	p.do("\r\n.\r\n", "250 ")

	p = w.silent()
	p.send("EHLO client.test\r\n")                                              // in the clear
	if answer, _ := io.ReadAll(p.conn); strings.Contains(string(answer), "2") { // an alert at most
		t.Errorf("answered in the clear: %q", answer)
	}
}

func TestRequiredTLS(t *testing.T) {
	t.Parallel()
	r := &recorder{onAuth: func(user, _ string) (string, error) { return user, nil }}
	w := start(t, r, func(o *Options, c *listen.Config) { c.TLS, o.Profile = "required", certs.Submission })
	p := w.dial()
	if s := p.do("EHLO client.test\r\n", "250 "); strings.Contains(s, "AUTH") {
		t.Errorf("AUTH is offered in the clear: %q", s)
	}
	for _, line := range []string{"MAIL FROM:<a@client.test>", "AUTH PLAIN AHUAcA==", "VRFY x", "DATA"} {
		p.do(line+"\r\n", "530 5.7.0")
	}
	p.do("STARTTLS\r\n", "220 ")
	p.tls(w.ca)
	if s := p.do("EHLO client.test\r\n", "250 "); !strings.Contains(s, "250-AUTH PLAIN LOGIN\r\n") {
		t.Errorf("AUTH is not offered: %q", s)
	}
}

// TestTicketsOnPort25: golang/go#70232. Outlook's servers end a session in which Go's sends tickets.
func TestTicketsOnPort25(t *testing.T) {
	t.Parallel()
	for profile, tickets := range map[certs.Profile]bool{certs.Port25: false, certs.Submission: true} {
		w := start(t, &recorder{}, func(o *Options, c *listen.Config) { c.TLS, o.Profile = "implicit", profile })
		cache := &ticketCounter{}
		p := w.silent()
		p.conn = tls.Client(p.conn, &tls.Config{ServerName: "mx.test", RootCAs: w.ca.Pool(), ClientSessionCache: cache})
		p = newPeer(t, p.conn)
		p.want("220 ")
		if got := cache.put > 0; got != tickets {
			t.Errorf("profile %d: tickets %v", profile, got)
		}
	}
}

type ticketCounter struct{ put int }

func (*ticketCounter) Get(string) (*tls.ClientSessionState, bool) { return nil, false }
func (c *ticketCounter) Put(string, *tls.ClientSessionState)      { c.put++ }

// TestListenerTLS: a listener's own certificates come before the service's, whose CA this client does not know.
func TestListenerTLS(t *testing.T) {
	t.Parallel()
	store, ca := testCertificates(t)
	w := start(t, &recorder{}, func(o *Options, c *listen.Config) {
		c.TLS, c.Certs = "implicit", certs.Config{Certificate: "own.pem", Key: "own.key"}
		o.ListenerTLS = map[config.Address]*certs.Store{c.Address: store}
	})
	p := w.silent()
	p.tls(ca)
	p.want("220 ")
	c := tls.Client(w.silent().conn, &tls.Config{ServerName: "mx.test", RootCAs: w.ca.Pool()})
	if err := c.Handshake(); err == nil {
		t.Error("shows the service's certificate")
	}
}

// TestFirstExpiry: the metric is about whichever certificate expires first, a listener's too.
func TestFirstExpiry(t *testing.T) {
	t.Parallel()
	early, _ := testCertificates(t)
	late, _ := testCertificates(t)
	if early.NotAfter().After(late.NotAfter()) {
		early, late = late, early
	}
	address := config.Address{Network: "tcp", Port: 465}
	for name, o := range map[string]Options{
		"service":      {TLS: early, ListenerTLS: map[config.Address]*certs.Store{address: late}},
		"listener":     {TLS: late, ListenerTLS: map[config.Address]*certs.Store{address: early}},
		"service only": {TLS: early},
	} {
		if got := o.notAfter(); !got.Equal(early.NotAfter()) {
			t.Errorf("%s: %s", name, got)
		}
	}
	if none := (&Options{}); !none.notAfter().IsZero() {
		t.Error("expires without a certificate")
	}
}

func TestNoCertificate(t *testing.T) {
	t.Parallel()
	s, err := New(Options{Service: &recorder{}, Spool: memorySpool{}, Config: testConfig()})
	if err != nil {
		t.Fatal(err)
	}
	c := listen.Config{TLS: "implicit"}
	if err := c.UnmarshalScalar("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	l, err := listen.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Serve(l, c); err == nil || !strings.Contains(err.Error(), "no certificate") {
		t.Errorf("Serve: %v", err)
	}
	// Not even the service's, where others are configured.
	o := s.options.Load()
	c.Certs = certs.Config{Certificate: "own.pem", Key: "own.key"}
	with := *o
	with.TLS, _ = testCertificates(t)
	if _, err := with.guardOptions(c); err == nil || !strings.Contains(err.Error(), "have not been opened") {
		t.Errorf("a listener's own, not opened: %v", err)
	}
}
