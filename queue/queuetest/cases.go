// SPDX-License-Identifier: MIT

package queuetest

import (
	"context"
	"errors"
	"io"
	"slices"
	"time"

	"posthouse/mail"
	"posthouse/queue"
)

// sizes of bodies worth trying, around where stores change their ways.
func sizes() []int { return []int{0, 1, 100, Large - 1, Large, Large + 1, 10 * Large} }

func (b *bench) add(n int, body string, destinations ...string) queue.Entry {
	b.Helper()
	e := entry(newID(n), b.draft(body), destinations...)
	b.apply(queue.Change{Add: []queue.Entry{e}})
	return e
}

func (b *bench) whole(e *queue.Entry, want string) {
	b.Helper()
	if err := whole(b.Context(), b.store, e, want); err != nil {
		b.Error(err)
	}
}

func comesBackWhole(b *bench) {
	for i, size := range sizes() {
		want := text(newID(i), size)
		e := b.add(i, want, "a.test")
		b.whole(&e, want)
		env, err := b.store.Envelope(b.Context(), e.Envelope.ID)
		if err != nil || env.Recipients[0] != e.Envelope.Recipients[0] || !env.Arrived.Equal(start) {
			b.Errorf("envelope is %+v, %v", env, err)
		}
	}
	if _, _, err := b.store.Load(b.Context(), newID(99)); !errors.Is(err, queue.ErrNotFound) {
		b.Errorf("a message that is not there: %v", err)
	}
}

func foreignBody(b *bench) {
	for i, size := range sizes() {
		want := text(newID(i), size)
		e := entry(newID(i), mail.Bytes(want), "a.test")
		b.apply(queue.Change{Add: []queue.Entry{e}})
		b.whole(&e, want)
	}
}

func adoptedOnce(b *bench) {
	for i, size := range sizes() {
		want := text(newID(i), size)
		d := b.draft(want)
		one, two := entry(newID(2*i), d, "a.test"), entry(newID(2*i+1), d, "a.test")
		b.apply(queue.Change{Add: []queue.Entry{one}})
		b.apply(queue.Change{Add: []queue.Entry{two}})
		d.Discard()
		b.apply(queue.Change{Done: one.Rows})
		b.whole(&two, want)
	}
}

func discarded(b *bench) {
	for i, size := range sizes() {
		d := b.draft(text(newID(i), size))
		d.Discard()
		d.Discard()
		if _, err := d.Write([]byte("x")); err == nil {
			b.Error("a discarded draft takes more")
		}
	}
}

func openTwice(b *bench) {
	want := text(newID(1), 2*Large)
	e := b.add(1, want, "a.test")
	_, m, err := b.store.Load(b.Context(), e.Envelope.ID)
	if err != nil {
		b.Fatal(err)
	}
	one, err := m.Body.Open()
	if err != nil {
		b.Fatal(err)
	}
	defer one.Close()
	if _, err := io.ReadFull(one, make([]byte, 100)); err != nil {
		b.Fatal(err)
	}
	if got, err := read(m.Body); err != nil || string(got) != want {
		b.Errorf("the second reader has %d octets, %v", len(got), err)
	}
	if got, err := io.ReadAll(one); err != nil || string(got) != want[100:] {
		b.Errorf("the first reader has %d octets, %v", len(got), err)
	}
}

func oldestFirst(b *bench) {
	var all []queue.Row
	for i := range 10 {
		e := b.add(i, "x", "a.test", "b.test", "a.test")
		all = append(all, e.Rows[0], e.Rows[2])
	}
	slices.SortStableFunc(all, func(x, y queue.Row) int { return x.Due.Compare(y.Due) })
	if got := b.due("a.test", start.Add(time.Hour), 100); !slices.Equal(got, all) {
		b.Errorf("got %v", got)
	}
	if got := b.due("a.test", start.Add(time.Hour), 3); !slices.Equal(got, all[:3]) {
		b.Errorf("three are %v", got)
	}
	if got := b.due("a.test", start, 100); !slices.Equal(got, all[:10]) {
		b.Errorf("by then %v", got)
	}
	if got := b.due("a.tes", start.Add(time.Hour), 100); len(got) > 0 {
		b.Errorf("a destination without rows has %v", got)
	}
}

func heldIsNotDue(b *bench) {
	e := b.add(1, "x", "a.test")
	row := e.Rows[0]
	row.Held = true
	b.apply(queue.Change{Put: []queue.Row{row}})
	if got := b.due("a.test", start.Add(time.Hour), 9); len(got) > 0 {
		b.Errorf("due: %v", got)
	}
	if got := b.destinations(); len(got) > 0 {
		b.Errorf("destinations: %v", got)
	}
	if got := b.rows(""); len(got) != 1 || got[0] != row {
		b.Errorf("rows: %v", got)
	}
	row.Held, row.Due = false, start.Add(time.Minute)
	b.apply(queue.Change{Put: []queue.Row{row}, Lazy: true})
	if got := b.due("a.test", start.Add(time.Hour), 9); !slices.Equal(got, []queue.Row{row}) {
		b.Errorf("due: %v", got)
	}
}

func (b *bench) destinations() (list []queue.Destination) {
	b.Helper()
	for d, err := range b.store.Destinations(b.Context()) {
		if err != nil {
			b.Fatal(err)
		}
		list = append(list, d)
	}
	return list
}

