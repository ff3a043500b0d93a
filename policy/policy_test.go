// SPDX-License-Identifier: MIT

package policy

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"posthouse/mail"
	"posthouse/reply"
)

// facts answers what a test told it; a name that it was not told does not exist.
type facts struct {
	Facts
	trusted     bool
	authorised  string // domain
	final       string
	exists      []string
	trouble     string // domain whose look-up fails
	deliverable bool
	asked       []string
}

func (f *facts) Trusted(*mail.Client) bool { return f.trusted }
func (f *facts) Authorised(to mail.Path) bool {
	return to.Domain() == f.authorised && !Routed(to)
}
func (f *facts) Final(domain string) bool { return domain == f.final }

func (f *facts) Resolves(_ context.Context, domain string) (bool, error) {
	f.asked = append(f.asked, domain)
	if domain == f.trouble {
		return false, errors.New("SERVFAIL")
	}
	return slices.Contains(f.exists, domain), nil
}

func (f *facts) Deliverable(context.Context, mail.Path) (bool, error) { return f.deliverable, nil }

func address(t *testing.T, s string) mail.Path {
	t.Helper()
	p, err := mail.ParseAddress(s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func list(t *testing.T, words ...string) List {
	t.Helper()
	l, problems := ParseList(words)
	if len(problems) > 0 {
		t.Fatalf("ParseList(%q): %v", words, problems)
	}
	return l
}

func TestRules(t *testing.T) {
	t.Parallel()
	ours := &facts{authorised: "ours.test", final: "ours.test", exists: []string{"else.test"}, trouble: "servfail.test"}
	for _, c := range []struct {
		name     string
		words    []string
		client   mail.Client
		from, to string
		facts    *facts
		want     reply.Reply
	}{
		{name: "empty list permits", to: "a@else.test", facts: ours},
		{name: "reject", words: []string{"reject"}, to: "a@ours.test", facts: ours, want: reply.Rejected},
		{name: "defer", words: []string{"defer"}, to: "a@ours.test", facts: ours, want: reply.Deferred},
		{name: "permit ends the list", words: []string{"permit", "reject"}, to: "a@else.test", facts: ours},
		{name: "mynetworks", words: []string{"permit_mynetworks", "reject"}, to: "a@else.test", facts: &facts{trusted: true}},
		{name: "not mynetworks", words: []string{"permit_mynetworks", "reject"}, to: "a@else.test", facts: ours, want: reply.Rejected},
		{name: "login", words: []string{"permit_sasl_authenticated", "reject"}, client: mail.Client{Login: "u"}, to: "a@else.test", facts: ours},
		{name: "authorised destination", words: []string{"permit_auth_destination", "reject"}, to: "a@ours.test", facts: ours},
		{name: "foreign destination", words: []string{"reject_unauth_destination"}, to: "a@else.test", facts: ours, want: reply.RelayDenied},
		{name: "own destination", words: []string{"reject_unauth_destination"}, to: "a@ours.test", facts: ours},
		{name: "foreign destination, defer", words: []string{"defer_unauth_destination"}, to: "a@else.test", facts: ours, want: reply.RelayDeferred},
		{name: "early talker", words: []string{"reject_unauth_pipelining"}, client: mail.Client{Early: true}, to: "a@ours.test", facts: ours, want: reply.EarlyTalker},
		{name: "helo of nonsense", words: []string{"reject_invalid_helo_hostname"}, client: mail.Client{HELO: "a..b"}, to: "a@ours.test", facts: ours, want: reply.InvalidHelo},
		{name: "helo literal", words: []string{"reject_invalid_helo_hostname"}, client: mail.Client{HELO: "[192.0.2.1]"}, to: "a@ours.test", facts: ours},
		{name: "helo IPv6 literal", words: []string{"reject_invalid_helo_hostname"}, client: mail.Client{HELO: "[IPv6:2001:db8::1]"}, to: "a@ours.test", facts: ours},
		{name: "helo short", words: []string{"reject_non_fqdn_helo_hostname"}, client: mail.Client{HELO: "pc"}, to: "a@ours.test", facts: ours, want: reply.NonFQDNHelo},
		{name: "short sender", words: []string{"reject_non_fqdn_sender"}, from: "a@pc", to: "a@ours.test", facts: ours, want: reply.NonFQDNSender},
		{name: "null sender is whole", words: []string{"reject_non_fqdn_sender", "reject_unknown_sender_domain"}, to: "a@ours.test", facts: ours},
		{name: "short recipient", words: []string{"reject_non_fqdn_recipient"}, to: "a@pc", facts: ours, want: reply.NonFQDNRecipient},
		{name: "unknown sender domain", words: []string{"reject_unknown_sender_domain"}, from: "a@gone.test", to: "a@ours.test", facts: ours, want: reply.UnknownSenderDom},
		{name: "known sender domain", words: []string{"reject_unknown_sender_domain"}, from: "a@else.test", to: "a@ours.test", facts: ours},
		{name: "DNS trouble defers", words: []string{"reject_unknown_sender_domain"}, from: "a@servfail.test", to: "a@ours.test", facts: ours, want: reply.RestrictionTrouble},
		{name: "DNS trouble, but a reject wins", words: []string{"reject_unknown_sender_domain", "reject_unauth_destination"}, from: "a@servfail.test",
			to: "a@else.test", facts: ours, want: reply.RelayDenied},
		{name: "own domain is not looked up", words: []string{"reject_unknown_recipient_domain"}, to: "a@ours.test", facts: ours},
		{name: "unknown recipient domain", words: []string{"reject_unknown_recipient_domain"}, to: "a@gone.test", facts: ours, want: reply.UnknownRcptDom},
		{name: "unlisted", words: []string{"reject_unlisted_recipient"}, to: "a@ours.test", facts: ours, want: reply.UnknownUser},
		{name: "in any case", words: []string{"REJECT"}, to: "a@ours.test", facts: ours, want: reply.Rejected},
		{name: "permit_mynetworks does not undo DNS trouble", words: []string{"reject_unknown_sender_domain", "permit"}, from: "a@servfail.test",
			to: "a@ours.test", facts: ours, want: reply.RestrictionTrouble},
		{name: "defer_if_permit", words: []string{"defer_if_permit", "permit"}, to: "a@ours.test", facts: ours, want: reply.Deferred},
		{name: "defer_if_permit, rejected", words: []string{"defer_if_permit", "reject"}, to: "a@ours.test", facts: ours, want: reply.Rejected},
		{name: "warn_if_reject and DNS trouble", words: []string{"warn_if_reject reject_unknown_sender_domain"}, from: "a@servfail.test",
			to: "a@ours.test", facts: ours},
		{name: "warn_if_reject permits all the same", words: []string{"warn_if_reject permit", "reject"}, to: "a@ours.test", facts: ours},
		{name: "percent hack", words: []string{"reject_unauth_destination"}, to: "victim%else.test@ours.test", facts: ours, want: reply.RelayDenied},
		{name: "bang path", words: []string{"reject_unauth_destination"}, to: "else.test!victim@ours.test", facts: ours, want: reply.RelayDenied},
		{name: "quoted at", words: []string{"defer_unauth_destination"}, to: `"victim@else.test"@ours.test`, facts: ours, want: reply.RelayDeferred},
		{name: "no helo", words: []string{"reject_invalid_helo_hostname", "reject_non_fqdn_helo_hostname"}, to: "a@ours.test", facts: ours},
		{name: "warn_if_reject only warns", words: []string{"warn_if_reject reject"}, to: "a@ours.test", facts: ours},
	} {
		t.Run(c.name, func(t *testing.T) {
			q := &Question{Stage: Rcpt, Client: &c.client, To: address(t, c.to), Facts: c.facts}
			if c.from != "" {
				q.From = address(t, c.from)
			}
			err := (&Lists{Recipient: list(t, c.words...)}).Rcpt(t.Context(), q).Err()
			if c.want.Code == 0 {
				if err != nil {
					t.Fatalf("refused: %v", err)
				}
				return
			}
			if err == nil {
				t.Fatalf("passed, want %v", c.want)
			}
			if got := reply.For(err); got.String() != c.want.String() {
				t.Fatalf("got %v, want %v", got, c.want)
			}
		})
	}
}

// A permit of relay_restrictions only ends that list: recipient_restrictions are judged all the same.
func TestRelayPermitDoesNotSkipRecipient(t *testing.T) {
	t.Parallel()
	q := &Question{Client: &mail.Client{}, To: address(t, "a@ours.test"), Facts: &facts{}}
	err := (&Lists{Relay: list(t, "permit"), Recipient: list(t, "reject")}).Rcpt(t.Context(), q).Err()
	if !reply.For(err).Permanent() || !strings.Contains(err.Error(), "restriction reject") {
		t.Fatalf("got %v", err)
	}
}

// The safe default defers strangers that relay, and asks DNS nothing.
func TestDefaultRelay(t *testing.T) {
	t.Parallel()
	f := &facts{authorised: "ours.test"}
	q := &Question{Client: &mail.Client{}, To: address(t, "a@else.test"), Facts: f}
	if got := reply.For((&Lists{Relay: list(t, DefaultRelay()...)}).Rcpt(t.Context(), q).Err()); got.String() != reply.RelayDeferred.String() {
		t.Fatalf("got %v", got)
	}
	if len(f.asked) > 0 {
		t.Fatalf("asked DNS for %q", f.asked)
	}
}

func TestParseListProblems(t *testing.T) {
	t.Parallel()
	for entry, want := range map[string]string{
		"reject_everything":                "unknown restriction",
		"permit_mynetworks now":            "takes 0 arguments",
		"reject_rbl_client":                "takes 1 arguments",
		"":                                 "names no rule",
		"warn_if_reject":                   "names no rule",
		"reject_rbl_client zen.test":       "not enforced yet",
		"reject_unknown_helo_hostname":     "not enforced yet",
		"warn_if_reject reject_rbl_client": "takes 1 arguments",
		"check_sender_mx_access hash:x":    "not enforced yet",
		"check_everything_access hash:x":   "unknown restriction",
		"check_policy_service { inet:127.0.0.1:10023, timeout=10s }": "not enforced yet",
		"reject_unknown_client": "not enforced yet",
	} {
		l, problems := ParseList([]string{"permit", entry})
		if len(l) != 1 || len(problems) != 1 || problems[0].Index != 1 || !strings.Contains(problems[0].Err.Error(), want) {
			t.Errorf("%q: list %d, problems %v; want %q", entry, len(l), problems, want)
		}
	}
}

// The lists must hold a refusal before an unconditional permit, whatever stands around it.
func TestRefuses(t *testing.T) {
	t.Parallel()
	for words, want := range map[string]bool{
		"permit_mynetworks reject_unauth_destination": true,
		"permit reject_unauth_destination":            false,
		"permit_mynetworks":                           false,
		"defer_unauth_destination permit":             true,
		"":                                            false,
	} {
		if got := refuses(strings.Fields(words)); got != want {
			t.Errorf("refuses(%q) = %v", words, got)
		}
	}
	if refuses([]string{"warn_if_reject reject"}) {
		t.Error("a rule that only warns refuses nothing")
	}
}

// TestExample has the lists of the example cluster: which words are enforced, and which make a start ask for leave.
func TestExample(t *testing.T) {
	t.Parallel()
	entries := []string{
		"permit_mynetworks", "reject_invalid_helo_hostname", "reject_non_fqdn_recipient", "reject_unknown_recipient_domain",
		"reject_unauth_pipelining", "reject_unauth_destination", "reject_rbl_client zen.spamhaus.org=127.0.0.[2..11]",
		"reject_rhsbl_sender dbl.spamhaus.org=127.0.1.[2..99]", "reject_rhsbl_helo dbl.spamhaus.org=127.0.1.[2..99]",
		"reject_rhsbl_reverse_client dbl.spamhaus.org=127.0.1.[2..99]",
		"warn_if_reject reject_rbl_client zen.spamhaus.org=127.255.255.[1..255]", "permit",
	}
	l, problems := ParseList(entries)
	if len(l) != 7 || len(problems) != 5 {
		t.Fatalf("%d rules, problems %v", len(l), problems)
	}
	for _, p := range problems {
		if !p.Unenforced || weakens(entries[p.Index]) != (p.Index != 10) {
			t.Errorf("%s: %+v, weakens %v", entries[p.Index], p, weakens(entries[p.Index]))
		}
	}
	if !refuses(entries) {
		t.Error("the list refuses to relay")
	}
}

// TestWarned notes what would have been refused, and by which words.
func TestWarned(t *testing.T) {
	t.Parallel()
	client := &mail.Client{Addr: netip.MustParseAddrPort("192.0.2.1:25"), HELO: "there.test"}
	q := &Question{Client: client, To: address(t, "a@ours.test"), From: address(t, "a@servfail.test"), Facts: &facts{trouble: "servfail.test"}}
	l := &Lists{Relay: list(t, "warn_if_reject reject"), Recipient: list(t, "warn_if_reject reject_unknown_sender_domain")}
	if err := l.Rcpt(t.Context(), q).Err(); err != nil {
		t.Fatal(err)
	}
	if len(q.Warned) != 2 || q.Warned[0].Rule != "reject" || q.Warned[1].Rule != "reject_unknown_sender_domain" || q.Warned[1].Action != Defer {
		t.Errorf("%+v", q.Warned)
	}
	var log strings.Builder
	q.LogWarned(slog.New(slog.NewTextHandler(&log, nil)), "ID1")
	for _, want := range []string{
		`id=ID1 client=192.0.2.1 helo=there.test from=a@servfail.test to=a@ours.test reply="554 5.7.1`, "rule=reject\n", "rule=reject_unknown_sender_domain\n",
	} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("no %s in\n%s", want, &log)
		}
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	for name, want := range map[string][2]bool{ // valid, fully qualified
		"mx.test": {true, true}, "mx.test.": {true, true}, "pc": {true, false}, "a_b.test": {true, true}, "1.test": {true, true},
		"192.0.2.1": {true, false}, "2001:db8::1": {true, false}, "1.2.3": {false, false}, "[192.0.2.1]": {true, true},
		"[IPv6:2001:db8::1]": {true, true}, "[2001:db8::1]": {false, false}, "[x]": {false, false}, "[": {false, false},
		"-a.test": {false, false}, "a-.test": {false, false}, "a..test": {false, false}, ".": {false, false}, "": {false, false},
		"a b.test": {false, false}, "é.test": {false, false},
	} {
		if got := [2]bool{validHelo(name), fqdn(name)}; got != want {
			t.Errorf("%q: %v; want %v", name, got, want)
		}
	}
}

func FuzzParseList(f *testing.F) {
	f.Add("reject_rbl_client zen.test=127.0.0.[2..11]")
	f.Add("warn_if_reject reject_unauth_destination")
	f.Add("permit\x00")
	f.Fuzz(func(t *testing.T, entry string) {
		l, problems := ParseList([]string{entry})
		if len(l)+len(problems) != 1 {
			t.Fatalf("%q: %d rules, %d problems", entry, len(l), len(problems))
		}
		for _, r := range l {
			if r.judge == nil {
				t.Fatalf("%q: a rule that judges nothing", entry)
			}
		}
	})
}
