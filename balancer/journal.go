// SPDX-License-Identifier: MIT

package balancer

import (
	"context"
	"log/slog"
	"net/netip"
	"sync/atomic"
	"time"

	"posthouse/balancer/loop"
)

// journalLines are kept while the log does not keep up; what comes then is lost, and counted. Lines are gathered for gatherTime.
const (
	journalLines = 16384
	gatherTime   = 50 * time.Millisecond
)

// journal writes what happens in the loops to the log, by a goroutine of its own: no loop waits for a log.
type journal struct {
	log   *slog.Logger
	lines chan line
	lost  atomic.Int64
}

// line is an entry that is not put into words yet.
type line interface{ write(*slog.Logger) }

func newJournal(log *slog.Logger) *journal {
	return &journal{log: log, lines: make(chan line, journalLines)}
}

// say never waits.
func (j *journal) say(l line) {
	select {
	case j.lines <- l:
	default:
		j.lost.Add(1)
	}
}

// run writes until ctx ends, and then what is still there.
func (j *journal) run(ctx context.Context) {
	var told int64
	for ctx.Err() == nil {
		select {
		case l := <-j.lines:
			l.write(j.log)
			j.gather(ctx)
		case <-ctx.Done():
		}
		j.flush()
		if lost := j.lost.Load(); lost > told {
			j.log.Warn("the log did not keep up: lines about sessions are lost", "lines", lost-told)
			told = lost
		}
	}
}

// gather waits for more lines to come: to be woken for each would cost a loop more than the line.
func (j *journal) gather(ctx context.Context) {
	timer := time.NewTimer(gatherTime)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// flush writes what is there now.
func (j *journal) flush() {
	for range len(j.lines) {
		l := <-j.lines
		l.write(j.log)
	}
}

// sessionLine is one session that has ended.
type sessionLine struct {
	service string
	server  place
	client  netip.AddrPort
	tries   int
	result  loop.Result
	failure error
}

func (j *journal) session(v *visit, r loop.Result) {
	j.say(&sessionLine{v.way.service.name, v.server, v.client, v.tries, r, v.failure})
}

func (l *sessionLine) write(log *slog.Logger) {
	r := &l.result
	args := []any{"balanced", l.service, "client", client(l.client), "reason", r.Reason.String()}
	if l.server.name != "" {
		args = append(args, l.server.words()...)
	}
	args = append(args, "from_client", r.FromClient, "from_server", r.FromServer, "seconds", seconds(r.Duration))
	if r.ConnectTime > 0 {
		args = append(args, "connect_seconds", seconds(r.ConnectTime))
	}
	if l.tries > 1 {
		args = append(args, "tries", l.tries)
	}
	if r.Err != nil {
		args = append(args, "error", r.Err.Error())
	}
	if l.failure != nil {
		args = append(args, "failed_try", l.failure.Error())
	}
	if r.Reason == loop.NoServer {
		log.Warn("no server for a client", args...)
		return
	}
	log.Info("session", args...)
}

// client is how the log names one.
func client(a netip.AddrPort) string {
	if !a.IsValid() {
		return "local"
	}
	return a.String()
}

func seconds(d time.Duration) float64 { return d.Round(100 * time.Microsecond).Seconds() }

// refusalLine is a client that was closed without a byte.
type refusalLine struct {
	service string
	client  netip.Addr
	why     refusal
	err     error
}

func (j *journal) refused(service string, client netip.Addr, why refusal, err error) {
	j.say(&refusalLine{service, client, why, err})
}

func (l *refusalLine) write(log *slog.Logger) {
	args := []any{"balanced", l.service}
	if l.client.IsValid() {
		args = append(args, "client", l.client.String())
	}
	args = append(args, "reason", l.why.String())
	if l.err != nil {
		args = append(args, "error", l.err.Error())
	}
	log.Info("refused", args...)
}

// stateLine is a server that went out or came back.
type stateLine struct {
	service string
	place   place
	up      bool
	state   string
	why     string
}

func (l *stateLine) write(log *slog.Logger) {
	args := append([]any{"balanced", l.service}, l.place.words()...)
	if l.up {
		log.Info("server is up", args...)
		return
	}
	args = append(args, "state", l.state)
	if l.why != "" {
		args = append(args, "why", l.why)
	}
	log.Warn("server is out", args...)
}

// words are a server's in the log.
func (p place) words() []any {
	if a := p.addr; a.IsValid() && a.String() != p.name {
		return []any{"server", p.name, "address", a.String()}
	}
	return []any{"server", p.name}
}
