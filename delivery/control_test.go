// SPDX-License-Identifier: MIT

package delivery

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"posthouse/mail"
	"posthouse/queue"
)

// ask calls a verb as the socket does and returns the answers.
func ask[T any](t *testing.T, m *Manager, verb string, args any) ([]T, error) {
	t.Helper()
	raw, err := json.Marshal(args)
	if err != nil {
		t.Fatal(err)
	}
	var out []T
	err = m.Control()[verb](t.Context(), raw, func(v any) error {
		b, err := json.Marshal(v)
		if err != nil {
			return err
		}
		var x T
		if err := json.Unmarshal(b, &x); err != nil {
			return err
		}
		out = append(out, x)
		return nil
	})
	return out, err
}

func recipients(items []Item) (out []string) {
	for _, it := range items {
		out = append(out, it.Recipient)
	}
	slices.Sort(out)
	return out
}

// shelf is a queue with one recipient of each kind, and nobody at work.
func shelf(t *testing.T) (l *lab, ids map[string]mail.ID) {
	l = newLab(t, always(good))
	ids = map[string]mail.ID{}
	ids["new"] = l.send("ann@from.test", "new@there.test", "new@else.test").ID
	ids["tried"] = l.send("bob@from.test", "tried@there.test").ID
	ids["null"] = l.send("", "bounced@from.test").ID
	env := &mail.Envelope{From: path(t, "ann@from.test"), Hold: "virus found",
		Recipients: []mail.Recipient{{To: path(t, "held@there.test"), Given: path(t, "alias@ours.test")}}}
	ids["held"] = l.queueUp(env).ID
	k := rowKey{ids["tried"], 0}
	row := l.store.rows[k]
	row.Attempts, row.Last, row.Due = 3, busy, row.Due.Add(time.Hour)
	l.store.rows[k] = row
	return l, ids
}

const everyone = "bounced@from.test held@there.test new@else.test new@there.test tried@there.test"

func TestFilters(t *testing.T) {
	t.Parallel()
	l, ids := shelf(t)
	for _, c := range []struct {
		filter Filter
		want   string
		err    string
	}{
		{Filter{}, everyone, ""},
		{Filter{All: true}, everyone, ""},
		{Filter{IDs: []mail.ID{ids["tried"], ids["null"]}}, "bounced@from.test tried@there.test", ""},
		{Filter{IDs: []mail.ID{"../../etc"}}, "", `"../../etc" is not a queue id`},
		{Filter{Sender: "ANN@from.test"}, "held@there.test new@else.test new@there.test", ""},
		{Filter{Sender: "<ann@from.test>"}, "held@there.test new@else.test new@there.test", ""},
		{Filter{Sender: "@from.test"}, "held@there.test new@else.test new@there.test tried@there.test", ""},
		{Filter{Sender: "<>"}, "bounced@from.test", ""},
		{Filter{Recipient: "new@else.test"}, "new@else.test", ""},
		{Filter{Domain: "There.test"}, "held@there.test new@there.test tried@there.test", ""},
		{Filter{State: "held"}, "held@there.test", ""},
		{Filter{State: "deferred"}, "tried@there.test", ""},
		{Filter{State: "due", Domain: "there.test"}, "new@there.test", ""},
		{Filter{State: "active"}, "", ""},
		{Filter{State: "stuck"}, "", `unknown state "stuck": one of [active due deferred held]`},
		{Filter{All: true, Domain: "there.test"}, "", "--all goes with no other filter"},
		{Filter{Recipient: "a@there.test", Domain: "there.test"}, "", "--recipient goes without --domain"},
	} {
		items, err := ask[Item](t, l.Manager, VerbList, c.filter)
		if got := strings.Join(recipients(items), " "); got != c.want {
			t.Errorf("%+v: %s", c.filter, got)
		}
		if (err == nil) != (c.err == "") || err != nil && err.Error() != c.err {
			t.Errorf("%+v: %v", c.filter, err)
		}
	}
}

func TestCommandsThatChangeWantAFilter(t *testing.T) {
	t.Parallel()
	l, _ := shelf(t)
	for _, verb := range []string{VerbRetry, VerbHold, VerbRelease, VerbDelete, VerbBounce} {
		if _, err := ask[Acted](t, l.Manager, verb, Filter{}); !errors.Is(err, queue.ErrNoFilter) {
			t.Errorf("%s: %v", verb, err)
		}
	}
	if _, err := ask[Acted](t, l.Manager, VerbDelete, map[string]string{"olderthan": "5d"}); err == nil {
		t.Error("a filter that this service does not know was passed over")
	}
}

