// SPDX-License-Identifier: MIT

package policy

import (
	"fmt"
	"strings"
	"testing"

	"posthouse/mail"
	"posthouse/reply"
)

// TestActions: what the right-hand side of a table makes of the client, and of the message.
func TestActions(t *testing.T) {
	t.Parallel()
	const wrong = "451 4.3.5 Server configuration problem, please try again later"
	for _, c := range []struct{ value, want, effects string }{
		{value: "OK", want: "permit"},
		{value: "ok with words behind it", want: "permit"},
		{value: "RELAY", want: "permit"},
		{value: "1234567890", want: "permit"},
		{value: "550", want: "permit"}, // access(5): all numbers; 5NN needs a text
		{value: "DUNNO", want: "reject"},
		{value: "dunno whatever", want: "reject"},
		{value: "REJECT", want: "554 5.7.1 Client host [192.0.2.1] rejected: Access denied"},
		{value: "reject\tgo away", want: "554 5.7.1 Client host [192.0.2.1] rejected: go away"},
		{value: "REJECT 5.7.25 go away", want: "554 5.7.25 Client host [192.0.2.1] rejected: go away"},
		{value: "REJECT 4.7.25 go away", want: "554 5.7.25 Client host [192.0.2.1] rejected: go away"},
		{value: "REJECT 5.1.1 no user", want: "554 5.0.0 Client host [192.0.2.1] rejected: no user"},
		{value: "REJECT 3.7.1 is no code", want: "554 5.7.1 Client host [192.0.2.1] rejected: 3.7.1 is no code"},
		{value: "REJECT 5.7.1234 is no code", want: "554 5.7.1 Client host [192.0.2.1] rejected: 5.7.1234 is no code"},
		{value: "REJECT é\x00\r\n250 ok", want: "554 5.7.1 Client host [192.0.2.1] rejected: ?? 250 ok"},
		{value: "DEFER", want: "450 4.7.1 Client host [192.0.2.1] rejected: Access denied"},
		{value: "DEFER 5.3.2 later", want: "450 4.3.2 Client host [192.0.2.1] rejected: later"},
		{value: "DEFER_IF_PERMIT", want: "554 5.7.1 Rejected by policy"},
		{value: "DEFER_IF_REJECT", want: "450 4.7.1 Client host [192.0.2.1] rejected: Service unavailable"},
		{value: "421 4.7.0 bye", want: "421 4.7.0 Client host [192.0.2.1] rejected: bye"},
		{value: "554 4.7.0 bye", want: "554 5.7.0 Client host [192.0.2.1] rejected: bye"},
		{value: "450 bye", want: "450 4.7.1 Client host [192.0.2.1] rejected: bye"},
		{value: "650 bye", want: wrong},
		{value: "55 bye", want: wrong},
		{value: "reject_unknown_helo_hostname", want: "450 4.7.1 Helo command rejected: host not found"},
		{value: "permit_mynetworks, reject_rbl_client zen.test", want: "554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.test; x"},
		{value: "permit_mynetworks permit", want: "permit"},
		{value: "warn_if_reject", want: wrong},
		{value: "reject_rbl_client", want: wrong},
		{value: "check_client_access hash:x", want: wrong},
		{value: "check_client_access virtual", want: wrong},
		{value: "check_policy_service inet:127.0.0.1:1", want: wrong},
		{value: "permit_mx_backup", want: wrong},
		{value: "", want: wrong}, {value: " ", want: wrong}, {value: "REJCT", want: wrong}, {value: "FILTER x:y", want: wrong}, {value: "HANGUP", want: wrong},
		{value: "user@example.test", want: wrong},

		{value: "HOLD", want: "reject", effects: "hold Client host [192.0.2.1] triggers HOLD"},
		{value: "HOLD for a look", want: "reject", effects: "hold Client host [192.0.2.1] for a look"},
		{value: "DISCARD", want: "discard", effects: "discard Client host [192.0.2.1] triggers DISCARD"},
		{value: "REDIRECT x@else.test", want: "reject", effects: "redirect x@else.test"},
		{value: "REDIRECT nobody", want: "reject"},
		{value: "BCC x@else.test", want: "reject", effects: "bcc x@else.test"},
		{value: "BCC <", want: "reject"},
		{value: "PREPEND X-Seen: yes", want: "reject", effects: "prepend X-Seen: yes"},
		{value: "PREPEND X-Seen: yes\r\nBcc: x@else.test", want: "reject", effects: "prepend X-Seen: yesBcc: x@else.test"},
		{value: "PREPEND no field", want: "reject"},
		{value: "INFO look", want: "reject"},
		{value: "WARN look", want: "reject"},
	} {
		t.Run(c.value, func(t *testing.T) {
			f := &facts{tables: map[string]map[string]string{"hash:x": {"192.0.2.1": c.value}}, listed: map[string]string{"zen.test 192.0.2.1": "x"}}
			q := stranger(t, f, "", "a@ours.test")
			l := &Lists{Client: list(t, "check_client_access hash:x", "reject")}
			v := l.Rcpt(t.Context(), q)
			got := v.Action.String()
			switch {
			case v.Err() == nil && got == "dunno":
				got = "permit"
			case v.Err() != nil && v.Rule == "reject" && !strings.HasPrefix(c.value, "DEFER_IF"):
				got = "reject"
			case v.Err() != nil:
				got = reply.For(v.Err()).String()
			}
			if got != c.want || shown(q.Effects) != c.effects {
				t.Errorf("got %q, %q\nwant %q, %q", got, shown(q.Effects), c.want, c.effects)
			}
			if wrongValue := CheckAction(c.value) != nil; (c.want == wrong || c.value == "550") && !wrongValue || c.effects != "" && wrongValue {
				t.Errorf("CheckAction: %v", CheckAction(c.value))
			}
		})
	}
}

