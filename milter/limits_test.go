// SPDX-License-Identifier: MIT

package milter

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	protocol "github.com/emersion/go-milter"

	"posthouse/mail"
)

// What go-milter's client leaves to its user; M1 to M9 number it. Each test breaks without our part.

// M1: go-milter forgets the connection of a negotiation that failed.
func TestM1FailedNegotiationClosesTheSocket(t *testing.T) {
	t.Parallel()
	for name, raw := range map[string]string{
		"garbage": "SSH-2.0-OpenSSH_9.2\r\n", "wrong code": pkt('c', ""), "short": pkt('O', "\x00\x00\x00\x06"),
		"zero": "\x00\x00\x00\x00", "huge": "\xff\xff\xff\xff",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newScript(nil)
				f.raw = raw
				c := one(t, f)
				for range 20 {
					if v, _ := talk(t, c, simple); v.Action != Tempfail || v.Err == nil {
						t.Fatalf("%+v", v)
					}
				}
				synctest.Wait()
				if open, total := f.connections(); open != 0 || total != 20 {
					t.Errorf("%d connections of %d are open", open, total)
				}
			})
		})
	}
}

// M2: SKIP is no answer that go-milter knows, so that a filter may not be told we take it.
func TestM2SkipIsNeverOffered(t *testing.T) {
	t.Parallel()
	f := newScript(nil)
	if v, _ := talk(t, one(t, f), simple); v.Action != Continue {
		t.Fatalf("%+v", v)
	}
	if events := f.offered[2]; events&uint32(protocol.OptSkip) != 0 || events&uint32(protocol.OptRcptRej) != 0 {
		t.Errorf("offered %#x", events)
	}
	f = newScript(at('B', pkt('s', "")))
	if v, _ := talk(t, one(t, f), simple); v.Action != Tempfail {
		t.Errorf("a skip nobody asked for: %+v", v)
	}
}

// M3: "progress" restarts go-milter's clock for ever.
func TestM3ProgressDoesNotExtendForEver(t *testing.T) {
	t.Parallel()
	for _, stage := range []byte("CHMRTLNBE") {
		t.Run(string(stage), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newScript(nil)
				c := New([]Config{entry()}, Options{Spool: spool{}, Log: slog.New(slog.DiscardHandler), Dial: func(context.Context, string, string) (net.Conn, error) {
					here, there := net.Pipe()
					go drip(f, there, stage)
					return here, nil
				}})
				began := time.Now()
				v, _ := talk(t, c, simple)
				if took := time.Since(began); v.Action != Tempfail || took < 299*time.Second || took > 301*time.Second {
					t.Errorf("%+v after %v", v, took)
				}
				time.Sleep(10 * time.Second) // goodbyes end
			})
		})
	}
}

// drip says "progress" each 5 seconds instead of answering one stage.
func drip(f *script, c net.Conn, stage byte) {
	stalled := make(chan bool)
	f.answer = func(code byte, _ []byte) string {
		if code == stage {
			close(stalled)
			return ""
		}
		return pkt('c', "")
	}
	go func() {
		<-stalled
		for {
			time.Sleep(5 * time.Second)
			if _, err := c.Write([]byte(pkt('p', ""))); err != nil {
				return
			}
		}
	}()
	f.dialled(c)
}

func (s *script) dialled(c net.Conn) { s.mu.Lock(); s.conns++; s.total++; s.mu.Unlock(); s.serve(c) }

// Progress does buy time up to the limit.
func TestProgressBuysTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newScript(at('M', pkt('p', "")+pkt('p', "")+pkt('c', "")))
		if v, _ := talk(t, one(t, f), simple); v.Action != Continue {
			t.Errorf("%+v", v)
		}
	})
}

