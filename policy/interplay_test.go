// SPDX-License-Identifier: MIT

package policy

import (
	"log/slog"
	"strings"
	"testing"

	"posthouse/reply"
)

// TestInterplay: what promises to defer make of what comes after them, list by list, as smtpd_check.c has it. "permit" is a
// list that lets through; later are words whose answer DNS cannot give.
func TestInterplay(t *testing.T) {
	t.Parallel()
	const (
		permit, reject = "permit", "554 5.7.1 Rejected by policy"
		requested      = "450 4.7.0 Deferred by policy, please try again"
		sender         = "450 4.1.8 Sender address rejected: domain not found (temporary look-up problem)"
		later          = "450 4.3.2 Deferred by policy, please try again later"
		allowlist      = "450 4.7.1 Service unavailable, please try again"
		dns            = "reject_unknown_sender_domain"
		white          = "permit_dnswl_client trouble.test"
	)
	for _, c := range []struct {
		name                                   string
		relay, client, helo, sender, recipient string
		data                                   string
		want                                   string
		warned                                 int
	}{
		{name: "nothing permits", want: permit},
		{name: "defer_if_permit and the end", recipient: "defer_if_permit", want: requested},
		{name: "defer_if_permit and permit", recipient: "defer_if_permit; permit", want: requested},
		{name: "defer_if_permit and reject", recipient: "defer_if_permit; reject", want: reject},
		{name: "defer_if_permit and defer", recipient: "defer_if_permit; defer", want: later},
		{name: "defer_if_reject and the end", recipient: "defer_if_reject", want: permit},
		{name: "defer_if_reject and permit", recipient: "defer_if_reject; permit; reject", want: permit},
		{name: "defer_if_reject and reject", recipient: "defer_if_reject; reject", want: requested},
		{name: "defer_if_reject and defer", recipient: "defer_if_reject; defer", want: later},
		{name: "both end the list", recipient: dns + "; defer_if_reject; reject", want: sender},
		{name: "both end the list, the other way round", recipient: "defer_if_reject; " + dns + "; reject", want: sender},
		{name: "the first reason stands", recipient: dns + "; defer_if_permit; permit", want: sender},
		{name: "the first reason to defer a reject stands", recipient: white + "; defer_if_reject; reject", want: allowlist},

		{name: "defer_if_permit goes from list to list", client: "defer_if_permit; permit", recipient: "permit", want: requested},
		{name: "from the first", relay: "defer_if_permit; permit", want: requested},
		{name: "and is overruled by any", helo: dns, recipient: "reject", want: reject},
		{name: "a permit ends its list alone", relay: "permit", client: "permit", helo: "permit", sender: "permit", recipient: "reject", want: reject},
		{name: "defer_if_reject ends with its list", client: "defer_if_reject", recipient: "reject", want: reject},
		{name: "but not with the relay list", relay: "defer_if_reject", recipient: "reject", want: requested},
		{name: "which is not that of the client", relay: "defer_if_reject", client: "reject", want: reject},
		{name: "nor of the sender", sender: "defer_if_reject", recipient: "reject", want: reject},

		{name: "warn_if_reject", recipient: "warn_if_reject reject", want: permit, warned: 1},
		{name: "warn_if_reject permits", recipient: "warn_if_reject permit; reject", want: permit},
		{name: "warn_if_reject holds for one rule", recipient: "warn_if_reject permit_mynetworks; reject", want: reject},
		{name: "warn_if_reject notes what would be deferred", recipient: "warn_if_reject " + dns, want: permit, warned: 1},
		{name: "warn_if_reject notes defer_if_permit", recipient: "warn_if_reject defer_if_permit; reject", want: reject, warned: 1},
		{name: "warn_if_reject keeps defer_if_reject", recipient: "warn_if_reject " + white + "; reject", want: allowlist},
		{name: "a warning is not deferred", recipient: "defer_if_reject; warn_if_reject reject", want: permit, warned: 1},
		{name: "warn_if_reject in every list", relay: "warn_if_reject reject", client: "warn_if_reject reject", sender: "warn_if_reject defer",
			want: permit, warned: 3},
		{name: "warn_if_reject and a table that defers", recipient: "warn_if_reject check_client_access hash:defer; permit", want: permit, warned: 1},
		{name: "warn_if_reject and a list in a table", recipient: "warn_if_reject check_client_access hash:list; reject_unlisted_sender", want: permit, warned: 2},
		{name: "a fault of ours stands", recipient: "warn_if_reject check_client_access hash:wrong", want: "451 4.3.5 Server configuration problem, please try again later"},

		{name: "a list in a table", client: "check_client_access hash:list", want: sender},
		{name: "a list in a table, overruled", client: "check_client_access hash:list", recipient: "reject", want: reject},
		{name: "warn_if_reject in a list in a table", client: "check_client_access hash:warn; reject", want: reject, warned: 1},
		{name: "a table that defers", client: "check_client_access hash:defer", recipient: "permit", want: "450 4.7.3 Client host [192.0.2.1] rejected: not now"},
		{name: "a table that defers, overruled", client: "check_client_access hash:defer", recipient: "reject", want: reject},
		{name: "a table that defers a reject", client: "check_client_access hash:instead; reject", want: "450 4.7.1 Client host [192.0.2.1] rejected: Service unavailable"},

		{name: "at DATA", data: "defer_if_permit", want: requested},
		{name: "at DATA too a reject wins", data: "defer_if_permit; reject", want: reject},
		{name: "at DATA nothing is left of RCPT", client: "warn_if_reject defer", data: "permit; reject", want: permit, warned: 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := &facts{authorised: "ours.test", tables: map[string]map[string]string{
				"hash:list":  {"192.0.2.1": "reject_unknown_sender_domain, reject_unverified_sender"},
				"hash:warn":  {"192.0.2.1": "warn_if_reject reject"},
				"hash:defer": {"192.0.2.1": "DEFER_IF_PERMIT 4.7.3 not now"}, "hash:instead": {"192.0.2.1": "DEFER_IF_REJECT"},
				"hash:wrong": {"192.0.2.1": "REJCT"},
			}, verify: reply.UnknownUser}
			q := stranger(t, f, "a@trouble.test", "a@ours.test")
			l := &Lists{
				Relay: list(t, entries(c.relay)...), Client: list(t, entries(c.client)...), Helo: list(t, entries(c.helo)...),
				Sender: list(t, entries(c.sender)...), Recipient: list(t, entries(c.recipient)...), Data: list(t, entries(c.data)...),
			}
			v := l.Rcpt(t.Context(), q)
			if c.data != "" {
				q = stranger(t, f, "a@trouble.test", "a@ours.test")
				q.Stage = Data
				v = l.AtData(t.Context(), q)
			}
			got := "permit"
			if err := v.Err(); err != nil {
				got = reply.For(err).String()
				if v.Rule == "" || !strings.Contains(err.Error(), v.Rule) {
					t.Errorf("%v does not name its rule", err)
				}
			}
			if got != c.want || len(q.Warned) != c.warned {
				t.Errorf("got %q, warned %v\nwant %q, %d warnings", got, q.Warned, c.want, c.warned)
			}
		})
	}
}

