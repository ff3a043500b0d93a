// SPDX-License-Identifier: MIT

package policy

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"posthouse/mail"
	"posthouse/reply"
)

// clock goes on by a millisecond each time it is looked at.
func clock() func() time.Time {
	var mu sync.Mutex
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	return func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		now = now.Add(time.Millisecond)
		return now
	}
}

func TestTrail(t *testing.T) {
	t.Parallel()
	f := &facts{exists: []string{"client.test"}, listed: map[string]string{"zen.test 192.0.2.1": "see there"},
		tables: map[string]map[string]string{"hash:x": {"client.test": "warn_if_reject reject_unverified_sender"}}, verify: reply.UnknownUser}
	trail := &Trail{Now: clock()}
	q := stranger(t, Explained(Remembered(f), trail), "a@trouble.test", "a@ours.test")
	q.Trail = trail
	l := &Lists{
		Relay: list(t, "permit_mynetworks"), Client: list(t, "check_client_access hash:x", "reject_unknown_sender_domain"),
		Recipient: list(t, "reject_rhsbl_sender dbl.test", "reject_rbl_client zen.test", "reject"),
	}
	err := l.Rcpt(t.Context(), q).Err()
	if err == nil {
		t.Fatal("passed")
	}
	var got []string
	for _, s := range trail.Steps() {
		if s.At != "rcpt" || s.Took <= 0 && s.Asked == "" {
			t.Errorf("%+v", s)
		}
		got = append(got, strings.Join([]string{s.List, s.Rule, s.Asked, s.Answer}, "|"))
	}
	want := `relay_restrictions|permit_mynetworks|client in mynetworks|no
relay_restrictions|permit_mynetworks||dunno
client_restrictions|check_client_access hash:x|hash:x client.test|hash:x:1 warn_if_reject reject_unverified_sender
client_restrictions|reject_unverified_sender|verify a@trouble.test|550 5.1.1 Recipient address rejected: user unknown
client_restrictions|reject_unverified_sender||only warned of: defer_if_permit 450 4.1.7 Sender address rejected: undeliverable address: Recipient address rejected: user unknown
client_restrictions|check_client_access hash:x||dunno
client_restrictions|reject_unknown_sender_domain|MX or address of trouble.test|SERVFAIL
client_restrictions|reject_unknown_sender_domain||defer_if_permit 450 4.1.8 Sender address rejected: domain not found (temporary look-up problem)
recipient_restrictions|reject_rhsbl_sender dbl.test|dbl.test trouble.test|not listed
recipient_restrictions|reject_rhsbl_sender dbl.test|zen.test 192.0.2.1|listed see there
recipient_restrictions|reject_rhsbl_sender dbl.test||dunno
recipient_restrictions|reject_rbl_client zen.test||reject 554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.test; see there`
	if text := strings.Join(got, "\n"); text != want {
		t.Errorf("got\n%s\nwant\n%s", text, want)
	}
	encoded, err := json.Marshal(trail)
	if err != nil || !strings.HasPrefix(string(encoded), `[{"at":"rcpt","list":"relay_restrictions","rule":"permit_mynetworks","asked":"client in mynetworks","answer":"no","took":`) {
		t.Errorf("%s, %v", encoded, err)
	}
}

// TestTrailBounds: steps and their texts are bounded, several may write, and nobody need listen.
func TestTrailBounds(t *testing.T) {
	t.Parallel()
	var trail Trail
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 100 {
				trail.Add(Step{Asked: strings.Repeat("x", 1000), Answer: "y"})
				trail.Steps()
			}
		})
	}
	wg.Wait()
	if steps := trail.Steps(); len(steps) != maxSteps || len(steps[0].Asked) > maxWords {
		t.Errorf("%d steps, of %d octets", len(steps), len(steps[0].Asked))
	}
	var nobody *Trail
	nobody.Add(Step{})
	if f := new(facts); nobody.Steps() != nil || Explained(f, nobody) != Facts(f) {
		t.Error("a nil trail takes something")
	}
	if text, err := json.Marshal(new(Trail)); string(text) != "[]" || err != nil {
		t.Errorf("%s, %v", text, err)
	}
}

func TestTrails(t *testing.T) {
	t.Parallel()
	var trails Trails
	if len(trails.Last(5)) > 0 || trails.Find("x") != nil {
		t.Error("something is there from the start")
	}
	for i := range maxTrails + 10 {
		trails.Add(Record{ID: mail.ID(fmt.Sprint(i / 2)), To: fmt.Sprint(i)})
	}
	last := trails.Last(3)
	if len(last) != 3 || last[0].To != "1007" || last[2].To != "1009" {
		t.Errorf("%+v", last)
	}
	if all := trails.Last(maxTrails * 2); len(all) != maxTrails || all[0].To != "10" || all[maxTrails-1].To != "1009" {
		t.Errorf("%d records, from %s to %s", len(all), all[0].To, all[len(all)-1].To)
	}
	if len(trails.Last(-1)) > 0 {
		t.Error("less than none")
	}
	if found := trails.Find("500"); len(found) != 2 || found[0].To != "1000" || trails.Find("1") != nil {
		t.Errorf("%+v", found)
	}
}

// BenchmarkRcpt is a list that a stranger passes, with somebody listening and without.
func BenchmarkRcpt(b *testing.B) {
	l := &Lists{Relay: list(b, DefaultRelay()...), Recipient: list(b, "permit_mynetworks", "reject_invalid_helo_hostname",
		"reject_non_fqdn_recipient", "reject_unauth_pipelining", "reject_unauth_destination", "permit")}
	f := quiet{&facts{authorised: "ours.test"}}
	for _, listens := range []bool{false, true} {
		b.Run(fmt.Sprintf("trail=%v", listens), func(b *testing.B) {
			b.ReportAllocs()
			q := stranger(b, f, "", "a@ours.test")
			for b.Loop() {
				if listens {
					q.Trail = new(Trail)
					q.Facts = Explained(f, q.Trail)
				}
				if l.Rcpt(b.Context(), q).Err() != nil {
					b.Fatal("refused")
				}
			}
		})
	}
}

// quiet does not note what it is asked.
type quiet struct{ *facts }

// TestTrailsAreBounded: however long their stories, refusals take no more memory than they may.
func TestTrailsAreBounded(t *testing.T) {
	t.Parallel()
	var trails Trails
	long := strings.Repeat("x", maxWords)
	for i := range maxTrails {
		steps := make([]Step, maxSteps)
		for j := range steps {
			steps[j] = Step{Asked: long, Answer: long}
		}
		trails.Add(Record{To: fmt.Sprint(i), Steps: steps})
	}
	kept := trails.Last(maxTrails)
	sum := 0
	for i := range kept {
		sum += kept[i].size()
	}
	if len(kept) < 10 || len(kept) == maxTrails || sum > maxTrailOctets || sum != trails.octets || kept[len(kept)-1].To != "999" {
		t.Errorf("%d records of %d octets (counted: %d)", len(kept), sum, trails.octets)
	}
}