func TestListSaysWhatAnOperatorAsks(t *testing.T) {
	t.Parallel()
	l, ids := shelf(t)
	items, err := ask[Item](t, l.Manager, VerbList, Filter{IDs: []mail.ID{ids["tried"], ids["held"], ids["null"]}})
	if err != nil || len(items) != 3 {
		t.Fatalf("%v, %+v", err, items)
	}
	tried, held, null := items[0], items[1], items[2]
	if tried.State != "deferred" || tried.Attempts != 3 || tried.Relay != busy.Remote || !strings.HasPrefix(tried.Reason, "451 4.3.0") || tried.Due == nil {
		t.Errorf("%+v", tried)
	}
	if held.State != "held" || held.Reason != "virus found" || held.Original != "alias@ours.test" || held.Due != nil {
		t.Errorf("%+v", held)
	}
	if null.Sender != "<>" || null.State != "due" {
		t.Errorf("%+v", null)
	}
	details, err := ask[Detail](t, l.Manager, VerbShow, Filter{IDs: []mail.ID{ids["new"]}})
	if err != nil || len(details) != 1 || len(details[0].Items) != 2 || details[0].Header != "Subject: hello\n" ||
		details[0].Envelope.From != path(t, "ann@from.test") {
		t.Errorf("%v, %+v", err, details)
	}
	if nothing, err := ask[Detail](t, l.Manager, VerbShow, Filter{IDs: []mail.ID{mail.NewID(time.Now())}}); err != nil || len(nothing) != 0 {
		t.Errorf("got %v, %v", nothing, err)
	}
}

func TestLegalMovesByHand(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		verb   string
		filter Filter
		now    int               // recipients changed
		after  map[string]string // their states; "": gone
	}{
		{VerbHold, Filter{Domain: "there.test"}, 2, map[string]string{
			"new@there.test": "held", "tried@there.test": "held", "held@there.test": "held", "new@else.test": "due"}},
		{VerbRelease, Filter{All: true}, 1, map[string]string{"held@there.test": "due", "tried@there.test": "deferred"}},
		{VerbDelete, Filter{State: "held"}, 1, map[string]string{"held@there.test": "", "tried@there.test": "deferred"}},
		{VerbDelete, Filter{All: true}, 5, map[string]string{"new@else.test": "", "held@there.test": "", "tried@there.test": ""}},
		{VerbRetry, Filter{All: true}, 4, map[string]string{"held@there.test": "held", "tried@there.test": "due"}},
		{VerbBounce, Filter{Sender: "<>"}, 1, map[string]string{"bounced@from.test": ""}},
		{VerbBounce, Filter{State: "held"}, 1, map[string]string{"held@there.test": "", "new@else.test": "due", "ann@from.test": "due"}},
		{VerbBounce, Filter{All: true}, 5, map[string]string{"new@else.test": "", "ann@from.test": "due", "bob@from.test": "due"}},
	} {
		l, _ := shelf(t)
		done, err := ask[Acted](t, l.Manager, c.verb, c.filter)
		if err != nil || len(done) != 1 || done[0].Now != c.now || done[0].Later != 0 {
			t.Errorf("%s %+v: %v, %+v", c.verb, c.filter, err, done)
		}
		rest, err := ask[Item](t, l.Manager, VerbList, Filter{})
		if err != nil {
			t.Error(err)
		}
		for who, want := range c.after {
			got := ""
			for _, it := range rest {
				if it.Recipient == who {
					got = it.State
				}
			}
			if got != want {
				t.Errorf("%s %+v: %s is %q, want %q", c.verb, c.filter, who, got, want)
			}
		}
	}
}

func TestBounceOfARecipientThatIsBeingTried(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, func(_ context.Context, env *mail.Envelope) mail.Outcome {
			if env.From.IsNull() {
				return mail.All(1, good)
			}
			time.Sleep(time.Minute)
			return mail.Outcome{busy, good}
		})
		l.send("a@from.test", "busy@there.test", "good@there.test")
		l.start()
		synctest.Wait()
		done, err := ask[Acted](t, l.Manager, VerbBounce, Filter{Domain: "there.test"})
		if err != nil || len(done) != 1 || done[0].Now != 0 || done[0].Later != 2 {
			t.Errorf("%v, %+v", err, done)
		}
		time.Sleep(2 * time.Minute)
		if left := l.store.left(); len(left) != 0 {
			t.Errorf("left %+v", left)
		}
		if err := l.end(); err != nil {
			t.Error(err)
		}
		for _, want := range []string{"to=good@there.test status=sent", "to=busy@there.test status=failed dsn=5.7.0"} {
			if !strings.Contains(l.log.String(), want) {
				t.Errorf("log lacks %q:\n%s", want, l.log)
			}
		}
	})
}

