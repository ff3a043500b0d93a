// SPDX-License-Identifier: MIT

package policy

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"posthouse/config"
	"posthouse/reply"
)

func TestParseListProblems(t *testing.T) {
	t.Parallel()
	for entry, want := range map[string]string{
		"reject_everything":                                    `unknown restriction "reject_everything"`,
		"permit_mynetworks now":                                `"now" stands behind permit_mynetworks: each`,
		"permit_mynetworks, reject_unauth_destination":         "each restriction is an entry of its own",
		"reject_rbl_client":                                    "reject_rbl_client needs the name of a DNS list behind it",
		"reject_rbl_client zen.test other.test":                `"other.test" stands behind reject_rbl_client zen.test`,
		"":                                                     "names no restriction",
		"warn_if_reject":                                       "names no restriction",
		"warn_if_reject reject_rbl_client":                     "needs the name",
		"reject_rbl_client zen.test=127.0.0":                   "reject_rbl_client",
		"reject_rbl_client zen.test=1.2.3.4":                   "reject_rbl_client",
		"reject_rbl_client -zen":                               "not the name of a list",
		"check_everything_access hash:x":                       "unknown restriction",
		"check_sasl_mx_access hash:x":                          "unknown restriction",
		"check_client_access":                                  "needs a table",
		"check_client_access nothing:x":                        `"nothing" is no kind of table`,
		"check_client_access inline:{a=b":                      "braces do not match",
		"check_policy_service":                                 "needs a server",
		"check_policy_service 127.0.0.1":                       "check_policy_service",
		"check_policy_service { inet:127.0.0.1:1, timeout=x }": "check_policy_service",
		"hash:alone":                                           "does not say what is looked up",
	} {
		l, problems := ParseList([]string{"permit", entry})
		if len(l) != 1 || len(problems) != 1 || problems[0].Index != 1 || !strings.Contains(problems[0].Err.Error(), want) {
			t.Errorf("%q: list %d, problems %v; want %q", entry, len(l), problems, want)
		}
	}
}

// TestUnenforced: Postfix's words that are read and not judged, and those of them whose loss lets more in.
func TestUnenforced(t *testing.T) {
	t.Parallel()
	for entry, weakened := range map[string]bool{
		"permit_mx_backup": false, "permit_tls_clientcerts": false, "permit_tls_all_clientcerts": false, "sleep 1": false,
		"check_etrn_access hash:x": false, "check_ccert_access hash:x": true, "reject_sender_login_mismatch": true,
		"reject_known_sender_login_mismatch": true, "reject_authenticated_sender_login_mismatch": true,
		"reject_unauthenticated_sender_login_mismatch": true,
	} {
		l, problems := ParseList([]string{entry})
		if len(l) != 0 || len(problems) != 1 || !problems[0].Unenforced || weakens(entry) != weakened {
			t.Errorf("%q: %v %v, weakens %v", entry, l, problems, weakens(entry))
		}
	}
}

// section is a service's with lists, as far as this package knows it.
type section struct {
	Restrictions Config `yaml:",inline"`
}

// validate parses a section and returns what there is to complain of.
func validate(text string) (Config, string) {
	var s section
	s.Restrictions.SetDefaults()
	_, report := config.Parse("x.yaml", []byte(text), &s)
	var out []string
	for _, p := range report.Problems {
		out = append(out, strings.SplitN(p.String(), "\n", 2)[0])
	}
	return s.Restrictions, strings.Join(out, "\n")
}

func TestValidate(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"{}":                     "",
		"relay_restrictions: []": "x.yaml:1:1: relay_restrictions: nothing refuses to relay for strangers",
		"relay_restrictions: [permit, reject_unauth_destination]":                                                     "x.yaml:1:30: relay_restrictions[1]: reject_unauth_destination is never asked: permit stands before it",
		"relay_restrictions: [warn_if_reject permit, reject_unauth_destination]":                                      "x.yaml:1:45: relay_restrictions[1]: reject_unauth_destination is never asked",
		"relay_restrictions: [warn_if_reject reject]":                                                                 "nothing refuses to relay",
		"relay_restrictions: [permit_mynetworks, REJECT]":                                                             "",
		"relay_restrictions: [reject_unauth_destination, permit]":                                                     "",
		"relay_restrictions: [defer]":                                                                                 "",
		"recipient_restrictions: [permit, reject_unauth_destination]":                                                 "x.yaml:1:34: recipient_restrictions[1]: reject_unauth_destination is never asked",
		"recipient_restrictions: [reject, permit]":                                                                    "warning: recipient_restrictions[1]: permit is never asked: reject stands before it",
		"client_restrictions: [permit, reject_rbl_client zen.test]":                                                   "warning: client_restrictions[1]: reject_rbl_client zen.test is never asked: permit",
		"data_restrictions: [reject_unauth_piplining]":                                                                `x.yaml:1:21: data_restrictions[0]: unknown restriction "reject_unauth_piplining"`,
		"client_restrictions: ['hash:access']":                                                                        "",
		"helo_restrictions: ['hash:access', 'inline:{a=b, {c = d e}}']":                                               "",
		"data_restrictions: ['hash:access']":                                                                          `data_restrictions[0]: "hash:access" does not say what`,
		"sender_restrictions: [reject_sender_login_mismatch]":                                                         "reject_sender_login_mismatch is not enforced yet",
		"{relay_restrictions: [], recipient_restrictions: ['check_sender_access hash:x', reject_unauth_destination]}": "warning: recipient_restrictions[0]: an OK in hash:x",
		"{relay_restrictions: [], recipient_restrictions: [reject_unauth_destination, 'check_sender_access hash:x']}": "",
		"recipient_restrictions: ['check_sender_access hash:x', reject_unauth_destination]":                           "",
	} {
		if _, got := validate(text); got != want && (want == "" || !strings.Contains(got, want)) {
			t.Errorf("%s\ngot  %s\nwant %s", text, got, want)
		}
	}
}

