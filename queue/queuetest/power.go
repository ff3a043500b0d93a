// SPDX-License-Identifier: MIT

package queuetest

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"posthouse/mail"
	"posthouse/queue"
)

// CrashDisk is a Disk whose power can be cut.
type CrashDisk interface {
	Disk
	// Cut returns what is on the disk after a power loss at this moment: all that was synced, and of the rest each part
	// with a probability of keep percent.
	Cut(keep int, rng *rand.Rand) Disk
	// OnWrite has f called before each operation that changes the disk, by whoever does it.
	OnWrite(f func())
}

// Power is a run of work with power losses.
type Power struct {
	Seed    uint64
	Cuts    int // power losses to look at
	Keep    int // percent of unsynced data that survives; negative: random
	Workers int // callers at once
}

// Run works on a store until the power was cut often enough, and looks at what each cut leaves. The error is what was lost.
func (p Power) Run(ctx context.Context, disk CrashDisk) error {
	store, err := disk.Open()
	if err != nil {
		return err
	}
	m := &model{p: p, disk: disk, store: store, rng: rand.New(rand.NewPCG(p.Seed, 1)), messages: map[mail.ID]*message{}}
	m.ctx = ctx
	m.wait = m.rng.IntN(20)
	disk.OnWrite(m.beforeWrite)
	var workers sync.WaitGroup
	for i := range max(p.Workers, 1) {
		workers.Go(func() { m.work(i, rand.New(rand.NewPCG(p.Seed, uint64(i)+2))) })
	}
	workers.Wait()
	if err := store.Close(); err != nil && m.lost == nil {
		return err
	}
	return m.lost
}

// model is what a store may and must hold after a power loss now.
type model struct {
	p     Power
	ctx   context.Context
	disk  CrashDisk
	store queue.Store

	mu       sync.Mutex
	rng      *rand.Rand
	wait     int // writes until the next cut
	cuts     int
	ids      int
	lost     error
	messages map[mail.ID]*message
	lazy     []*rowModel // lazily done, not known to be durable
}

type message struct {
	entry queue.Entry
	body  string
	acked bool
	rows  []*rowModel
}

// rowModel counts versions by Attempts.
type rowModel struct {
	message *message
	acked   int // a version at least this one must be there
	begun   int // a version at most this one may be there
	gone    goneness
	causes  *message // was added by the change that made the row go
}

type goneness uint8

const (
	stays goneness = iota
	mayBeGone
	isGone
)

// beforeWrite cuts the power now and then, before a write goes out.
func (m *model) beforeWrite() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.over() {
		return
	}
	if m.wait--; m.wait > 0 {
		return
	}
	m.wait = 1 + m.rng.IntN(12)
	m.cuts++
	keep := m.p.Keep
	if keep < 0 {
		keep = m.rng.IntN(101)
	}
	if err := m.check(m.disk.Cut(keep, m.rng)); err != nil {
		m.lost = fmt.Errorf("seed %d, cut %d, %d%% of unsynced data kept: %w", m.p.Seed, m.cuts, keep, err)
	}
}

// over is asked with the lock held.
func (m *model) over() bool { return m.lost != nil || m.cuts >= m.p.Cuts || m.ctx.Err() != nil }

// step runs f with the lock held, and reports that there is more to do.
func (m *model) step(f func()) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	f()
	return !m.over()
}

// work is one caller: it adds messages, defers and settles its own rows, and adds reports.
func (m *model) work(worker int, rng *rand.Rand) {
	var mine []*rowModel
	for more := true; more; {
		err := error(nil)
		switch n := rng.IntN(10); {
		case n < 4 || len(mine) == 0:
			var msg *message
			msg, err = m.add(rng)
			mine = append(mine, msg.rows...)
		case n < 6:
			err = m.postpone(mine[rng.IntN(len(mine))], rng)
		default:
			i := rng.IntN(len(mine))
			row := mine[i]
			mine = slices.Delete(mine, i, i+1)
			if n == 6 {
				err = m.bounce(row, rng)
			} else {
				err = m.finish(row, n < 9)
			}
		}
		more = m.step(func() {
			if err != nil && m.lost == nil {
				m.lost = fmt.Errorf("worker %d: %w", worker, err)
			}
		})
	}
}

// newMessage may be on the disk from now on.
func (m *model) newMessage(rng *rand.Rand) (*message, error) {
	size := rng.IntN(Large)
	if rng.IntN(3) == 0 {
		size = Large + rng.IntN(5*Large)
	}
	var id mail.ID
	m.step(func() { m.ids++; id = newID(m.ids) })
	msg := &message{body: text(id, size)}
	body, err := m.body(msg.body, rng)
	if err != nil {
		return msg, err
	}
	msg.entry = entry(id, body, []string{"a.test", "b.test", "c.test"}[:1+rng.IntN(3)]...)
	for range msg.entry.Rows {
		msg.rows = append(msg.rows, &rowModel{message: msg})
	}
	m.step(func() { m.messages[id] = msg })
	return msg, nil
}

// body is most often a draft that came in over the wire.
func (m *model) body(text string, rng *rand.Rand) (mail.Body, error) {
	if rng.IntN(4) == 0 {
		return mail.Bytes(text), nil
	}
	d, err := m.store.Create()
	if err == nil {
		_, err = io.Copy(d, strings.NewReader(text))
	}
	return d, err
}

func (m *model) add(rng *rand.Rand) (*message, error) {
	msg, err := m.newMessage(rng)
	if err != nil {
		return msg, err
	}
	return msg, m.apply(queue.Change{Add: []queue.Entry{msg.entry}}, func() { msg.acked = true })
}

// apply notes what an answer of nil promises, and that it covers the lazy changes before it.
func (m *model) apply(c queue.Change, promise func()) error {
	var covered []*rowModel
	m.step(func() { covered = slices.Clone(m.lazy) })
	if err := m.store.Apply(m.ctx, c); err != nil {
		return err
	}
	m.step(func() {
		promise()
		if !c.Lazy {
			for _, r := range covered {
				r.gone = isGone
			}
			m.lazy = slices.DeleteFunc(m.lazy, func(r *rowModel) bool { return r.gone == isGone })
		}
	})
	return nil
}

// row is what the store is told.
func (r *rowModel) row(version int) queue.Row {
	n := slices.Index(r.message.rows, r)
	row := r.message.entry.Rows[n]
	row.Attempts = version
	row.Due = row.Due.Add(time.Duration(version) * time.Minute)
	return row
}

func (m *model) postpone(r *rowModel, rng *rand.Rand) error {
	version := 0
	m.step(func() { r.begun++; version = r.begun })
	lazy := rng.IntN(3) == 0
	return m.apply(queue.Change{Put: []queue.Row{r.row(version)}, Lazy: lazy}, func() {
		if !lazy {
			r.acked = version
		}
	})
}

func (m *model) finish(r *rowModel, lazy bool) error {
	m.step(func() { r.gone = mayBeGone })
	return m.apply(queue.Change{Done: []queue.Row{r.row(r.begun)}, Lazy: lazy}, func() {
		if lazy {
			m.lazy = append(m.lazy, r)
		} else {
			r.gone = isGone
		}
	})
}

// bounce is a row that ends with a report: both or neither.
func (m *model) bounce(r *rowModel, rng *rand.Rand) error {
	report, err := m.newMessage(rng)
	if err != nil {
		return err
	}
	m.step(func() { r.gone, r.causes = mayBeGone, report })
	c := queue.Change{Add: []queue.Entry{report.entry}, Done: []queue.Row{r.row(r.begun)}}
	return m.apply(c, func() { r.gone, report.acked = isGone, true })
}
