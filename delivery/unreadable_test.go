// SPDX-License-Identifier: MIT

package delivery

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"posthouse/mail"
	"posthouse/queue"
)

func TestUnreadableMessageHoldsUpNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, always(good))
		bad := l.send("a@from.test", "b@there.test")
		l.store.lost[bad.ID] = errors.New("input/output error")
		l.send("a@from.test", "c@there.test")
		l.start()
		synctest.Wait()
		left := l.store.left()
		if err := l.end(); err != nil {
			t.Fatal(err)
		}
		if len(left) != 1 || left[0].ID != bad.ID || left[0].Held || !left[0].Due.Equal(time.Now().Add(67*time.Minute)) {
			t.Errorf("left %+v", left)
		}
	})
}

func TestSenderOfALostTextIsTold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, always(good))
		bad := l.send("a@from.test", "b@there.test")
		l.store.damaged[bad.ID] = errDamaged
		l.start()
		time.Sleep(6 * 24 * time.Hour)
		synctest.Wait()
		if err := l.end(); err != nil {
			t.Fatal(err)
		}
		if got := kinds(t, l); got != "delayed failed" {
			t.Errorf("told of %q", got)
		}
		for _, r := range l.store.left() {
			if r.ID == bad.ID {
				t.Errorf("left %+v", r)
			}
		}
	})
}

func TestLostEnvelopeIsHeldAndListed(t *testing.T) {
	t.Parallel()
	for name, why := range map[string]error{"damaged": errDamaged, "missing": queue.ErrNotFound} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { testLostEnvelope(t, why) })
		})
	}
}

func testLostEnvelope(t *testing.T, why error) {
	l := newLab(t, always(good))
	bad := l.send("a@from.test", "b@there.test")
	l.store.lost[bad.ID] = why
	l.start()
	time.Sleep(6 * 24 * time.Hour)
	items, err := ask[Item](t, l.Manager, VerbList, Filter{})
	if err != nil || len(items) != 1 || items[0].State != "held" || items[0].Reason != "cannot be read: "+why.Error() {
		t.Errorf("listed %+v, %v", items, err)
	}
	if n := strings.Count(l.log.String(), "level=ERROR"); n != 1 {
		t.Errorf("%d errors were logged:\n%s", n, l.log)
	}
	l.store.lost[bad.ID] = nil // brought back from a backup
	if done, err := ask[Acted](t, l.Manager, VerbRelease, Filter{IDs: []mail.ID{bad.ID}}); err != nil || done[0].Now != 1 {
		t.Errorf("released %+v, %v", done, err)
	}
	synctest.Wait()
	if err := l.end(); err != nil {
		t.Fatal(err)
	}
	if left := l.store.left(); len(left) != 0 {
		t.Errorf("left %+v", left)
	}
}

func TestLostEnvelopeCanBeDeletedAndLostTextBounced(t *testing.T) {
	t.Parallel()
	l, ids := shelf(t)
	l.store.lost[ids["new"]] = errDamaged
	if done, err := ask[Acted](t, l.Manager, VerbDelete, Filter{IDs: []mail.ID{ids["new"]}}); err != nil || done[0].Now == 0 {
		t.Errorf("deleted %+v, %v", done, err)
	}
	l.store.damaged[ids["held"]] = errDamaged
	if done, err := ask[Acted](t, l.Manager, VerbBounce, Filter{IDs: []mail.ID{ids["held"]}}); err != nil || done[0].Now == 0 {
		t.Errorf("bounced %+v, %v", done, err)
	}
	if got := kinds(t, l); got != "failed" {
		t.Errorf("told of %q", got)
	}
}
