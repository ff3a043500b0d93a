// SPDX-License-Identifier: MIT

package milter

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	protocol "github.com/emersion/go-milter"

	"posthouse/config"
	"posthouse/mail"
	"posthouse/resolver"
)

// What each filter is told, in the order and with the macros of Postfix.
func TestWhatAFilterHears(t *testing.T) {
	t.Parallel()
	f := newScript(at('E', pkt('a', "")))
	c := one(t, f)
	client := stranger()
	s := c.Connect(&client)
	env := envelope(t)
	env.Size, env.EightBit, env.Ret, env.EnvID, env.Client.Login = 10, true, "HDRS", "a b", "pim"
	to := mail.Recipient{To: path(t, "real@far.test"), Given: path(t, "b@here.test"), Notify: mail.NotifySuccess | mail.NotifyDelay, ORcpt: "rfc822;x+y@z.test"}
	ctx := t.Context()
	for _, v := range []Verdict{s.Mail(ctx, env), s.Rcpt(ctx, env, to), s.Data(ctx, env)} {
		if v.Action != Continue {
			t.Fatalf("%+v", v)
		}
	}
	r := s.Message(ctx, env, message(t, "From: a@sender.test\r\n\r\n"+strings.Repeat("x", 2*maxChunk)))
	s.Close()
	if r.Action != Continue || !r.Spoke {
		t.Errorf("%+v", r)
	}
	id := "3QmGJs2zRvz\x00"
	want := []string{
		"DCj\x00mx.test\x00{daemon_name}\x00mx.test\x00{daemon_addr}\x00203.0.113.1\x00v\x00posthouse test\x00_\x00client.test [192.0.2.25]\x00",
		"Cclient.test\x004\x9c\x40192.0.2.25\x00",
		"DH{tls_version}\x00TLSv1.3\x00{cipher}\x00TLS_AES_128_GCM_SHA256\x00{cipher_bits}\x00128\x00", "Hhelo.test\x00",
		"DMi\x00" + id + "{auth_type}\x00PLAIN\x00{auth_authen}\x00pim\x00{mail_addr}\x00a@sender.test\x00{mail_host}\x00sender.test\x00{mail_mailer}\x00smtp\x00",
		"M<a@sender.test>\x00SIZE=10\x00BODY=8BITMIME\x00RET=HDRS\x00ENVID=a+20b\x00",
		"DRi\x00" + id + "{rcpt_addr}\x00b@here.test\x00{rcpt_host}\x00here.test\x00{rcpt_mailer}\x00smtp\x00",
		"R<b@here.test>\x00NOTIFY=SUCCESS,DELAY\x00ORCPT=rfc822;x+2By@z.test\x00", "DTi\x00" + id, "T", "LFrom\x00a@sender.test\x00", "DNi\x00" + id, "N",
		"B" + strings.Repeat("x", maxChunk), "B" + strings.Repeat("x", maxChunk), "DEi\x00" + id, "E",
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, w := range want {
		if len(f.heard) <= i+1 || f.heard[i+1] != w {
			t.Fatalf("packet %d: %.300q, want %.300q", i, f.heard[i+1], w)
		}
	}
}

func TestClientNames(t *testing.T) {
	t.Parallel()
	for _, try := range []struct {
		client mail.Client
		want   string
	}{
		{mail.Client{Addr: netip.MustParseAddrPort("192.0.2.25:40000")}, "[192.0.2.25] 4 40000 192.0.2.25"},
		{mail.Client{Addr: netip.MustParseAddrPort("[::ffff:192.0.2.25]:1")}, "[192.0.2.25] 4 1 192.0.2.25"},
		{mail.Client{Addr: netip.MustParseAddrPort("[2001:db8::1]:25"), Name: "six.test"}, "six.test 6 25 2001:db8::1"},
		{mail.Client{}, "localhost U 0 "},
	} {
		name, family, port, addr := peer(&try.client)
		if got := fmt.Sprintf("%s %c %d %s", name, family, port, addr); got != try.want {
			t.Errorf("%q, want %q", got, try.want)
		}
	}
}

// Verdicts by stage, as Postfix has them.
func TestVerdicts(t *testing.T) {
	t.Parallel()
	for _, stage := range []byte("CHMRTLNBE") {
		for answer, want := range map[string]Verdict{
			pkt('r', ""):                    {Action: Reject},
			pkt('t', ""):                    {Action: Tempfail},
			pkt('y', "450 4.1.0 later\x00"): {Action: Tempfail},
			pkt('y', "554 5.1.0 never\x00"): {Action: Reject},
			pkt('d', ""):                    {Action: Discard},
			pkt('a', ""):                    {Action: Continue},
		} {
			if answer[4] == 'd' && (stage == 'C' || stage == 'H') {
				want.Action = Continue // Postfix: not allowed for connect or helo
			}
			f, second := newScript(at(stage, answer)), newScript(nil)
			c := chain(t, []Config{entry(), entry()}, f, second)
			v, r := talk(t, c, simple)
			if v.Action != want.Action || v.Err != nil || want.Action != Continue && v.Milter != "a.test:11332" {
				t.Errorf("%c %q: %+v", stage, answer, v)
			}
			if v.Action == Continue && (!r.Spoke || len(second.seen('E')) != 1) {
				t.Errorf("%c %q: the next filter was not asked: %+v", stage, answer, r)
			}
			if answer[4] == 'a' && stage != 'E' && len(f.seen('E')) != 0 {
				t.Errorf("%c: a filter that had accepted was asked again", stage)
			}
		}
	}
}

// Who is refused at connect or HELO is refused at each MAIL; who is accepted there is not asked about again. A verdict on one
// message does not touch the next.
func TestVerdictsLastAsLongAsTheirStage(t *testing.T) {
	t.Parallel()
	for _, try := range []struct {
		stage, answer byte
		again         bool // the filter is asked about the second message
		action        Action
	}{
		{'C', 'r', false, Reject}, {'H', 't', false, Tempfail}, {'C', 'a', false, Continue}, {'H', 'a', false, Continue},
		{'M', 'r', true, Reject}, {'M', 'a', true, Continue}, {'R', 'a', true, Continue}, {'E', 'd', true, Discard},
	} {
		f := newScript(at(try.stage, pkt(try.answer, "")))
		client := stranger()
		s := one(t, f).Connect(&client)
		for range 2 {
			if v, _ := say(t, s, simple); v.Action != try.action {
				t.Errorf("%c %c: %+v", try.stage, try.answer, v)
			}
		}
		s.Close()
		if got := len(f.seen('M')) == 2; got != try.again {
			t.Errorf("%c %c: %d MAILs", try.stage, try.answer, len(f.seen('M')))
		}
	}
}

// A refused recipient is that recipient's matter.
func TestOneRecipientRefused(t *testing.T) {
	t.Parallel()
	f := newScript(nil)
	f.answer = func(code byte, data []byte) string {
		if code == 'R' && strings.HasPrefix(string(data), "<bad@") {
			return pkt('r', "")
		}
		return pkt('c', "")
	}
	client, env, ctx := stranger(), envelope(t), t.Context()
	s := one(t, f).Connect(&client)
	defer s.Close()
	s.Mail(ctx, env)
	for who, want := range map[string]Action{"bad@here.test": Reject, "good@here.test": Continue} {
		if v := s.Rcpt(ctx, env, mail.Recipient{To: path(t, who), Given: path(t, who)}); v.Action != want || v.Refused() && v.Reply.Code != 550 {
			t.Errorf("%s: %+v", who, v)
		}
	}
	if r := s.Message(ctx, env, message(t, simple)); r.Action != Continue || !r.Spoke {
		t.Errorf("%+v", r)
	}
}

// A filter sees what those before it changed; what a refused message was to become is forgotten.
func TestLaterFiltersSeeEdits(t *testing.T) {
	t.Parallel()
	one := newScript(at('E', pkt('i', "\x00\x00\x00\x00X-Top\x00t\x00"), pkt('h', "X-End\x00e\x00"), pkt('m', "\x00\x00\x00\x01Subject\x00changed\x00"),
		pkt('m', "\x00\x00\x00\x01From\x00\x00"), pkt('b', "new "), pkt('b', "body\nline"), pkt('a', "")))
	for _, verdict := range []byte("ar") {
		two := newScript(at('E', pkt('h', "X-Two\x00\x00"), pkt(verdict, "")))
		v, r := talk(t, chain(t, []Config{entry(), entry()}, one, two), simple)
		if got := fmt.Sprintf("%q", append(two.seen('L'), two.seen('B')...)); got != `["X-Top\x00t\x00" "Subject\x00changed\x00" "X-End\x00e\x00" "new body\r\nline\r\n"]` {
			t.Error(got)
		}
		if verdict == 'r' {
			if v.Action != Reject || len(r.Edits) != 0 || text(t, r.Body) != "body\r\n" {
				t.Errorf("%+v", r)
			}
			continue
		}
		h := message(t, simple).Header
		Apply(r.Edits, &h)
		if want := "X-Top: t\r\nSubject: changed\r\nX-End: e\r\nX-Two: \r\n"; v.Action != Continue || h.String() != want || text(t, r.Body) != "new body\r\nline\r\n" {
			t.Errorf("%q %q", h, text(t, r.Body))
		}
	}
}

// Positions are Postfix's: the nth field of its name, as the header then is; an insertion counts our own Received as 1.
func TestPositions(t *testing.T) {
	t.Parallel()
	const raw = "A: 1\r\nB: 2\r\nA: 3\r\n"
	for packets, want := range map[string]string{
		pkt('m', "\x00\x00\x00\x02a\x00x\x00"):                                          "A: 1\r\nB: 2\r\na: x\r\n",
		pkt('m', "\x00\x00\x00\x00A\x00x\x00"):                                          "A: x\r\nB: 2\r\nA: 3\r\n",
		pkt('m', "\x00\x00\x00\x03A\x00x\x00"):                                          raw + "A: x\r\n",
		pkt('m', "\x00\x00\x00\x01A\x00\x00") + pkt('m', "\x00\x00\x00\x01A\x00\x00"):   "B: 2\r\n",
		pkt('m', "\x00\x00\x00\x09A\x00\x00"):                                           raw,
		pkt('i', "\x00\x00\x00\x00C\x00x\x00"):                                          "C: x\r\n" + raw,
		pkt('i', "\x00\x00\x00\x01C\x00x\x00"):                                          "C: x\r\n" + raw,
		pkt('i', "\x00\x00\x00\x02C\x00x\x00"):                                          "A: 1\r\nC: x\r\nB: 2\r\nA: 3\r\n",
		pkt('i', "\x00\x00\x00\x63C\x00x\x00"):                                          raw + "C: x\r\n",
		pkt('i', "\x00\x00\x00\x01A\x000\x00") + pkt('m', "\x00\x00\x00\x02A\x00x\x00"): "A: 0\r\nA: x\r\nB: 2\r\nA: 3\r\n",
	} {
		_, r := talk(t, one(t, newScript(at('E', packets, pkt('a', "")))), raw+"\r\nbody\r\n")
		h := message(t, raw+"\r\n").Header
		if Apply(r.Edits, &h); h.String() != want {
			t.Errorf("%q: %q, want %q", packets, h, want)
		}
	}
	v, _ := talk(t, one(t, newScript(at('E', pkt('i', "\xff\xff\xff\xffC\x00x\x00"), pkt('a', "")))), raw+"\r\nbody\r\n")
	if v.Action != Tempfail {
		t.Errorf("%+v", v)
	}
}

// What a filter says at the end is bounded in number and octets, and a body that is not wanted is given back.
func TestTooMuch(t *testing.T) {
	t.Parallel()
	for name, packets := range map[string]string{
		"edits":   strings.Repeat(pkt('h', "X-A\x00b\x00"), maxEdits+1),
		"octets":  strings.Repeat(pkt('h', "X-A\x00"+strings.Repeat("b", 900_000)+"\x00"), 4),
		"body":    strings.Repeat(pkt('b', strings.Repeat("b", 60_000)), 20),
		"waiting": strings.Repeat(pkt('p', ""), 600_000),
	} {
		if v, r := talk(t, one(t, newScript(at('E', packets, pkt('a', "")))), simple); v.Action != Tempfail || !errors.Is(v.Err, errTooMuch) {
			t.Errorf("%s: %+v", name, r.Verdict)
		}
	}
}

// A name's addresses and a group's servers are tried in turn, in connect_timeout together; who failed is left out for a while.
func TestFailover(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		good := newScript(nil)
		var mu sync.Mutex
		var dialled []string
		dial := func(ctx context.Context, network, address string) (net.Conn, error) {
			mu.Lock()
			dialled = append(dialled, address)
			mu.Unlock()
			switch address {
			case "192.0.2.1:11332": // swallows all
				<-ctx.Done()
				return nil, ctx.Err()
			case "192.0.2.2:11332": // accepts, and says nothing
				here, _ := net.Pipe()
				return here, nil
			case "192.0.2.3:11332":
				return nil, errors.New("connection refused")
			}
			return good.dial(ctx, network, address)
		}
		names, err := resolver.ParseZone("two.test. A 192.0.2.1\ntwo.test. A 192.0.2.2\nrefuses.test. A 192.0.2.3\ngood.test. A 192.0.2.4\n")
		if err != nil {
			t.Fatal(err)
		}
		c := New([]Config{entry(group("two.test", "refuses.test", "good.test"))}, Options{Resolver: names, Dial: dial, Log: slog.New(slog.DiscardHandler)})
		began := time.Now()
		for range 4 {
			if v, r := talk(t, c, simple); v.Action != Continue || !r.Spoke {
				t.Fatalf("%+v", v)
			}
		}
		if took := time.Since(began); took < 5*time.Second || took > 30*time.Second {
			t.Errorf("%v", took)
		}
		mu.Lock()
		if got := fmt.Sprint(dialled); strings.Count(got, "192.0.2.1:") != 1 || strings.Count(got, "192.0.2.2:") != 1 || strings.Count(got, "192.0.2.4:") != 4 {
			t.Error(got)
		}
		mu.Unlock()
		time.Sleep(10 * time.Second)
	})
}

