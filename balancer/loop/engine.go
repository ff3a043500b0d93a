// SPDX-License-Identifier: MIT

//go:build linux

package loop

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// Engine is a set of loops and the sessions in them.
type Engine struct {
	o       Options
	start   time.Time
	all     []*loop
	loops   sync.WaitGroup
	count   atomic.Int64 // sessions
	pipes   atomic.Int64 // open, pooled or not
	paused  atomic.Bool
	told    atomic.Bool  // that it is paused, to the log
	tell    atomic.Int64 // when the log last heard of a pause, since start
	cutting atomic.Bool
	remarks chan remark
	silence chan struct{} // closed: no more remarks
	talker  sync.WaitGroup
	stopped sync.Once

	mu     sync.Mutex
	doors  map[*Door]struct{}
	closed bool
}

// remark is a line for the log, which no loop waits for.
type remark struct {
	text string
	args []any
}

// New starts the loops.
func New(o Options) (*Engine, error) {
	if err := o.fill(); err != nil {
		return nil, fmt.Errorf("balancer loops: %w", err)
	}
	e := &Engine{o: o, start: time.Now(), remarks: make(chan remark, 64), silence: make(chan struct{}), doors: map[*Door]struct{}{}}
	for range o.Loops {
		l, err := newLoop(e)
		if err != nil {
			e.stop()
			return nil, fmt.Errorf("balancer loops: %w", err)
		}
		e.all = append(e.all, l)
		e.loops.Add(1)
		go l.run()
	}
	e.talker.Go(e.talk)
	return e, nil
}

// fill derives what was left out from the limit on descriptors: a 16th for pipes, some for the rest of the process, two a
// session.
func (o *Options) fill() error {
	var r unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &r); err != nil {
		return os.NewSyscallError("getrlimit", err)
	}
	if o.Loops <= 0 {
		o.Loops = max(runtime.NumCPU()/2, 1)
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	files := int(min(r.Cur, 1<<24))
	if o.MaxPipes == 0 {
		o.MaxPipes = min(files/32, maxPipes)
	}
	if o.MaxSessions <= 0 {
		o.MaxSessions = max((files-2*o.MaxPipes-min(files/4, keptBack))/2, 1)
	}
	return nil
}

// keptBack is for listeners, logs, health checks, look-ups and the like.
const keptBack = 128

// Stats may be asked at any time.
func (e *Engine) Stats() Stats {
	s := Stats{Paused: e.paused.Load()}
	for _, l := range e.all {
		s.Sessions += int(l.sessions.Load())
		s.Established += int(l.established.Load())
		s.Pipes += int(l.pipesUsed.Load())
		s.Pending += l.pending.Load()
		s.Accepted += l.accepted.Load()
		s.Spliced += l.spliced.Load()
	}
	return s
}

// Shutdown closes the doors, waits for the sessions until hard ends, then cuts them, and ends the loops. It may be called
// twice.
func (e *Engine) Shutdown(hard context.Context) error {
	e.closeDoors()
	e.drained(hard)
	e.cutting.Store(true)
	for _, l := range e.all {
		l.call(l.cut)
	}
	e.stop()
	return nil
}

func (e *Engine) closeDoors() {
	e.mu.Lock()
	e.closed = true
	doors := e.doors
	e.doors = map[*Door]struct{}{}
	e.mu.Unlock()
	for d := range doors {
		d.Close()
	}
}

// drained waits until no session is left.
func (e *Engine) drained(hard context.Context) {
	for e.count.Load() > 0 {
		select {
		case <-hard.Done():
			return
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// stop ends the loops, and then the log.
func (e *Engine) stop() {
	for _, l := range e.all {
		l.quit()
	}
	e.loops.Wait()
	e.stopped.Do(func() { close(e.silence) })
	e.talker.Wait()
}

// say logs, unless the log is far behind.
func (e *Engine) say(text string, args ...any) {
	select {
	case e.remarks <- remark{text, args}:
	default:
	}
}

func (e *Engine) talk() {
	for {
		select {
		case r := <-e.remarks:
			e.o.Log.Warn(r.text, r.args...)
			continue
		default:
		}
		select {
		case r := <-e.remarks:
			e.o.Log.Warn(r.text, r.args...)
		case <-e.silence:
			return
		}
	}
}
