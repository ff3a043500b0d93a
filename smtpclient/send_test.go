// SPDX-License-Identifier: MIT

package smtpclient

import (
	"errors"
	"strings"
	"testing"

	"posthouse/mail"
)

func TestDialogues(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, dialogue, want string
		lmtp                 bool
		to                   []string
		over                 bool // the conversation
	}{
		{"one by one", plainHello + `
			C MAIL FROM:<from@a.test>
			S 250 fine
			C RCPT TO:<to@b.test>
			S 250 fine
			C DATA
			S 354 go
			C ...
			S 250 2.6.0 queued as 7`, "relayed 250 2.6.0", false, nil, false},
		{"pipelined", fullHello + `
			C MAIL FROM:<from@a.test> SIZE=21
			C RCPT TO:<to@b.test>
			C DATA
			S 250 fine
			S 250 fine
			S 354 go
			C Subject: x
			C 
			C hello
			C .
			S 250 fine`, "relayed 250", false, nil, false},
		{"MAIL refused, DATA not sent", plainHello + `
			C *
			S 550 5.7.1 not you`, "failed 550 5.7.1, failed 550 5.7.1", false, []string{"a@b.test", "b@b.test"}, false},
		{"MAIL refused in a pipeline", fullHello + `
			C *
			C *
			C *
			C DATA
			S 451 4.7.1 later
			S 503 5.5.1 no MAIL
			S 503 5.5.1 no MAIL
			S 503 5.5.1 no RCPT`, "deferred 451 4.7.1, deferred 451 4.7.1", false, []string{"a@b.test", "b@b.test"}, false},
		{"each recipient for itself", fullHello + `
			C *
			C RCPT TO:<a@b.test>
			C RCPT TO:<b@b.test>
			C RCPT TO:<c@b.test>
			C DATA
			S 250 fine
			S 550 5.1.1 unknown
			S 250 fine
			S 452 4.5.3 too many
			S 354 go
			C ...
			S 250 2.0.0 fine`, "failed 550 5.1.1, relayed 250 2.0.0, deferred 452 4.5.3", false, []string{"a@b.test", "b@b.test", "c@b.test"}, false},
		{"552 is too many after some were taken", fullHello + `
			C *
			C *
			C *
			C DATA
			S 250 fine
			S 250 fine
			S 552 too many
			S 354 go
			C ...
			S 250 fine`, "relayed 250, deferred 452 4.5.3", false, []string{"a@b.test", "b@b.test"}, false},
		{"552 5.2.2 is a full mailbox", fullHello + `
			C *
			C *
			C *
			C DATA
			S 250 fine
			S 250 fine
			S 552 5.2.2 full
			S 354 go
			C ...
			S 250 fine`, "relayed 250, failed 552 5.2.2", false, []string{"a@b.test", "b@b.test"}, false},
		{"452 for the first is no matter of number", fullHello + `
			C *
			C *
			C *
			C DATA
			S 250 fine
			S 452 no space
			S 250 fine
			S 354 go
			C ...
			S 250 fine`, "deferred 452, relayed 250", false, []string{"a@b.test", "b@b.test"}, false},
		{"nobody taken, yet 354", fullHello + `
			C *
			C *
			C DATA
			S 250 fine
			S 550 no
			S 354 go
			C .
			S 554 no recipients`, "failed 550", false, nil, false},
		{"refused at DATA", fullHello + `
			C *
			C *
			C DATA
			S 250 fine
			S 250 fine
			S 554 5.7.1 no`, "failed 554 5.7.1", false, nil, false},
		{"refused after the dot", fullHello + `
			C *
			C *
			C DATA
			S 250 fine
			S 250 fine
			S 354 go
			C ...
			S 554 5.6.0 spam`, "failed 554 5.6.0", false, nil, false},
		{"lost after the dot", fullHello + `
			C *
			C *
			C DATA
			S 250 fine
			S 250 fine
			S 354 go
			C ...
			S-`, "deferred 451 4.4.2", false, nil, true},
		{"lost in the envelope", fullHello + `
			C *
			C *
			C *
			C DATA
			S 250 fine
			S 550 5.1.1 unknown
			S-`, "failed 550 5.1.1, deferred 451 4.4.2", false, []string{"a@b.test", "b@b.test"}, true},
		{"421 at RCPT", fullHello + `
			C *
			C *
			C DATA
			S 250 fine
			S 421 4.3.2 going down`, "deferred 421 4.3.2", false, nil, true},
		{"another code than SMTP has", fullHello + `
			C *
			C *
			C DATA
			S 250 fine
			S 250 fine
			S 250 what now`, "deferred 451 4.5.0", false, nil, true},
		{"a greeting in the middle is no protocol", fullHello + `
			C *
			C *
			C DATA
			S hello there`, "deferred 451 4.5.0", false, nil, true},
		{"LMTP answers for each", strings.Replace(fullHello, "EHLO", "LHLO", 1) + `
			C *
			C RCPT TO:<a@b.test>
			C RCPT TO:<b@b.test>
			C RCPT TO:<c@b.test>
			C DATA
			S 250 fine
			S 250 fine
			S 550 5.1.1 unknown
			S 250 fine
			S 354 go
			C ...
			S 250 2.0.0 saved
			S 452 4.2.2 full`, "delivered 250 2.0.0, failed 550 5.1.1, deferred 452 4.2.2", true, []string{"a@b.test", "b@b.test", "c@b.test"}, false},
		{"LMTP lost between answers", strings.Replace(fullHello, "EHLO", "LHLO", 1) + `
			C *
			C *
			C *
			C DATA
			S 250 fine
			S 250 fine
			S 250 fine
			S 354 go
			C ...
			S 250 2.0.0 saved
			S-`, "delivered 250 2.0.0, deferred 451 4.4.2", true, []string{"a@b.test", "b@b.test"}, true},
		{"LMTP lets nobody through", strings.Replace(fullHello, "EHLO", "LHLO", 1) + `
			C *
			C *
			C DATA
			S 250 fine
			S 550 no
			S 354 go`, "failed 550", true, nil, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			conn, _, err := converse(t, Options{LMTP: c.lmtp}, c.dialogue)
			if err != nil {
				t.Fatal(err)
			}
			if c.to == nil {
				c.to = []string{"to@b.test"}
			}
			env, msg := letter(t, small, c.to...)
			got, err := send(t.Context(), conn, env, msg)
			if got != c.want || (err != nil) != c.over || conn.Usable() == c.over {
				t.Errorf("%s, error %v, usable %v; want %s", got, err, conn.Usable(), c.want)
			}
		})
	}
}

