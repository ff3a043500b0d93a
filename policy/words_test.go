// SPDX-License-Identifier: MIT

package policy

import (
	"testing"

	"posthouse/mail"
	"posthouse/reply"
)

// TestWords has a row for what each word does, the reply as the wire has it. "permit" in want: the list ends at the word;
// "": it goes on. The codes are those of smtpd_check.c with the defaults of postconf(5).
func TestWords(t *testing.T) {
	t.Parallel()
	const ours, else_ = "a@ours.test", "a@else.test"
	for _, c := range []struct {
		word     string
		client   func(*mail.Client)
		from, to string
		facts    facts
		data     bool // at DATA
		taken    int  // recipients so far
		want     string
	}{
		{word: "permit", want: "permit"},
		{word: "REJECT", want: "554 5.7.1 Rejected by policy"},
		{word: "defer", want: "450 4.3.2 Deferred by policy, please try again later"},
		{word: "permit_mynetworks"},
		{word: "permit_mynetworks", facts: facts{trusted: true}, want: "permit"},
		{word: "permit_inet_interfaces"},
		{word: "permit_inet_interfaces", facts: facts{local: true}, want: "permit"},
		{word: "permit_sasl_authenticated"},
		{word: "permit_sasl_authenticated", client: login, want: "permit"},
		{word: "reject_plaintext_session", want: "450 4.7.1 Session encryption is required"},
		{word: "reject_plaintext_session", client: func(c *mail.Client) { c.TLS = "TLSv1.3 x" }},
		{word: "reject_unauth_pipelining"},
		{word: "reject_unauth_pipelining", client: func(c *mail.Client) { c.Early = true }, want: "503 5.5.0 Improper use of SMTP command pipelining"},
		{word: "reject_unauth_pipelining", data: true, client: func(c *mail.Client) { c.Early = true }, want: "503 5.5.0 Improper use of SMTP command pipelining"},
		{word: "reject_multi_recipient_bounce", taken: 0},
		{word: "reject_multi_recipient_bounce", taken: 1, want: "550 5.5.3 Recipient address rejected: a bounce goes to one recipient"},
		{word: "reject_multi_recipient_bounce", taken: 1, from: else_},
		{word: "reject_multi_recipient_bounce", taken: 1, data: true},
		{word: "reject_multi_recipient_bounce", taken: 2, data: true, want: "550 5.5.3 Recipient address rejected: a bounce goes to one recipient"},
		{word: "check_greylist"},
		{word: "check_greylist", data: true, facts: facts{wait: true}},
		{word: "check_greylist", facts: facts{wait: true}, want: "450 4.2.0 Recipient address rejected: Greylisted, try again in 300 seconds"},

		{word: "reject_unknown_client_hostname"},
		{word: "reject_unknown_client", client: nameless, want: "450 4.7.25 Client host rejected: cannot find your hostname, [192.0.2.1]"},
		{word: "reject_unknown_reverse_client_hostname", client: nameless, facts: facts{names: []string{"Other.test."}}},
		{word: "reject_unknown_reverse_client_hostname", want: "450 4.7.1 Client host rejected: cannot find your reverse hostname, [192.0.2.1]"},
		{word: "reject_unknown_reverse_client_hostname", facts: facts{names: []string{}}, want: "450 4.7.1 Client host rejected: cannot find your reverse hostname, [192.0.2.1]"},
		{word: "reject_unknown_reverse_client_hostname", facts: facts{names: []string{"no name"}}, want: "450 4.7.1 Client host rejected: cannot find your reverse hostname, [192.0.2.1]"},

		{word: "reject_invalid_helo_hostname", client: helloes("")},
		{word: "reject_invalid_helo_hostname", client: helloes("[192.0.2.1]")},
		{word: "reject_invalid_helo_hostname", client: helloes("[IPv6:2001:db8::1]")},
		{word: "reject_invalid_hostname", client: helloes("a..b"), want: "501 5.5.2 Helo command rejected: invalid name"},
		{word: "reject_non_fqdn_helo_hostname", client: helloes("pc"), want: "504 5.5.2 Helo command rejected: need fully-qualified hostname"},
		{word: "reject_non_fqdn_helo_hostname", client: helloes("[nonsense]"), want: "501 5.5.2 Helo command rejected: invalid name"},
		{word: "reject_unknown_helo_hostname", client: helloes("")},
		{word: "reject_unknown_helo_hostname", facts: facts{exists: []string{"client.test"}}},
		{word: "reject_unknown_helo_hostname", facts: facts{nullMX: "client.test"}},
		{word: "reject_unknown_helo_hostname", want: "450 4.7.1 Helo command rejected: host not found"},
		{word: "reject_unknown_hostname", client: helloes("trouble.test"), want: "450 4.7.1 Helo command rejected: host not found"},
		{word: "reject_unknown_helo_hostname", client: helloes("[192.0.2.9]")},
		{word: "reject_unknown_helo_hostname", client: helloes("[x"), want: "501 5.5.2 Helo command rejected: invalid name"},

		{word: "permit_auth_destination"},
		{word: "permit_auth_destination", facts: facts{authorised: "ours.test"}, want: "permit"},
		{word: "permit_auth_destination", data: true, facts: facts{authorised: "ours.test"}},
		{word: "reject_unauth_destination", want: "554 5.7.1 Relay access denied"},
		{word: "reject_unauth_destination", facts: facts{authorised: "ours.test"}},
		{word: "reject_unauth_destination", data: true},
		{word: "reject_unauth_destination", to: "victim%else.test@ours.test", facts: facts{authorised: "ours.test"}, want: "554 5.7.1 Relay access denied"},
		{word: "reject_unauth_destination", to: "else.test!victim@ours.test", facts: facts{authorised: "ours.test"}, want: "554 5.7.1 Relay access denied"},
		{word: "defer_unauth_destination", to: `"victim@else.test"@ours.test`, facts: facts{authorised: "ours.test"}, want: "454 4.7.1 Relay access denied"},

		{word: "reject_non_fqdn_sender"},
		{word: "reject_non_fqdn_sender", from: "a@pc", want: "504 5.5.2 Sender address rejected: need fully-qualified address"},
		{word: "reject_non_fqdn_sender", from: "a@[192.0.2.1]"},
		{word: "reject_non_fqdn_recipient", to: "a@pc", want: "504 5.5.2 Recipient address rejected: need fully-qualified address"},
		{word: "reject_unknown_sender_domain"},
		{word: "reject_unknown_sender_domain", from: "a@[192.0.2.1]"},
		{word: "reject_unknown_sender_domain", from: "a@gone.test", want: "450 4.1.8 Sender address rejected: domain not found"},
		{word: "reject_unknown_sender_domain", from: "a@trouble.test", want: "450 4.1.8 Sender address rejected: domain not found (temporary look-up problem)"},
		{word: "reject_unknown_sender_domain", from: "a@null.test", facts: facts{nullMX: "null.test"}, want: "550 5.7.27 Sender address rejected: domain does not accept mail (null MX)"},
		{word: "reject_unknown_address", from: "a@ours.test", facts: facts{final: "ours.test"}},
		{word: "reject_unknown_recipient_domain", want: "450 4.1.2 Recipient address rejected: domain not found"},
		{word: "reject_unknown_recipient_domain", facts: facts{final: "ours.test"}},
		{word: "reject_unknown_recipient_domain", facts: facts{nullMX: "ours.test"}, want: "556 5.1.10 Recipient address rejected: domain does not accept mail (null MX)"},
		{word: "reject_unlisted_recipient", facts: facts{deliverable: true}},
		{word: "check_recipient_maps", want: "550 5.1.1 Recipient address rejected: user unknown"},
		{word: "reject_unlisted_sender"},
		{word: "reject_unlisted_sender", from: else_},
		{word: "reject_unlisted_sender", from: ours, facts: facts{final: "ours.test"}, want: "550 5.1.7 Sender address rejected: user unknown"},
		{word: "reject_unverified_sender", facts: facts{verify: reply.UnknownUser}},
		{word: "reject_unverified_sender", from: else_},
		{word: "reject_unverified_sender", from: else_, facts: facts{verify: reply.UnknownUser.With("who\x00 is\r\n250 that")},
			want: "450 4.1.7 Sender address rejected: undeliverable address: who? is 250 that"},
		{word: "reject_unverified_recipient", facts: facts{verify: reply.NoContact}, want: "450 4.1.1 Recipient address rejected: unverified address: No answer from host"},

		{word: "reject_rbl_client zen.test", facts: facts{listed: map[string]string{"zen.test 192.0.2.1": "see https://zen.test"}},
			want: "554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.test; see https://zen.test"},
		{word: "reject_rbl_client zen.test"},
		{word: "reject_rbl_client trouble.test"},
		{word: "reject_rbl zen.test=127.0.0.[2..11]", facts: facts{listed: map[string]string{"zen.test=127.0.0.[2..11] 192.0.2.1": ""}},
			want: "554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.test"},
		{word: "reject_rhsbl_client dbl.test", facts: facts{listed: map[string]string{"dbl.test client.test": "x"}},
			want: "554 5.7.1 Service unavailable; Client host [client.test] blocked using dbl.test; x"},
		{word: "reject_rhsbl_reverse_client dbl.test", facts: facts{names: []string{"rev.test"}, listed: map[string]string{"dbl.test rev.test": "x"}},
			want: "554 5.7.1 Service unavailable; Unverified client host [rev.test] blocked using dbl.test; x"},
		{word: "reject_rhsbl_helo dbl.test", facts: facts{listed: map[string]string{"dbl.test client.test": "x"}},
			want: "554 5.7.1 Service unavailable; Helo command [client.test] blocked using dbl.test; x"},
		{word: "reject_rhsbl_helo dbl.test", client: helloes("192.0.2.1"), facts: facts{listed: map[string]string{"dbl.test 192.0.2.1": "x"}}},
		{word: "reject_rhsbl_sender dbl.test", from: "x@else.test", facts: facts{listed: map[string]string{"dbl.test else.test": "x"}},
			want: "554 5.7.1 Service unavailable; Sender address [x@else.test] blocked using dbl.test; x"},
		{word: "reject_rhsbl_sender dbl.test", facts: facts{listed: map[string]string{"dbl.test ": "x"}}},
		{word: "reject_rhsbl_recipient dbl.test", facts: facts{listed: map[string]string{"dbl.test ours.test": "x"}},
			want: "554 5.7.1 Service unavailable; Recipient address [a@ours.test] blocked using dbl.test; x"},
		{word: "permit_dnswl_client wl.test", facts: facts{authorised: "ours.test", listed: map[string]string{"wl.test 192.0.2.1": ""}}, want: "permit"},
		{word: "permit_dnswl_client wl.test", facts: facts{listed: map[string]string{"wl.test 192.0.2.1": ""}}},
		{word: "permit_dnswl_client wl.test", data: true, facts: facts{listed: map[string]string{"wl.test 192.0.2.1": ""}}, want: "permit"},
		{word: "permit_rhswl_client wl.test", facts: facts{authorised: "ours.test", listed: map[string]string{"wl.test client.test": ""}}, want: "permit"},
		{word: "permit_rhswl_client wl.test", client: nameless, facts: facts{authorised: "ours.test", listed: map[string]string{"wl.test unknown": ""}}},

		{word: "check_policy_service inet:127.0.0.1:10023", facts: facts{action: "dunno"}},
		{word: "check_policy_service inet:127.0.0.1:10023", facts: facts{action: "OK"}, want: "permit"},
		{word: "check_policy_service inet:127.0.0.1:10023", facts: facts{action: "550 5.7.23 SPF fail"}, want: "550 5.7.23 Recipient address [a@ours.test] rejected: SPF fail"},
		{word: "check_policy_service unix:/run/policy", want: "451 4.3.5 Recipient address [a@ours.test] rejected: Server configuration problem"},
		{word: "check_policy_service { unix:/run/policy, default_action=DUNNO }"},
		{word: "check_policy_service { unix:/run/policy { default_action = REJECT 5.1.1 gone } }", want: "554 5.1.1 Recipient address [a@ours.test] rejected: gone"},
	} {
		t.Run(c.word+" "+c.want, func(t *testing.T) {
			if c.to == "" {
				c.to = ours
			}
			judge := func(words ...string) error {
				q := stranger(t, &c.facts, c.from, c.to)
				q.Env = &mail.Envelope{Recipients: make([]mail.Recipient, c.taken)}
				if c.client != nil {
					c.client(q.Client)
				}
				if c.data {
					q.Stage, q.To = Data, mail.Path{}
					return (&Lists{Data: list(t, words...)}).AtData(t.Context(), q).Err()
				}
				return (&Lists{Recipient: list(t, words...)}).Rcpt(t.Context(), q).Err()
			}
			got := ""
			if err := judge(c.word); err != nil {
				got = reply.For(err).String()
			} else if judge(c.word, "reject") == nil {
				got = "permit"
			}
			if got != c.want {
				t.Errorf("got %q\nwant %q", got, c.want)
			}
		})
	}
}

func login(c *mail.Client)    { c.Login = "u" }
func nameless(c *mail.Client) { c.Name = "" }

func helloes(name string) func(*mail.Client) { return func(c *mail.Client) { c.HELO = name } }

// TestNames: which names are valid, and which fully qualified.
func TestNames(t *testing.T) {
	t.Parallel()
	for name, want := range map[string][2]bool{
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
