// SPDX-License-Identifier: MIT

// Package greylist makes a stranger's first mail wait, for sites without a filter that does.
//
// Greylisting bets that a mail server tries again and most senders of spam do not (RFC 6647). What counts is the triplet of
// client network, sender and recipient. One that was never seen is told to come again (450 4.2.0); from Delay on it passes,
// provided it comes within RetryWindow. Once passed it passes for as long as it is seen every MaxAge. A client network
// whose triplets have passed a few times is a mail server, and is not asked to wait again (one success an hour counts, so
// that one batch of spam is not five). This is what postgrey(8) does, whose defaults are ours; it counts successes by
// address where we count by network, the same that stands in the triplet.
//
// Senders are compared without what changes from mail to mail: extensions, lone numbers in VERP, the tags of BATV, hash and
// day of SRS. Exceptions are tables: clients that are known not to try again, recipients that do not want it.
//
// What is known is kept in memory, bounded, and in one file: a head with the format's version, then records of equal length,
// each a hash of its triplet with two times and a checksum. No address stands in it. Changes are appended and synced every
// second; when the file is mostly history it is written anew beside itself and renamed. A crash loses the last second, which
// makes some mail wait again, nothing worse; a torn or damaged record is dropped and logged. One process owns the directory:
// the service's queue lock sees to that, there is no other. Several nodes have a list each, so a sender that tries another
// MX each time waits once at each.
//
// Time is counted from the start by the monotonic clock and never runs backwards, over restarts neither. A wall clock that
// is set forth or back while we run neither lets anyone pass nor shuts anyone out. Over a restart, a clock set forth looks
// like a long stop: waiting is over, or what was known is forgotten and mail waits again.
package greylist

import (
	"container/list"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"posthouse/internal/durable"
	"posthouse/mail"
	"posthouse/table"
)

// Result is what to do with one recipient of one client.
type Result struct {
	Pass bool
	Wait time.Duration // how long until it would pass; 0 if it does
	Why  string        // one of the words below, for the log
}

// Why a result is what it is.
const (
	New               = "new"
	TooEarly          = "too early"
	Waited            = "waited"
	Known             = "known"
	KnownClient       = "known client"
	ExceptedClient    = "excepted client"
	ExceptedRecipient = "excepted recipient"
)

// Options of a List. Zero values are the defaults.
type Options struct {
	Clients    *table.Table         // that Config.Exceptions names [none]
	Recipients *table.Table         // that Config.RecipientExceptions names [none]
	Now        func() time.Time     // the wall clock, read once [time.Now]
	Elapsed    func() time.Duration // what passed since Open [the monotonic clock, by Now]
	FS         durable.FS           // [durable.OS]
	Log        *slog.Logger         // [discarded]
}

// List is what is known of clients, senders and recipients. It is safe for use by many at once.
type List struct {
	settings atomic.Pointer[settings]
	elapsed  func() time.Duration
	log      *slog.Logger
	file     file

	mu       sync.Mutex
	base     int64 // the time at Open
	clock    int64 // the latest time seen
	entries  map[key]*list.Element
	ages     [states]*list.List // of *entry by state, the one seen longest ago in front
	dirty    []*entry           // not on disk yet
	overflow bool               // too many to list
}

// Check notes an attempt and says whether it passes. name is the client's verified name, "" if it has none.
func (l *List) Check(client netip.Addr, name string, from, to mail.Path) Result {
	return l.ask(client, name, from, to, true)
}

// Peek is Check without a trace: what would be answered now.
func (l *List) Peek(client netip.Addr, name string, from, to mail.Path) Result {
	return l.ask(client, name, from, to, false)
}

func (l *List) ask(client netip.Addr, name string, from, to mail.Path, note bool) Result {
	s := l.settings.Load()
	client = client.Unmap().WithZone("")
	if why := s.excepted(client, name, to); why != "" {
		return Result{Pass: true, Why: why}
	}
	network := s.network(client)
	ours, triplet := clientKey(network), tripletKey(network, from, to)

	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	before := l.fresh(ours, s, now)
	if next, known := s.greet(before, now); known {
		if note {
			l.keep(ours, next, s)
		}
		return Result{Pass: true, Why: KnownClient}
	}
	next, result := s.attempt(l.fresh(triplet, s, now), now)
	if note {
		l.keep(triplet, next, s)
		if result.Why == Waited {
			l.keep(ours, s.succeed(before, now), s)
		}
	}
	return result
}

// now is milliseconds since 1970 by our clock, which never runs backwards.
func (l *List) now() int64 {
	l.clock = max(l.clock, l.base+l.elapsed().Milliseconds())
	return l.clock
}

// Stats are numbers for metrics.
type Stats struct{ Pending, Passed, Clients int }

// Stats counts what is known.
func (l *List) Stats() Stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	return Stats{l.ages[pending].Len(), l.ages[passed].Len(), l.ages[server].Len()}
}
