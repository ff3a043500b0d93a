// SPDX-License-Identifier: MIT

package smtpclient

import (
	"bufio"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
	"testing"

	"posthouse/certs"
	"posthouse/internal/maillab"
	"posthouse/reply"
)

// tlsPair is a server's TLS and a client's that trusts it.
func tlsPair(t *testing.T) (server, client *tls.Config) {
	t.Helper()
	ca, err := certs.MakeCA("test")
	if err != nil {
		t.Fatal(err)
	}
	certPEM, keyPEM, err := ca.Issue("mx.test")
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{pair}}, &tls.Config{RootCAs: ca.Pool(), ServerName: "mx.test"}
}

func connect(t *testing.T, s *maillab.Sink, o Options) (*Conn, error) {
	t.Helper()
	conn, err := net.Dial("tcp", s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	if o.Hello == "" {
		o.Hello = "client.test"
	}
	c, err := New(t.Context(), conn, o)
	if err == nil {
		t.Cleanup(c.Close)
	}
	return c, err
}

// C1: our own name in both EHLOs, and the second one is what counts.
func TestStartTLS(t *testing.T) {
	t.Parallel()
	server, client := tlsPair(t)
	for _, mode := range []Mode{Opportunistic, Required} {
		var hellos []string
		s := maillab.NewSink(t, maillab.SinkOptions{TLS: server, Script: func(e maillab.Event) maillab.Action {
			if e.Verb == "EHLO" {
				hellos = append(hellos, e.Argument)
			}
			return maillab.Action{}
		}})
		c, err := connect(t, s, Options{Mode: mode, TLS: client})
		if err != nil {
			t.Fatal(err)
		}
		env, msg := letter(t, small, "to@b.test")
		results, err := c.Send(t.Context(), env, []int{0}, env.From, msg)
		if err != nil || !strings.HasPrefix(results[0].TLS, "TLSv1.3 TLS_") || !s.Messages()[0].TLS {
			t.Errorf("%+v, %v", results, err)
		}
		if c.Extensions().StartTLS {
			t.Error("what was said in the clear still counts")
		}
		if len(hellos) != 2 || hellos[0] != "client.test" || hellos[1] != "client.test" {
			t.Errorf("hellos %q", hellos)
		}
	}
}

func TestModesWithoutTLS(t *testing.T) {
	t.Parallel()
	_, client := tlsPair(t)
	s := maillab.NewSink(t, maillab.SinkOptions{})
	for mode, want := range map[Mode]string{Plain: "", Opportunistic: "", Required: "4.7.5"} {
		_, err := connect(t, s, Options{Mode: mode, TLS: client})
		got := ""
		if err != nil {
			got = reply.For(err).Enhanced
		}
		if got != want {
			t.Errorf("mode %d: %v, want %q", mode, err, want)
		}
		if errors.Is(err, ErrTLS) {
			t.Errorf("mode %d: a clear conversation with that server would be just as good: %v", mode, err)
		}
	}
}

func TestTLSFails(t *testing.T) {
	t.Parallel()
	server, client := tlsPair(t)
	stranger := &tls.Config{ServerName: "other.test", RootCAs: client.RootCAs}
	for name, s := range map[string]*maillab.Sink{
		"wrong name": maillab.NewSink(t, maillab.SinkOptions{TLS: server}),
		"refused":    maillab.NewSink(t, maillab.SinkOptions{TLS: server, Script: maillab.On("STARTTLS", maillab.Action{Reply: "454 4.7.0 not now"})}),
		"dropped":    maillab.NewSink(t, maillab.SinkOptions{TLS: server, Script: maillab.On("STARTTLS", maillab.Action{Drop: true})}),
		"garbage":    maillab.NewSink(t, maillab.SinkOptions{TLS: server, Script: maillab.On("STARTTLS", maillab.Action{Reply: "220 go\n554 no"})}),
	} {
		for _, mode := range []Mode{Opportunistic, Required} {
			_, err := connect(t, s, Options{Mode: mode, TLS: stranger})
			if !errors.Is(err, ErrTLS) || !reply.For(err).Temporary() {
				t.Errorf("%s: %v, want ErrTLS and a temporary reply", name, err)
			}
		}
	}
}

// What follows the answer to STARTTLS in the clear was put there by someone else (CVE-2011-0411).
func TestPlaintextBehindStartTLS(t *testing.T) {
	t.Parallel()
	_, client := tlsPair(t)
	mine, theirs := sockets(t)
	go func() {
		in := bufio.NewReader(theirs)
		io.WriteString(theirs, "220 x\r\n")
		hear(in, "*")
		io.WriteString(theirs, "250-x\r\n250 STARTTLS\r\n")
		hear(in, "STARTTLS")
		io.WriteString(theirs, "220 go\r\n250-x\r\n250 AUTH PLAIN\r\n")
		io.Copy(io.Discard, in)
	}()
	defer theirs.Close()
	_, err := New(t.Context(), mine, Options{Hello: "client.test", Mode: Required, TLS: client})
	if !errors.Is(err, ErrTLS) || !strings.Contains(err.Error(), "in the clear") {
		t.Errorf("%v", err)
	}
}

func TestImplicitTLSAndAuth(t *testing.T) {
	t.Parallel()
	server, client := tlsPair(t)
	for _, c := range []struct {
		offered, final, shown string
		wantErr               string
	}{
		{"250 AUTH PLAIN LOGIN", "235 2.7.0 ok", "C: AUTH PLAIN ...", ""},
		{"250 AUTH=LOGIN", "235 2.7.0 ok", "C: AUTH LOGIN", ""},
		{"250 AUTH PLAIN", "535 5.7.8 no", "C: AUTH PLAIN ...", "535 5.7.8"},
		{"250 AUTH CRAM-MD5", "", "", "5.5.1"},
	} {
		mine, theirs := sockets(t)
		go func() {
			tc := tls.Server(theirs, server)
			in := bufio.NewReader(tc)
			io.WriteString(tc, "220 x\r\n")
			hear(in, "*")
			io.WriteString(tc, "250-x\r\n"+c.offered+"\r\n")
			if hear(in, "*"); strings.Contains(c.offered, "LOGIN") && !strings.Contains(c.offered, "PLAIN") {
				io.WriteString(tc, "334 VXNlcm5hbWU6\r\n")
				hear(in, "dXNlcg==")
				io.WriteString(tc, "334 UGFzc3dvcmQ6\r\n")
				hear(in, "c2VjcmV0")
			}
			io.WriteString(tc, c.final+"\r\n")
			io.Copy(io.Discard, in)
		}()
		var shown []string
		conn, err := New(t.Context(), mine, Options{Hello: "client.test", Mode: Implicit, TLS: client,
			Trace: func(line string) { shown = append(shown, line) }})
		if err != nil {
			t.Fatal(err)
		}
		err = conn.Auth(t.Context(), "user", "secret")
		if (err == nil) != (c.wantErr == "") || err != nil && !strings.Contains(err.Error(), c.wantErr) {
			t.Errorf("%s: %v", c.offered, err)
		}
		all := strings.Join(shown, "\n")
		if !strings.Contains(all, c.shown) || strings.Contains(all, "c2VjcmV0") || strings.Contains(all, "AHVzZXIAc2VjcmV0") {
			t.Errorf("%s: shown\n%s", c.offered, all)
		}
		conn.Close()
		theirs.Close()
	}
}

func TestNoPasswordInTheClear(t *testing.T) {
	t.Parallel()
	s := maillab.NewSink(t, maillab.SinkOptions{Extensions: []string{"AUTH PLAIN"}})
	c, err := connect(t, s, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Auth(t.Context(), "user", "secret"); err == nil {
		t.Error("it was sent")
	}
}

func TestHELOWhenEHLOIsNotKnown(t *testing.T) {
	t.Parallel()
	s := maillab.NewSink(t, maillab.SinkOptions{Script: maillab.On("EHLO", maillab.Action{Reply: "502 5.5.1 what"})})
	c, err := connect(t, s, Options{Mode: Opportunistic})
	if err != nil || c.Extensions().Pipelining {
		t.Fatal(err)
	}
	env, msg := letter(t, small, "to@b.test")
	if got, err := send(t.Context(), c, env, msg); got != "relayed 250 2.0.0" {
		t.Error(got, err)
	}
	c.Quit()
}