func TestRetryByHandRevivesADeadDestination(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := down
		l := newLab(t, func(context.Context, *mail.Envelope) mail.Outcome { return mail.All(1, r) })
		l.send("", "b@dead.test")
		l.start()
		time.Sleep(3 * time.Hour)
		synctest.Wait()
		r = good
		if _, err := ask[Item](t, l.Manager, VerbRetry, Filter{Domain: "dead.test"}); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		if left := l.store.left(); len(left) != 0 {
			t.Errorf("left %+v", left)
		}
		if err := l.end(); err != nil {
			t.Error(err)
		}
	})
}

func TestDamagedMessageIsListedAndPassedOver(t *testing.T) {
	t.Parallel()
	l, ids := shelf(t)
	id := ids["new"]
	l.store.lost[id] = errDamaged
	items, err := ask[Item](t, l.Manager, VerbList, Filter{})
	if err != nil || len(items) != 5 || items[0].ID != id || items[0].Reason != "cannot be read: "+errDamaged.Error() {
		t.Errorf("%v, %+v", err, items)
	}
	l.store.rows[rowKey{id, damagedRow}] = queue.Row{ID: id, N: damagedRow}
	if items, err = ask[Item](t, l.Manager, VerbList, Filter{}); err != nil || len(items) != 6 || items[2].Reason != "cannot be read: "+errDamaged.Error() {
		t.Errorf("%v, %+v", err, items)
	}
	if _, err := ask[Acted](t, l.Manager, VerbBounce, Filter{IDs: []mail.ID{id}}); err == nil {
		t.Error("bounced to nobody knows whom")
	}
	moved, err := ask[Moved](t, l.Manager, VerbExport, Transfer{Dir: t.TempDir()})
	if err == nil || err.Error() != "not exported, because they could not be read: 2" || len(moved) != 5 {
		t.Errorf("%v, %+v", err, moved)
	}
}

func TestExportAndImportMoveAQueue(t *testing.T) {
	t.Parallel()
	from, ids := shelf(t)
	dir := filepath.Join(t.TempDir(), "ex[port]")
	moved, err := ask[Moved](t, from.Manager, VerbExport, Transfer{Dir: dir, Filter: Filter{All: true}})
	if err != nil || len(moved) != 4 {
		t.Fatalf("%v, %+v", err, moved)
	}
	eml, err := os.ReadFile(filepath.Join(dir, string(ids["held"])+".eml"))
	if err != nil || string(eml) != "Subject: hello\r\n\r\nbody\r\n" {
		t.Errorf("%v, %q", err, eml)
	}
	if _, err := ask[Moved](t, from.Manager, VerbExport, Transfer{Dir: dir, Filter: Filter{All: true}}); err == nil {
		t.Error("overwrote an export")
	}
	if _, err := ask[Acted](t, from.Manager, VerbDelete, Filter{All: true}); err != nil {
		t.Error(err)
	}

	to := newLab(t, always(good))
	brought, err := ask[Moved](t, to.Manager, VerbImport, Transfer{Dir: dir})
	if err != nil || len(brought) != 4 {
		t.Fatalf("%v, %+v", err, brought)
	}
	after, _ := ask[Item](t, to.Manager, VerbList, Filter{})
	if got := strings.Join(recipients(after), " "); got != everyone {
		t.Errorf("recipients %s", got)
	}
	for _, it := range after {
		if it.ID == ids["held"] || it.Recipient == "held@there.test" && (it.State != "held" || it.Reason != "virus found") {
			t.Errorf("%+v", it)
		}
	}
	if again, err := ask[Moved](t, to.Manager, VerbImport, Transfer{Dir: dir}); err == nil {
		t.Errorf("brought twice: %+v", again)
	}
}

func TestTransferRefusesWhatIsNotMeant(t *testing.T) {
	t.Parallel()
	l, _ := shelf(t)
	for verb, args := range map[string]Transfer{
		VerbExport: {Dir: "relative", Filter: Filter{All: true}},
		VerbImport: {Dir: ""},
	} {
		if _, err := ask[Moved](t, l.Manager, verb, args); err == nil || err.Error() != errDir.Error() {
			t.Errorf("%s: %v", verb, err)
		}
	}
	if _, err := ask[Moved](t, l.Manager, VerbUpgrade, nil); err == nil {
		t.Error("upgraded what has no upgrade")
	}
}

func FuzzParseExport(f *testing.F) {
	f.Add([]byte(`{"format":1,"envelope":{"ID":"x","Recipients":[{"To":"a@b.test"}]},"rows":[{"recipient":0}]}`))
	f.Add([]byte(`{"format":2}`))
	f.Add([]byte(`{"format":1,"envelope":{"From":"a\u0000@b"},"rows":[{"recipient":-1}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		e, err := parseExport(data)
		if err != nil {
			return
		}
		m := &Manager{Options: Options{Now: time.Now}}
		if got := m.imported(e, "id", &mail.Message{}); len(got.Rows) != len(e.Rows) {
			t.Errorf("%d rows of %d", len(got.Rows), len(e.Rows))
		}
	})
}
