// SPDX-License-Identifier: MIT

package greylist

import (
	"cmp"
	"container/list"
	"slices"
)

// entry is something known, and whether the disk knows it too.
type entry struct {
	key
	facts
	dirty bool
}

// fresh is what is known of a key, unless that is too old to count.
func (l *List) fresh(k key, s *settings, now int64) facts {
	if e, ok := l.entries[k]; ok {
		if f := e.Value.(*entry).facts; !s.expired(f, now) {
			return f
		}
	}
	return facts{}
}

// keep notes what became of a key.
func (l *List) keep(k key, f facts, s *settings) {
	e := &entry{key: k}
	if at, ok := l.entries[k]; ok {
		e = at.Value.(*entry)
		if e.facts == f {
			return
		}
		l.ages[e.state].Remove(at)
	}
	e.facts = f
	l.entries[k] = l.ages[f.state].PushBack(e)
	l.owe(e, s)
	for len(l.entries) > s.MaxEntries {
		l.evict()
	}
}

// owe notes that the disk does not know e yet. A disk that hangs must not fill the memory: beyond a bound all is written.
func (l *List) owe(e *entry, s *settings) {
	if e.dirty || l.overflow {
		return
	}
	e.dirty = true
	l.dirty = append(l.dirty, e)
	if len(l.dirty) > s.MaxEntries {
		l.dirty, l.overflow = nil, true
	}
}

// evict forgets what was seen longest ago: of those that never came back, then of those that did, then of the clients.
func (l *List) evict() {
	for _, age := range l.ages {
		if oldest := age.Front(); oldest != nil {
			l.drop(oldest)
			return
		}
	}
}

func (l *List) drop(at *list.Element) {
	e := at.Value.(*entry)
	delete(l.entries, e.key)
	l.ages[e.state].Remove(at)
}

// sweep forgets what has expired.
func (l *List) sweep() {
	s, now := l.settings.Load(), l.now()
	for _, age := range l.ages {
		for oldest := age.Front(); oldest != nil && s.expired(oldest.Value.(*entry).facts, now); oldest = age.Front() {
			l.drop(oldest)
		}
	}
}

// load takes the records of a file, the later of two with one key, and sets the clock: not before the newest of them.
func (l *List) load(records []record) {
	last := make(map[key]facts, len(records))
	for _, r := range records {
		last[r.key] = r.facts
		l.base = max(l.base, r.last)
	}
	sorted := make([]*entry, 0, len(last))
	for k, f := range last {
		sorted = append(sorted, &entry{key: k, facts: f})
	}
	slices.SortFunc(sorted, func(a, b *entry) int { return cmp.Compare(a.last, b.last) })
	for _, e := range sorted {
		l.entries[e.key] = l.ages[e.state].PushBack(e)
	}
	l.sweep()
	for s := l.settings.Load(); len(l.entries) > s.MaxEntries; {
		l.evict()
	}
}