func TestASilentFilterFailsInTime(t *testing.T) {
	t.Parallel()
	for stage, limit := range map[byte]time.Duration{'C': 30, 'H': 30, 'M': 30, 'R': 30, 'T': 30, 'L': 300, 'N': 300, 'B': 300, 'E': 300} {
		t.Run(string(stage), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				v, _ := talk(t, one(t, newScript(at(stage))), simple)
				if took := time.Since(began); v.Action != Tempfail || took != limit*time.Second {
					t.Errorf("%+v after %v", v, took)
				}
				time.Sleep(10 * time.Second) // goodbyes end
			})
		})
	}
}

// M4: the filter's masks count only as far as we offered them, and all that spares answers is offered.
func TestM4Masks(t *testing.T) {
	t.Parallel()
	f := newScript(nil)
	f.actions, f.events = 0xffffffff, 0x000ff080|uint32(protocol.OptSkip) // Rspamd's, and then some
	c := one(t, f)
	client := stranger()
	s := c.Connect(&client)
	defer s.Close()
	if v, r := say(t, s, simple); v.Action != Continue || !r.Spoke {
		t.Fatalf("%+v", r)
	}
	l := s.conversations[0].link
	if l.ActionOpts != offeredActions || l.ProtocolOpts != 0xff080 || f.offered[0] != 6 {
		t.Errorf("%#x %#x", l.ActionOpts, l.ProtocolOpts)
	}
	const spared = 1<<7 | 0xff<<12
	if f.offered[2]&spared != spared {
		t.Errorf("offered %#x", f.offered[2])
	}
	if notes := s.Notes(); len(notes) != 0 {
		t.Errorf("answers to events that have none: %v", notes)
	}
}

// A filter that was not granted an action may not take it.
func TestM4ActionsNotAgreedUpon(t *testing.T) {
	t.Parallel()
	f := newScript(at('E', pkt('-', "<b@here.test>\x00"), pkt('a', "")))
	f.actions = uint32(protocol.OptAddHeader)
	if v, _ := talk(t, one(t, f), simple); v.Action != Tempfail || !errors.Is(v.Err, errGarbage) {
		t.Errorf("%+v", v)
	}
}

// M5: go-milter has no DATA.
func TestM5Data(t *testing.T) {
	t.Parallel()
	f := newScript(at('T', pkt('y', "452 4.3.1 not now\x00")))
	v, _ := talk(t, one(t, f), simple)
	if v.Action != Tempfail || v.Reply.String() != "452 4.3.1 not now" || v.Err != nil {
		t.Errorf("%+v", v)
	}
	if got := f.seen('D'); !strings.Contains(fmt.Sprintf("%q", got), `"Ti\x003QmGJs2zRvz\x00"`) {
		t.Errorf("macros %q", got)
	}
	f = newScript(nil)
	f.events = uint32(protocol.OptNoData)
	if v, _ := talk(t, one(t, f), simple); v.Action != Continue || len(f.seen('T')) != 0 {
		t.Errorf("%+v", v)
	}
}

// M5: ADDRCPT_PAR and the arguments of CHGFROM.
func TestM5Arguments(t *testing.T) {
	t.Parallel()
	f := newScript(at('E', pkt('2', "<c@here.test>\x00NOTIFY=SUCCESS,DELAY ORCPT=rfc822;c+2Bd@x.test\x00"),
		pkt('+', "e@here.test\x00"), pkt('e', "<new@sender.test>\x00RET=HDRS\x00"), pkt('-', "<b@here.test>\x00"), pkt('a', "")))
	_, r := talk(t, one(t, f), simple)
	if len(r.Edits) != 4 {
		t.Fatalf("%+v", r)
	}
	added := r.Edits[0].Recipient
	if added.To.String() != "c@here.test" || added.Notify != mail.NotifySuccess|mail.NotifyDelay || added.ORcpt != "rfc822;c+d@x.test" {
		t.Errorf("%+v", added)
	}
	if e := r.Edits[1]; e.Kind != AddRecipient || e.Recipient.Given.String() != "e@here.test" {
		t.Errorf("%+v", e)
	}
	if e := r.Edits[2]; e.Kind != ChangeSender || e.Path.String() != "new@sender.test" || e.Params[0] != "RET=HDRS" {
		t.Errorf("%+v", e)
	}
	if e := r.Edits[3]; e.Kind != DeleteRecipient || e.Path.String() != "b@here.test" {
		t.Errorf("%+v", e)
	}
}