// C4: one write for the envelope, one for the message, whatever the number of recipients.
func TestFewWrites(t *testing.T) {
	t.Parallel()
	c, counted, err := converse(t, Options{}, fullHello+`
		C *
		C *
		C *
		C DATA
		S 250 fine
		S 250 fine
		S 250 fine
		S 354 go
		C ...
		S 250 fine`)
	if err != nil {
		t.Fatal(err)
	}
	before := counted.writes.Load()
	env, msg := letter(t, small+strings.Repeat(".dots\r\n", 500), "a@b.test", "b@b.test")
	if got, err := send(t.Context(), c, env, msg); err != nil || got != "relayed 250, relayed 250" {
		t.Fatal(got, err)
	}
	if n := counted.writes.Load() - before; n != 2 {
		t.Errorf("%d writes", n)
	}
}

// C5: another message needs neither EHLO nor, after a clean transaction, RSET; after a refused one RSET goes along.
func TestReuse(t *testing.T) {
	t.Parallel()
	one := "\nC MAIL FROM:<from@a.test> SIZE=21\nC *\nC DATA\nS 250 fine\nS 250 fine\nS 354 go\nC ...\nS 250 fine"
	c, _, err := converse(t, Options{}, fullHello+one+one+`
		C *
		C *
		C DATA
		S 250 fine
		S 550 no
		S 503 no`+"\nC RSET\nC *\nC *\nC DATA\nS 250 fine\nS 250 fine\nS 250 fine\nS 354 go\nC ...\nS 250 fine"+one+"\nS-")
	if err != nil {
		t.Fatal(err)
	}
	env, msg := letter(t, small, "to@b.test")
	for i, want := range []string{"relayed 250", "relayed 250", "failed 550", "relayed 250", "relayed 250"} {
		if got, err := send(t.Context(), c, env, msg); got != want || err != nil {
			t.Errorf("message %d: %s, %v; want %s", i+1, got, err, want)
		}
	}
	if got, err := send(t.Context(), c, env, msg); got != "unknown 451 4.4.2" || !errors.Is(err, ErrStale) {
		t.Errorf("on a connection that had gone: %s, %v", got, err)
	}
}

func TestGoodbyeInsteadOfGreetingIsStale(t *testing.T) {
	t.Parallel()
	c, _, err := converse(t, Options{}, fullHello+"C *\nC *\nC DATA\nS 250 a\nS 250 a\nS 354 go\nC ...\nS 250 fine\nS 421 4.4.2 idle too long\nS-")
	if err != nil {
		t.Fatal(err)
	}
	env, msg := letter(t, small, "to@b.test")
	send(t.Context(), c, env, msg)
	if _, err := send(t.Context(), c, env, msg); !errors.Is(err, ErrStale) {
		t.Errorf("%v, want ErrStale", err)
	}
}

// C9 and the words of a stranger: replies are kept on success too, cut and cleaned.
func TestReplyIsKept(t *testing.T) {
	t.Parallel()
	c, _, err := converse(t, Options{Remote: "mx.test[192.0.2.1]:25"}, fullHello+"C *\nC *\nC DATA\nS 250 a\nS 250 a\nS 354 go\nC ...\n"+
		"S 250-2.0.0 queued\tas \x1b[31m7\nS 250 2.0.0 bye")
	if err != nil {
		t.Fatal(err)
	}
	env, msg := letter(t, small, "to@b.test")
	results, _ := c.Send(t.Context(), env, []int{0}, env.From, msg)
	want := mail.Result{Status: mail.Relayed, Remote: "mx.test[192.0.2.1]:25", DSN: true}
	want.Reply.Code, want.Reply.Enhanced, want.Reply.Text = 250, "2.0.0", "queued as ?[31m7\nbye"
	if results[0] != want {
		t.Errorf("%+v, want %+v", results[0], want)
	}
}