// A filter that is lost between two messages is sought again; the message at hand gets default_action.
func TestLostMidSession(t *testing.T) {
	t.Parallel()
	broken := true
	f := newScript(nil)
	f.answer = func(code byte, _ []byte) string {
		if code == 'E' && broken {
			broken = false
			return pkt('?', "")
		}
		return pkt('c', "")
	}
	client := stranger()
	s := one(t, f).Connect(&client)
	defer s.Close()
	if v, r := say(t, s, simple); v.Action != Tempfail || r.Spoke || v.Err == nil {
		t.Errorf("%+v", r)
	}
	if v, r := say(t, s, simple); v.Action != Continue || !r.Spoke || f.total != 2 || len(f.seen('H')) != 2 {
		t.Errorf("%+v, %d connections", r, f.total)
	}
}

// The caller's deadline ends any wait, and what stands in is what the list says.
func TestContextEndsAWait(t *testing.T) {
	t.Parallel()
	for _, stage := range []byte("OCME") {
		synctest.Test(t, func(t *testing.T) {
			f := newScript(at(stage))
			if stage == 'O' {
				f.raw = "\x00\x00"
			}
			client, env := stranger(), envelope(t)
			s := one(t, f).Connect(&client)
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			began, v := time.Now(), s.Mail(ctx, env)
			if v.Action == Continue {
				v = s.Message(ctx, env, message(t, simple)).Verdict
			}
			if took := time.Since(began); v.Action != Tempfail || took != time.Second {
				t.Errorf("%c: %+v after %v", stage, v, took)
			}
			s.Close()
			time.Sleep(10 * time.Second)
			if open, _ := f.connections(); open != 0 {
				t.Errorf("%c: %d connections are left", stage, open)
			}
		})
	}
}