func destinationsOnce(b *bench) {
	for i := range 5 {
		b.add(i, "x", "b.test", "a.test", "b.test", "b.test.a")
	}
	b.apply(queue.Change{Done: b.rows("")[:1]})
	want := []queue.Destination{{Name: "a.test", Due: start.Add(time.Second)}, {Name: "b.test", Due: start}, {Name: "b.test.a", Due: start.Add(3 * time.Second)}}
	got := b.destinations()
	slices.SortFunc(got, func(x, y queue.Destination) int {
		return len(x.Name+x.Name[:1]) - len(y.Name+y.Name[:1]) + int(x.Name[0]) - int(y.Name[0])
	})
	if !slices.Equal(got, want) {
		b.Errorf("got %v", got)
	}
}

func rowsInOrder(b *bench) {
	var want []queue.Row
	for i := range 20 {
		want = append(want, b.add(i, "x", "b.test", "a.test").Rows...)
	}
	if got := b.rows(""); !slices.Equal(got, want) {
		b.Errorf("got %v", got)
	}
	if got := b.rows(want[10].ID); !slices.Equal(got, want[10:]) {
		b.Errorf("from %s: %v", want[10].ID, got)
	}
}

func lastRow(b *bench) {
	for i, size := range sizes() {
		e := b.add(i, text(newID(i), size), "a.test", "b.test", "c.test")
		b.apply(queue.Change{Done: []queue.Row{e.Rows[1]}, Lazy: true})
		b.whole(&e, text(newID(i), size))
		b.apply(queue.Change{Put: []queue.Row{e.Rows[0]}, Done: []queue.Row{e.Rows[2]}})
		b.whole(&e, text(newID(i), size))
		b.apply(queue.Change{Done: []queue.Row{e.Rows[0]}, Lazy: i%2 == 0})
		if _, _, err := b.store.Load(b.Context(), e.Envelope.ID); !errors.Is(err, queue.ErrNotFound) {
			b.Errorf("size %d: %v", size, err)
		}
	}
	if got := b.destinations(); len(got) > 0 {
		b.Errorf("destinations left: %v", got)
	}
}

func goneStaysGone(b *bench) {
	e := b.add(1, "x", "a.test")
	b.apply(queue.Change{Done: e.Rows})
	b.apply(queue.Change{Put: e.Rows})
	b.apply(queue.Change{Done: e.Rows, Lazy: true})
	if got := append(b.rows(""), b.due("a.test", start.Add(time.Hour), 9)...); len(got) > 0 {
		b.Errorf("got %v", got)
	}
}

func wholeChange(b *bench) {
	one, two := b.add(1, "x", "a.test", "b.test"), b.add(2, "x", "a.test")
	report := entry(newID(3), mail.Bytes("failed"), "from.test")
	put := one.Rows[1]
	put.Attempts, put.Due, put.Delayed = 7, start.Add(time.Hour), true
	// Rows of one message need not stand together.
	done := []queue.Row{one.Rows[0], two.Rows[0]}
	b.apply(queue.Change{Add: []queue.Entry{report}, Put: []queue.Row{put}, Done: done})
	if got, want := b.rows(""), []queue.Row{put, report.Rows[0]}; !slices.Equal(got, want) {
		b.Errorf("got %v, want %v", got, want)
	}
	again := b.add(4, "x", "a.test", "a.test")
	b.apply(queue.Change{Done: []queue.Row{again.Rows[0], put, again.Rows[1]}})
	if _, _, err := b.store.Load(b.Context(), again.Envelope.ID); !errors.Is(err, queue.ErrNotFound) {
		b.Errorf("a message without rows is left: %v", err)
	}
}

func lazyAdd(b *bench) {
	b.refuse(queue.Change{Add: []queue.Entry{entry(newID(1), mail.Bytes("x"), "a.test")}, Lazy: true})
}

func noRecipient(b *bench) {
	b.refuse(queue.Change{Add: []queue.Entry{entry(newID(1), mail.Bytes("x"), "a.test"), entry(newID(2), mail.Bytes("x"))}})
	if _, _, err := b.store.Load(b.Context(), newID(1)); err == nil {
		b.Error("half the change is there")
	}
}

func reopened(b *bench) {
	var kept []queue.Entry
	for i, size := range sizes() {
		kept = append(kept, b.add(i, text(newID(i), size), "a.test", "b.test"))
		b.apply(queue.Change{Done: kept[i].Rows[:1], Lazy: true})
	}
	want, destinations := b.rows(""), b.destinations()
	b.close()
	b.open()
	if got := b.rows(""); !slices.Equal(got, want) {
		b.Errorf("rows: %v", got)
	}
	if got := b.destinations(); !slices.Equal(got, destinations) {
		b.Errorf("destinations: %v", got)
	}
	for i, size := range sizes() {
		b.whole(&kept[i], text(newID(i), size))
	}
}

func endedContext(b *bench) {
	ctx, cancel := context.WithCancel(b.Context())
	cancel()
	c := queue.Change{Add: []queue.Entry{entry(newID(1), mail.Bytes("x"), "a.test")}}
	if err := b.store.Apply(ctx, c); !errors.Is(err, context.Canceled) {
		b.Errorf("got %v", err)
	}
	if got := b.rows(""); len(got) > 0 {
		b.Errorf("got %v", got)
	}
}
