// SPDX-License-Identifier: MIT

package policy

import (
	"strings"
	"testing"

	"posthouse/mail"
)

// TestBatch: DNS lists that stand behind each other are asked at once, those whose subject is there; one that is never
// reached is not asked, and the first in order decides.
func TestBatch(t *testing.T) {
	t.Parallel()
	f := &facts{listed: map[string]string{"b.test 192.0.2.1": "b", "c.test client.test": "c"}}
	l := &Lists{Client: list(t, "reject_rhsbl_sender a.test", "warn_if_reject reject_rbl_client b.test", "permit_dnswl_client w.test",
		"reject_rhsbl_helo c.test", "permit_mynetworks", "reject_rbl_client d.test")}
	q := stranger(t, f, "", "a@ours.test")
	v := l.Rcpt(t.Context(), q)
	if v.Rule != "reject_rhsbl_helo c.test" || len(q.Warned) != 1 || q.Warned[0].Rule != "reject_rbl_client b.test" {
		t.Errorf("%+v, warned %+v", v, q.Warned)
	}
	if got := strings.Join(f.asked, ", "); f.calls != 1 || got != "b.test 192.0.2.1, c.test client.test" {
		t.Errorf("%d calls: %s", f.calls, got)
	}
	f = &facts{trusted: true}
	l = &Lists{Client: list(t, "permit_mynetworks", "reject_rbl_client d.test")}
	if l.Rcpt(t.Context(), stranger(t, f, "", "a@ours.test")); f.calls > 0 {
		t.Error("asked behind a permit")
	}
}

// TestRemembered: the second recipient asks nothing that the first has asked, but about itself; trouble is kept too.
func TestRemembered(t *testing.T) {
	t.Parallel()
	f := &facts{names: []string{"rev.test"}, exists: []string{"client.test"}, deliverable: true, authorised: "ours.test",
		servers: map[string]string{"MX trouble.test": ""}, addrs: map[string]string{"rev.test": "192.0.2.1"}}
	l := &Lists{
		Client: list(t, "reject_rbl_client a.test=127.0.0.2", "reject_rbl_client trouble.test", "reject_rhsbl_reverse_client b.test"),
		Helo:   list(t, "reject_unknown_helo_hostname"),
		Sender: list(t, "warn_if_reject reject_unknown_sender_domain", "reject_unverified_sender", "check_sender_mx_access hash:x",
			"check_reverse_client_hostname_a_access hash:x", "reject_rbl_client a.test=127.0.0.2"),
		Recipient: list(t, "reject_unlisted_recipient", "reject_rhsbl_recipient b.test"),
	}
	facts := Remembered(f)
	var asked [3]int
	for i, to := range []string{"a@ours.test", "b@ours.test", "c@others.test"} {
		before := len(f.asked)
		l.Rcpt(t.Context(), stranger(t, facts, "a@trouble.test", to))
		for _, a := range f.asked[before:] {
			if !strings.HasPrefix(a, "hash:x") {
				asked[i]++
			}
		}
	}
	if asked[1] != 1 || asked[2] != 2 { // deliverable; the list about the other domain
		t.Errorf("asked %v: %q", asked, f.asked)
	}
	seen := map[string]int{}
	for _, a := range f.asked {
		if seen[a]++; seen[a] > 1 && !strings.HasPrefix(a, "hash:x") {
			t.Errorf("asked again: %s", a)
		}
	}
}

// TestRememberedBounds: one transaction cannot make the memory grow.
func TestRememberedBounds(t *testing.T) {
	t.Parallel()
	r := Remembered(new(facts)).(*remembered)
	for i := range maxRemembered + 10 {
		p, err := mail.MakePath("a", "d"+strings.Repeat("x", i%50)+"."+strings.Repeat("y", 1+i/50)[:1+min(i/50, 59)]+".test")
		if err != nil {
			t.Fatal(err)
		}
		r.Resolves(t.Context(), p.Domain())
	}
	if len(r.resolves) > maxRemembered {
		t.Errorf("%d remembered", len(r.resolves))
	}
}