// A body that cannot be read is our fault: no default_action lets the message pass.
func TestOurOwnFaultIsNotTheFilters(t *testing.T) {
	t.Parallel()
	client, env, ctx := stranger(), envelope(t), t.Context()
	s := one(t, newScript(nil), onFailure("accept")).Connect(&client)
	defer s.Close()
	s.Mail(ctx, env)
	msg := message(t, simple)
	msg.Body = unreadable{}
	if r := s.Message(ctx, env, msg); r.Action != Tempfail || r.Reply.Code != 451 {
		t.Errorf("%+v", r)
	}
}

type unreadable struct{ mail.Bytes }

func (unreadable) Open() (io.ReadCloser, error) { return nil, errors.New("disk on fire") }

// A filter of version 2 has no DATA and cannot change the sender; it is asked all the same.
func TestOldVersion(t *testing.T) {
	t.Parallel()
	f := newScript(nil)
	f.version, f.actions = 2, 0x3f
	v, r := talk(t, one(t, f), simple)
	if v.Action != Continue || !r.Spoke || len(f.seen('T')) != 0 || f.offered[1]&uint32(protocol.OptChangeFrom) != 0 {
		t.Errorf("%+v, offered %#x", r, f.offered)
	}
}

func TestNilChain(t *testing.T) {
	t.Parallel()
	c, client, env := New(nil, Options{}), stranger(), envelope(t)
	s := c.Connect(&client)
	if c != nil || s != nil {
		t.Fatal("a chain of nobody")
	}
	r := s.Message(t.Context(), env, message(t, simple))
	if v := s.Mail(t.Context(), env); v.Refused() || r.Refused() || r.Spoke || text(t, r.Body) != "body\r\n" {
		t.Errorf("%+v %+v", v, r)
	}
	s.Reset()
	s.Close()
}