// TestWarned notes what would have been refused, and by which words.
func TestWarned(t *testing.T) {
	t.Parallel()
	q := stranger(t, &facts{tables: map[string]map[string]string{"hash:x": {"192.0.2.1": "WARN look at this"}}}, "a@trouble.test", "a@ours.test")
	l := &Lists{Relay: list(t, "warn_if_reject reject", "check_client_access hash:x"), Recipient: list(t, "warn_if_reject reject_unknown_sender_domain")}
	if err := l.Rcpt(t.Context(), q).Err(); err != nil {
		t.Fatal(err)
	}
	if len(q.Warned) != 2 || q.Warned[0].Rule != "reject" || q.Warned[1].Rule != "reject_unknown_sender_domain" || q.Warned[1].Action != Defer {
		t.Errorf("%+v", q.Warned)
	}
	var log strings.Builder
	q.LogWarned(slog.New(slog.NewTextHandler(&log, nil)), "ID1")
	for _, want := range []string{
		`id=ID1 client=192.0.2.1 helo=client.test from=a@trouble.test to=a@ours.test reply="554 5.7.1`, "rule=reject\n",
		"rule=reject_unknown_sender_domain\n", `"Client host [192.0.2.1]: look at this"`,
	} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("no %s in\n%s", want, &log)
		}
	}
}

// TestOrder: the relay list is asked first, then client, helo, sender and recipient.
func TestOrder(t *testing.T) {
	t.Parallel()
	f := &facts{exists: []string{"client.test"}, authorised: "ours.test"}
	l := &Lists{
		Recipient: list(t, "reject_unlisted_recipient"), Sender: list(t, "reject_unverified_sender"), Helo: list(t, "reject_unknown_helo_hostname"),
		Client: list(t, "reject_rbl_client zen.test"), Relay: list(t, "check_recipient_access hash:x"),
	}
	q := stranger(t, f, "a@else.test", "a@ours.test")
	l.Rcpt(t.Context(), q)
	want := "hash:x a@ours.test whole,hash:x ours.test part,hash:x test part,hash:x a@ part,zen.test 192.0.2.1,resolves client.test,verify a@else.test,deliverable a@ours.test"
	if got := strings.Join(f.asked, ","); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// TestDefaultRelay: the safe default defers strangers that relay, and asks DNS nothing.
func TestDefaultRelay(t *testing.T) {
	t.Parallel()
	f := &facts{authorised: "ours.test"}
	l := &Lists{Relay: list(t, DefaultRelay()...)}
	if got := reply.For(l.Rcpt(t.Context(), stranger(t, f, "", "a@else.test")).Err()); got.String() != reply.RelayDeferred.String() {
		t.Fatalf("got %v", got)
	}
	if v := l.Rcpt(t.Context(), stranger(t, f, "", "a@ours.test")); v.Err() != nil || len(f.asked) > 0 {
		t.Fatalf("got %v, asked %q", v, f.asked)
	}
}