func shown(e *Effects) string {
	var out []string
	if e.Hold != "" {
		out = append(out, "hold "+e.Hold)
	}
	if e.Discard != "" {
		out = append(out, "discard "+e.Discard)
	}
	if e.Redirect != nil {
		out = append(out, "redirect "+e.Redirect.String())
	}
	for _, f := range e.Prepend {
		out = append(out, "prepend "+strings.TrimSuffix(string(f), "\r\n"))
	}
	for _, p := range e.Bcc {
		out = append(out, "bcc "+p.String())
	}
	return strings.Join(out, ", ")
}

// TestSubjectCodes: a code about addresses (x.1.x) fits what is refused (smtpd_dsn_fix.c).
func TestSubjectCodes(t *testing.T) {
	t.Parallel()
	for code, want := range map[string][3]string{ // sender, recipient, client
		"5.1.1": {"5.1.7", "5.1.1", "5.0.0"}, "5.1.2": {"5.1.8", "5.1.2", "5.0.0"}, "4.1.3": {"4.1.7", "4.1.3", "4.0.0"},
		"5.1.4": {"5.1.7", "5.1.4", "5.0.0"}, "5.1.5": {"5.1.0", "5.1.5", "5.0.0"}, "5.1.6": {"5.1.7", "5.1.6", "5.0.0"},
		"5.1.7": {"5.1.7", "5.1.3", "5.0.0"}, "5.1.8": {"5.1.8", "5.1.2", "5.0.0"}, "5.1.10": {"5.1.0", "5.1.0", "5.0.0"},
		"5.7.1": {"5.7.1", "5.7.1", "5.7.1"}, "5.10.1": {"5.10.1", "5.10.1", "5.10.1"},
	} {
		got := [3]string{subject{who: theSender}.dsn(code), subject{who: theRecipient}.dsn(code), subject{who: theClient}.dsn(code)}
		if got != want {
			t.Errorf("%s: %v, want %v", code, got, want)
		}
	}
}

// TestEffects: what is wanted of the message is kept once over its recipients, and bounded; without a place for it nothing
// passes as if it had not been said.
func TestEffects(t *testing.T) {
	t.Parallel()
	f := &facts{tables: map[string]map[string]string{"hash:x": {"192.0.2.1": "PREPEND X-Seen: yes", "client.test": "BCC b@else.test"}}}
	l := &Lists{Client: list(t, "check_client_access hash:x"), Helo: list(t, "check_client_a_access hash:x")}
	f.addrs = map[string]string{"client.test": "192.0.2.1"}
	e := new(Effects)
	for range 3 {
		q := stranger(t, f, "", "a@ours.test")
		q.Effects = e
		if err := l.Rcpt(t.Context(), q).Err(); err != nil {
			t.Fatal(err)
		}
	}
	if got := shown(e); got != "prepend X-Seen: yes, bcc b@else.test" {
		t.Errorf("got %q", got)
	}
	q := stranger(t, f, "", "a@ours.test")
	if q.Effects = nil; reply.For(l.Rcpt(t.Context(), q).Err()).Code != 451 {
		t.Error("without Effects a PREPEND is lost")
	}
	q = stranger(t, f, "", "a@ours.test")
	for i := range maxEffects {
		q.Effects.Bcc = append(q.Effects.Bcc, address(t, fmt.Sprintf("b%d@else.test", i)))
	}
	if reply.For(l.Rcpt(t.Context(), q).Err()).Code != 451 {
		t.Error("effects are not bounded")
	}
}