// M5: one connection serves several messages, and knows when one came to nothing.
func TestM5OneSessionSeveralMessages(t *testing.T) {
	t.Parallel()
	f := newScript(at('E', pkt('a', "")))
	client := stranger()
	s := one(t, f).Connect(&client)
	for range 2 {
		if v, r := say(t, s, simple); v.Action != Continue || !r.Spoke {
			t.Fatalf("%+v", r)
		}
	}
	if aborts := f.seen('A'); len(aborts) != 0 {
		t.Errorf("%d aborts of messages that were judged", len(aborts))
	}
	env := envelope(t)
	s.Mail(t.Context(), env)
	s.Reset()
	s.Reset()
	say(t, s, simple)
	s.Close()
	if f.total != 1 || len(f.seen('A')) != 1 || len(f.seen('C')) != 1 || len(f.seen('H')) != 1 || len(f.seen('M')) != 4 {
		t.Errorf("%d connections, %q", f.total, f.heard)
	}
}

// M6: header values go raw, for the sake of c=simple.
func TestM6RawHeaders(t *testing.T) {
	t.Parallel()
	raw := "From:no-space@sender.test\r\nSubject:  two spaces \r\n\tfolded  \r\nX-Empty:\r\nX-Tab:\tt\r\nX-Latin: \xe9\x00\r\n\r\nbody\r\n"
	for leading, want := range map[uint32][]string{
		0:       {"From\x00no-space@sender.test\x00", "Subject\x00 two spaces \n\tfolded  \x00", "X-Empty\x00\x00", "X-Tab\x00\tt\x00", "X-Latin\x00\xe9\x00"},
		1 << 20: {"From\x00no-space@sender.test\x00", "Subject\x00  two spaces \n\tfolded  \x00", "X-Empty\x00\x00", "X-Tab\x00\tt\x00", "X-Latin\x00 \xe9\x00"},
	} {
		f := newScript(nil)
		f.events = leading
		talk(t, one(t, f), raw)
		if got := f.seen('L'); fmt.Sprintf("%q", got) != fmt.Sprintf("%q", want) {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// M7: go-milter's own offer lacks quarantine and the removal of recipients.
func TestM7Quarantine(t *testing.T) {
	t.Parallel()
	f := newScript(at('E', pkt('q', "looks\r\nodd\x00"), pkt('h', "X-A\x00b\x00"), pkt('a', "")))
	_, r := talk(t, one(t, f), simple)
	if r.Action != Continue || r.Hold != "looks  odd" || len(r.Edits) != 1 {
		t.Errorf("%+v", r)
	}
	for _, bit := range []protocol.OptAction{protocol.OptQuarantine, protocol.OptRemoveRcpt, protocol.OptChangeFrom, protocol.OptAddRcptWithArgs} {
		if f.offered[1]&uint32(bit) == 0 {
			t.Errorf("action %#x is not offered", bit)
		}
	}
}

// M8: replies are code and text in one string.
func TestM8Replies(t *testing.T) {
	t.Parallel()
	many := "550-5.7.1 a\r\n" + strings.Repeat("550-5.7.1 b\r\n", 40) + "550 5.7.1 c"
	for text, want := range map[string]string{
		"550 5.7.1 no":                     "550 5.7.1 no",
		"451 4.7.1 Try again later":        "451 4.7.1 Try again later",
		"550 no code":                      "550 5.7.1 no code",
		"451 5.7.1 mixed":                  "451 4.7.1 5.7.1 mixed",
		"550-5.7.1 one\r\n550 5.7.1 two":   "550 5.7.1 one\ntwo",
		"554 5.7.1 100%% sure %s \x7f\xe9": "554 5.7.1 100% sure s ??",
		"421 4.7.0 bye":                    "421 4.7.0 bye",
		"250 2.0.0 fine":                   "",
		"354 go on":                        "",
		"600 what":                         "",
		"55":                               "",
		"abc 5.7.1 x":                      "",
		"550-5.7.1 a\r\n551 5.7.1 b":       "",
		"550 5.7.1 a\r\n250 2.0.0 OK":      "",
		many:                               "",
		"550 5.7.1 " + strings.Repeat("x", 1000000): "550 5.7.1 " + strings.Repeat("x", 496),
	} {
		f := newScript(at('R', pkt('y', text+"\x00")))
		v, _ := talk(t, one(t, f), simple)
		if want == "" && (v.Action != Tempfail || v.Err == nil) || want != "" && (!v.Refused() || v.Err != nil || v.Reply.String() != want) {
			t.Errorf("%.60q: %.200q %v", text, v.Reply.String(), v.Err)
		}
	}
}

// M8: a line break in a header text that is no fold would let the filter, or whom it repeats, write fields or a body.
func TestM8HeaderTexts(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]string{
		"one":                    "X-A: one\r\n",
		"one\n\ttwo":             "X-A: one\r\n\ttwo\r\n",
		"one\r\n two\n":          "X-A: one\r\n two\r\n",
		"one\n \n two":           "X-A: one\r\n two\r\n",
		"caf\xe9 \x01":           "X-A: caf\xe9  \r\n",
		"one\nBcc: x@evil.test":  "",
		"one\r\n\r\nbody":        "",
		"one\rtwo":               "",
		"one\r\n two\r\r\nthree": "",
	} {
		e, err := parseEdit(packet{'h', []byte("X-A\x00" + value + "\x00")}, false, false)
		if (err != nil) != (want == "") || string(e.Field) != want {
			t.Errorf("%q: %q %v", value, e.Field, err)
		}
	}
	for _, name := range []string{"", "a b", "a:b", "a\nb", "\xe9"} {
		if _, err := parseEdit(packet{'h', []byte(name + "\x00v\x00")}, false, false); !errors.Is(err, errGarbage) {
			t.Errorf("name %q: %v", name, err)
		}
	}
	f := newScript(at('E', pkt('h', "X-A\x00one\nBcc: x@evil.test\x00"), pkt('a', "")))
	if v, r := talk(t, one(t, f), simple); v.Action != Tempfail || len(r.Edits) != 0 {
		t.Errorf("%+v", r)
	}
}

// M9: what stands in for a filter that fails, wherever it fails.
func TestM9DefaultAction(t *testing.T) {
	t.Parallel()
	failures := map[string]func() *script{
		"no connection": func() *script { return nil },
		"no protocol":   func() *script { return &script{raw: "220 hello\r\n"} },
	}
	for _, stage := range []byte("CHMRTLNBE") {
		failures["garbage at "+string(stage)] = func() *script { return newScript(at(stage, pkt('?', "!"))) }
		failures["zero packet at "+string(stage)] = func() *script { return newScript(at(stage, "\x00\x00\x00\x00")) }
		failures["huge packet at "+string(stage)] = func() *script { return newScript(at(stage, "\x7f\xff\xff\xff")) }
	}
	for name, script := range failures {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for action, want := range map[string]string{"accept": "", "quarantine": "", "reject": "550 5.5.0 Service unavailable",
				"tempfail": "451 4.7.1 Service unavailable - try again later"} {
				v, r := talk(t, one(t, script(), onFailure(action)), simple)
				if want != "" && (!v.Refused() || v.Err == nil || v.Reply.String() != want) || want == "" && (v.Action != Continue || r.Spoke) {
					t.Errorf("%s: %+v", action, v)
				}
				if (r.Hold != "") != (action == "quarantine") {
					t.Errorf("%s: hold %q", action, r.Hold)
				}
			}
		})
	}
}
