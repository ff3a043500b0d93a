// SPDX-License-Identifier: MIT

// Package delivery takes mail out of the queue and hands it on: claim, route, carry, settle. It is Postfix's qmgr and
// bounce in one place.
//
// A claim is one message's due recipients in one destination. They are grouped by the MAIL FROM their next hop is to see
// (SRS), the route gives a mail.Carrier, and its Outcome says of each recipient whether it is done, failed or to be tried
// again. Settling is one Change of the store: the rows' new states together with the reports to the sender (RFC 3464, asked
// for or not as RFC 3461 says), so that a crash neither loses a bounce nor sends it without the state that caused it.
//
// Retry times are Postfix's: the next wait is the message's age, within bounds (RFC 5321 4.5.4.1). A message is given up
// only after an attempt. A destination that is dead as a whole is left alone for its other mail too, and an attempt at it
// counts for all of that mail: what waits for long comes as a suspended claim, whose age is judged and which is not tried.
//
// No report is sent to <> (RFC 5321 6.1), nor to the sender of mail that failed SPF or DMARC on arrival: he may be forged.
//
// How to reach a host is relay's, what a report looks like is dsn's, who is next and what is on disk is queue's. The
// commands of `posthouse queue` are here as well (control.go). They need no Run: over a Queue that nobody claims from they
// work on the store of a stopped service.
package delivery

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"posthouse/mail"
	"posthouse/queue"
)

// Options of a Manager. Queue, Route, Hostname and Log are required.
type Options struct {
	Queue *queue.Queue // made with Config.Queue
	// Route is who carries mail of this envelope to that destination; its Recipients are those of the claim. It does no
	// I/O. Answer makes one that says the same to all; nil is a fault of the configuration and defers.
	Route func(env *mail.Envelope, destination string) mail.Carrier
	// Expand says who gets a report to that sender, nil: he himself. For smtp-in, where he may be an alias of ours.
	Expand func(mail.Recipient) []mail.Recipient

	// Upgrade raises the store's format, for `queue upgrade`; nil: it has none to raise.
	Upgrade func() error

	Service  string // "smtp-in": in metrics
	Hostname string // reporting MTA; the domain of mailer-daemon
	Config   Config
	Now      func() time.Time      // nil: time.Now
	Random   func() float64        // nil: math/rand
	Registry prometheus.Registerer // nil: no metrics
	Log      *slog.Logger
}

// Manager runs the deliveries of one queue. Make it with New.
type Manager struct {
	Options
	hops    *hops
	metrics *metrics
	tuned   atomic.Pointer[tuned] // what a reload has changed; nil: nothing
}

// New makes a Manager; Run starts it.
func New(o Options) *Manager {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Random == nil {
		o.Random = rand.Float64
	}
	if o.Config.Retry == (Retry{}) {
		o.Config.Retry = DefaultRetry()
	}
	return &Manager{Options: o, hops: newHops(o.Config.Retry, o.Now), metrics: newMetrics(o.Registry, o.Service, o.Queue)}
}

// tuned is what of Options a Reload replaces.
type tuned struct {
	Config
	hostname string
}

// config is what holds now.
func (m *Manager) config() *Config { return &m.inForce().Config }

func (m *Manager) inForce() *tuned {
	if t := m.tuned.Load(); t != nil {
		return t
	}
	return &tuned{m.Config, m.Hostname}
}

// Reload puts another Config and Hostname in force, for the queue too: times that are set already stay, the next ones follow.
func (m *Manager) Reload(c Config, hostname string) {
	m.tuned.Store(&tuned{c, hostname})
	m.hops.tune(c.Retry)
	m.Queue.Tune(c.Queue(queue.Options{}))
}

// Answer is a Carrier that gives every recipient the same result, for routes that lead nowhere.
func Answer(r mail.Result) mail.Carrier { return answer(r) }

type answer mail.Result

func (a answer) Carry(_ context.Context, env *mail.Envelope, _ *mail.Message) mail.Outcome {
	return mail.All(len(env.Recipients), mail.Result(a))
}