// TestNames of what the lists need to be opened and watched, each once.
func TestNeeds(t *testing.T) {
	t.Parallel()
	c, complaints := validate(`
client_restrictions: ['check_client_access cidr:nets', 'reject_rbl_client zen.test=127.0.0.[2..11]', check_policy_service unix:/run/p]
recipient_restrictions: ['cidr:nets', 'warn_if_reject reject_rbl_client zen.test=127.255.255.[1..255]', reject_rhsbl_helo dbl.test, 'permit_dnswl_client zen.test=127.0.0.[2..11]']
sender_restrictions: ['check_sender_mx_access { inline:{a=b} }']
data_restrictions: [check_policy_service unix:/run/p]
`)
	got := fmt.Sprint(c.Tables(), c.Zones(), len(c.Servers()))
	want := "[cidr:nets] [zen.test=127.0.0.[2..11] zen.test=127.255.255.[1..255] dbl.test] 1"
	if got != want {
		t.Errorf("got  %s\nwant %s\n%s", got, want, complaints)
	}
}

// TestExample has the lists of the example cluster: all of it is enforced.
func TestExample(t *testing.T) {
	t.Parallel()
	c, complaints := validate(`
recipient_restrictions:
  - permit_mynetworks
  - reject_invalid_helo_hostname
  - reject_non_fqdn_recipient
  - reject_unknown_recipient_domain
  - reject_unauth_pipelining
  - reject_unauth_destination
  - reject_rbl_client zen.spamhaus.org=127.0.0.[2..11]
  - reject_rhsbl_sender dbl.spamhaus.org=127.0.1.[2..99]
  - reject_rhsbl_helo dbl.spamhaus.org=127.0.1.[2..99]
  - reject_rhsbl_reverse_client dbl.spamhaus.org=127.0.1.[2..99]
  - warn_if_reject reject_rbl_client zen.spamhaus.org=127.255.255.[1..255]
  - permit
`)
	if l := c.Lists(); complaints != "" || len(l.Recipient) != 12 || len(l.Relay) != 3 {
		t.Errorf("%d rules, %s", len(l.Recipient), complaints)
	}
}

// TestNoOpenRelay: whatever words stand in the lists, if Validate has nothing against them no stranger relays. Tables and
// policy servers are the operator's own word, and left out.
func TestNoOpenRelay(t *testing.T) {
	t.Parallel()
	words := []string{
		"permit", "reject", "defer", "defer_if_permit", "defer_if_reject", "permit_mynetworks", "permit_inet_interfaces",
		"permit_sasl_authenticated", "permit_auth_destination", "reject_unauth_destination", "defer_unauth_destination",
		"reject_unlisted_recipient", "reject_unknown_sender_domain", "reject_invalid_helo_hostname", "check_greylist",
		"permit_dnswl_client wl.test", "permit_rhswl_client wl.test", "permit_dnswl_client trouble.test", "reject_rbl_client zen.test",
		"permit_mx_backup", "permit_tls_all_clientcerts",
	}
	random := rand.New(rand.NewPCG(1, 2))
	some := func() (out []string) {
		for range random.IntN(5) {
			w := words[random.IntN(len(words))]
			if random.IntN(4) == 0 {
				w = "warn_if_reject " + w
			}
			out = append(out, w)
		}
		return out
	}
	safe := 0
	for range 2000 {
		c := Config{some(), some(), some(), some(), some(), some()}
		var text strings.Builder
		for _, l := range c.lists() {
			fmt.Fprintf(&text, "%s: [%s]\n", l.stance, strings.Join(l.entries, ", "))
		}
		var s section
		if _, report := config.Parse("x.yaml", []byte(text.String()), &s); report.Err() != nil {
			continue
		}
		safe++
		f := &facts{deliverable: true, exists: []string{"from.test"}, listed: map[string]string{"wl.test 192.0.2.1": "", "wl.test client.test": ""}}
		l := s.Restrictions.Lists()
		if v := l.Rcpt(t.Context(), stranger(t, f, "a@from.test", "a@else.test")); v.Err() == nil {
			t.Fatalf("relays for strangers: %+v\n%s", v, &text)
		}
	}
	if safe < 200 {
		t.Errorf("only %d configurations were right", safe)
	}
}

// TestRelayPermitDoesNotSkipRecipient: a permit of relay_restrictions only ends that list.
func TestRelayPermitDoesNotSkipRecipient(t *testing.T) {
	t.Parallel()
	err := (&Lists{Relay: list(t, "permit"), Recipient: list(t, "reject")}).Rcpt(t.Context(), stranger(t, &facts{}, "", "a@ours.test")).Err()
	if !reply.For(err).Permanent() || !strings.Contains(err.Error(), "restriction reject") {
		t.Fatalf("got %v", err)
	}
}