func TestConfig(t *testing.T) {
	t.Parallel()
	for text, complaint := range map[string]string{
		"{address: 'inet:f.test:11332'}":                                "",
		"{address: 'unix:/run/f'}":                                      "",
		"{upstream: ['a.test:1', {address: 'b.test:1', backup: true}]}": "",
		"{default_action: accept}":                                      "x.yaml:2:5: milters[0]: a milter needs an address",
		"{address: 'f.test:0'}":                                         "x.yaml:2:15: milters[0].address: a milter needs a host and a port",
		"{address: 'f.test:1', upstream: ['a.test:1']}":                 "x.yaml:2:27: milters[0].upstream: address and upstream exclude each other",
		"{upstream: []}":                                                "an empty list",
		"{upstream: [{address: 'a.test:1', down: true}]}":               "every server is down",
		"{address: 'f.test:1', default_action: drop}":                   `"drop" is not one of accept, reject, tempfail, quarantine`,
		"{address: 'f.test:1', connect_timeout: 0s}":                    "milters[0].connect_timeout: must be more than nothing",
		"{address: 'f.test:1', command_timeout: 10m}":                   "must not be longer than content_timeout",
		"{address: 'f.test:1', upstreams: ['a.test:1']}":                "upstreams",
		"{upstream: [{address: 'a.test:1', weight: 0}]}":                "milters[0].upstream[0].weight",
	} {
		var section struct {
			Milters []Config `yaml:"milters"`
		}
		_, report := config.Parse("x.yaml", []byte("milters:\n  - "+text+"\n"), &section)
		if err := report.Err(); complaint == "" && (err != nil || len(report.Problems) != 0) || complaint != "" && (err == nil || !strings.Contains(err.Error(), complaint)) {
			t.Errorf("%s: %v, want %q", text, err, complaint)
		}
	}
}
