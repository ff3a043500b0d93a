// SPDX-License-Identifier: MIT

package milter

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"posthouse/config"
	"posthouse/mail"
	"posthouse/upstream"
)

// script is a filter that does what a test says, for what real filters do not do on demand.
type script struct {
	version         uint32
	actions, events uint32                              // what it answers; the offer is in offered
	raw             string                              // sent instead of an answer to the negotiation
	answer          func(code byte, data []byte) string // packets, as pkt makes them; "" says nothing
	mu              sync.Mutex
	offered         [3]uint32
	heard           []string // code and data of each packet
	conns           int      // opened, less closed
	total           int
}

// pkt is a packet.
func pkt(code byte, data string) string {
	b := binary.BigEndian.AppendUint32(nil, uint32(len(data)+1))
	return string(append(append(b, code), data...))
}

func (s *script) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	here, there := net.Pipe()
	s.mu.Lock()
	s.conns++
	s.total++
	s.mu.Unlock()
	go s.serve(there)
	return here, nil
}

func (s *script) serve(c net.Conn) {
	defer func() {
		c.Close()
		s.mu.Lock()
		s.conns--
		s.mu.Unlock()
	}()
	for {
		var head [4]byte
		if _, err := io.ReadFull(c, head[:]); err != nil {
			return
		}
		body := make([]byte, binary.BigEndian.Uint32(head[:]))
		if _, err := io.ReadFull(c, body); err != nil {
			return
		}
		out := s.reply(body[0], body[1:])
		if body[0] == 'Q' {
			return
		}
		if out == "" {
			continue // a net.Pipe waits for the reader of nothing, too
		}
		if _, err := io.WriteString(c, out); err != nil {
			return
		}
	}
}

func (s *script) reply(code byte, data []byte) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.heard = append(s.heard, string(code)+string(data))
	switch {
	case code == 'O':
		for i := range s.offered {
			s.offered[i] = binary.BigEndian.Uint32(data[4*i:])
		}
		if s.raw != "" {
			return s.raw
		}
		b := binary.BigEndian.AppendUint32(nil, max(s.version, 2))
		b = binary.BigEndian.AppendUint32(b, s.actions)
		return pkt('O', string(binary.BigEndian.AppendUint32(b, s.events)))
	case code == 'D' || code == 'A' || code == 'Q':
		return ""
	case s.events&uint32(stage(code).traits().silent) != 0:
		return ""
	case s.answer != nil:
		return s.answer(code, data)
	}
	return pkt('c', "")
}

func (s *script) connections() (open, total int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.conns, s.total
}

// seen are the packets of one code.
func (s *script) seen(code byte) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []string
	for _, h := range s.heard {
		if h[0] == code {
			out = append(out, h[1:])
		}
	}
	return out
}

func newScript(answer func(code byte, data []byte) string) *script {
	return &script{version: 6, actions: 0x1ff, answer: answer}
}

// at answers one event, and goes on at all others.
func at(stage byte, packets ...string) func(byte, []byte) string {
	return func(code byte, _ []byte) string {
		if code == stage {
			return strings.Join(packets, "")
		}
		return pkt('c', "")
	}
}

func entry(change ...func(*Config)) Config {
	var c Config
	c.SetDefaults()
	c.Address = config.Address{Network: "tcp", Host: "filter.test", Port: 11332}
	for _, f := range change {
		f(&c)
	}
	return c
}

func onFailure(action string) func(*Config) { return func(c *Config) { c.DefaultAction = action } }

// chain is a chain of scripts, in their order.
func chain(t *testing.T, configs []Config, scripts ...*script) *Chain {
	t.Helper()
	byHost := map[string]*script{}
	for i := range configs {
		if len(configs) > 1 {
			configs[i].Address.Host = string(rune('a'+i)) + ".test"
		}
		_, address := configs[i].Address.Dial()
		byHost[address] = scripts[i]
	}
	return New(configs, Options{
		Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
			s := byHost[address]
			if s == nil {
				return nil, errors.New("connection refused")
			}
			return s.dial(ctx, network, address)
		},
		Hostname: "mx.test", Version: "posthouse test", Spool: spool{}, MaxBody: 1 << 20, Log: slog.New(slog.DiscardHandler),
	})
}

func one(t *testing.T, s *script, change ...func(*Config)) *Chain {
	t.Helper()
	return chain(t, []Config{entry(change...)}, s)
}

// spool keeps drafts in memory.
type spool struct{}

func (spool) Create() (mail.Draft, error) { return &draft{}, nil }

type draft struct {
	mail.Bytes
	discarded bool
}

func (d *draft) Write(p []byte) (int, error) { d.Bytes = append(d.Bytes, p...); return len(p), nil }
func (d *draft) Discard()                    { d.discarded = true }

func path(t *testing.T, s string) mail.Path {
	t.Helper()
	p, err := mail.ParsePath("<"+s+">", true)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func stranger() mail.Client {
	return mail.Client{
		Addr: netip.MustParseAddrPort("192.0.2.25:40000"), Server: netip.MustParseAddrPort("203.0.113.1:25"), Name: "client.test",
		HELO: "helo.test", Protocol: "ESMTPS", TLS: "TLSv1.3 TLS_AES_128_GCM_SHA256",
	}
}

func envelope(t *testing.T) *mail.Envelope {
	t.Helper()
	return &mail.Envelope{ID: "3QmGJs2zRvz", From: path(t, "a@sender.test"), Client: stranger(), Arrived: time.Unix(1e9, 0)}
}

func message(t *testing.T, raw string) *mail.Message {
	t.Helper()
	head, body, _ := strings.Cut(raw, "\r\n\r\n")
	h, err := mail.ParseHeader(head + "\r\n")
	if err != nil {
		t.Fatal(err)
	}
	return &mail.Message{Header: h, Body: mail.Bytes(body)}
}

const simple = "From: a@sender.test\r\nSubject: hello\r\n\r\nbody\r\n"

// talk runs a whole message through a new session.
func talk(t *testing.T, c *Chain, raw string) (Verdict, Result) {
	t.Helper()
	client := stranger()
	client.Name, client.HELO = "", "" // which are found out later
	s := c.Connect(&client)
	defer s.Close()
	return say(t, s, raw)
}

// say is one message of a session, up to the first stage that does not go on.
func say(t *testing.T, s *Session, raw string) (Verdict, Result) {
	t.Helper()
	ctx, env := t.Context(), envelope(t)
	if v := s.Mail(ctx, env); v.Action != Continue {
		return v, Result{}
	}
	if v := s.Rcpt(ctx, env, mail.Recipient{To: path(t, "b@here.test"), Given: path(t, "b@here.test")}); v.Action != Continue {
		return v, Result{}
	}
	if v := s.Data(ctx, env); v.Action != Continue {
		return v, Result{}
	}
	r := s.Message(ctx, env, message(t, raw))
	return r.Verdict, r
}

func group(hosts ...string) func(*Config) {
	return func(c *Config) {
		c.Address = config.Address{}
		for _, h := range hosts {
			var s upstream.Server
			s.SetDefaults()
			s.Address = config.Address{Network: "tcp", Host: h, Port: 11332}
			c.Upstream = append(c.Upstream, s)
		}
	}
}

// text is a body read.
func text(t *testing.T, b mail.Body) string {
	t.Helper()
	r, err := b.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	out, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}