// TestDiscard: once the message is thrown away nothing is asked any more, of any recipient.
func TestDiscard(t *testing.T) {
	t.Parallel()
	f := &facts{tables: map[string]map[string]string{"hash:x": {"a@ours.test": "DISCARD"}}}
	l := &Lists{Relay: list(t, "check_recipient_access hash:x", "reject_unauth_destination"), Client: list(t, "reject")}
	q := stranger(t, f, "", "b@ours.test")
	if v := l.Rcpt(t.Context(), q); v.Action != Reject {
		t.Errorf("before: %+v", v)
	}
	q.To = address(t, "a@ours.test")
	if v := l.Rcpt(t.Context(), q); v.Action != Discard || v.Err() != nil || q.Effects.Discard == "" {
		t.Errorf("%+v", v)
	}
	asked := len(f.asked)
	q.To = address(t, "b@ours.test")
	if v := l.Rcpt(t.Context(), q); v.Action != Discard || len(f.asked) != asked {
		t.Errorf("after: %+v, asked %q", v, f.asked[asked:])
	}
}

func FuzzParseList(f *testing.F) {
	f.Add("reject_rbl_client zen.test=127.0.0.[2..11]")
	f.Add("warn_if_reject reject_unauth_destination")
	f.Add("check_policy_service { inet:127.0.0.1:1, timeout=1s }")
	f.Add("inline:{a=b, {c = d e}}")
	f.Add("permit\x00")
	f.Fuzz(func(t *testing.T, entry string) {
		for _, word := range []string{"", "check_helo_access"} {
			l, problems := parseList([]string{entry}, word)
			if len(l)+len(problems) != 1 {
				t.Fatalf("%q: %d rules, %d problems", entry, len(l), len(problems))
			}
			for _, r := range l {
				if r.judge == nil && r.dns == nil {
					t.Fatalf("%q: a rule that judges nothing", entry)
				}
			}
		}
	})
}

// FuzzActions: whatever a table or a policy server says, the reply is one line that fits, with codes that agree, and what
// cannot be read does not let mail through.
func FuzzActions(f *testing.F) {
	for _, s := range []string{"OK", "REJECT 5.1.1 x", "450 4.7.1 x", "PREPEND A: b\r\nC: d", "REDIRECT a@b.test", "defer_if_permit, reject", "BCC \"a b\"@c.test", "599 \xff"} {
		f.Add(s)
	}
	l := &Lists{Relay: List{}, Client: list(f, "check_client_access hash:x"), Recipient: list(f, "check_policy_service unix:/p")}
	f.Fuzz(func(t *testing.T, value string) {
		fact := &facts{tables: map[string]map[string]string{"hash:x": {"192.0.2.1": value}}, action: value}
		q := stranger(t, fact, "", "a@ours.test")
		v := l.Rcpt(t.Context(), q)
		if err := v.Err(); err != nil {
			r := reply.For(err)
			wire := r.String()
			if r.Code < 400 || r.Code > 599 || !mailCode(r) || len(wire) > 500 || strings.ContainsFunc(wire, func(c rune) bool { return c < ' ' || c > '~' }) {
				t.Errorf("%q: %q", value, wire)
			}
		} else if _, wrong := parseAction(value); wrong != nil && len(q.Noted) == 0 {
			t.Errorf("%q passes", value)
		}
		for _, field := range q.Effects.Prepend {
			if !strings.HasSuffix(string(field), "\r\n") || strings.ContainsAny(strings.TrimSuffix(string(field), "\r\n"), "\r\n\x00") {
				t.Errorf("%q: %q", value, field)
			}
		}
		if r := q.Effects.Redirect; r != nil {
			if _, err := mail.ParseAddress(r.String()); err != nil {
				t.Errorf("%q: %v", value, err)
			}
		}
	})
}

// mailCode reports an enhanced code of the class of its reply.
func mailCode(r reply.Reply) bool { return isDSN(r.Enhanced) && int(r.Enhanced[0]-'0') == r.Code/100 }
