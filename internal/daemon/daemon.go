// SPDX-License-Identifier: MIT

// Package daemon runs the parts of one service process: it starts them in order, minds signals and the service manager,
// and stops them so that nothing half done is lost.
//
// A stop has two steps, each a context. The first, stop, ends at once on SIGTERM or SIGINT: listeners close, idle clients
// get their 421, no new work is claimed. The second, hard, ends when the grace has passed: what is still under way is cut
// off. When every part has returned, they are closed in the reverse order of their start, the store last. A second signal
// ends the process on the spot; the queue is built to survive that.
//
// With the service manager it speaks sd_notify(3), as a unit of Type=notify-reload with WatchdogSec= expects: READY=1,
// RELOADING=1 with MONOTONIC_USEC, STOPPING=1, WATCHDOG=1. Without one nothing is sent.
//
// A service that can hand over its work to a new process of its own binary does so at SIGUSR2 (Upgrade). HandOver then
// tells the manager who the service is from that moment on (MAINPID).
//
// The package knows no mail. What it reads from the environment: NOTIFY_SOCKET, WATCHDOG_USEC, WATCHDOG_PID.
package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"
)

// Defaults of a Process.
const (
	DefaultGrace = 30 * time.Second
	linger       = 5 * time.Second // between hard's end and giving a part up
)

// Part is one thing that is started and stopped. Every function may be nil.
type Part struct {
	Name string
	// Start opens what the part needs and returns when it can work. Parts start one after the other. With an error it has
	// closed what it opened: Close is not called then, as it is for the parts before.
	Start func(ctx context.Context) error
	// Run works until stop ends, and returns by the time hard ends. An error ends the whole process.
	Run func(stop, hard context.Context) error
	// Close lets go of what Start opened, once no part runs any more; the last part started is closed first.
	Close func() error
}

// Process is the parts and their surroundings. Only Log is required.
type Process struct {
	Log     *slog.Logger
	Grace   time.Duration                   // shutdown_grace [30s]
	Reload  func(ctx context.Context) error // SIGHUP; nil: ignored
	Upgrade func(ctx context.Context) error // SIGUSR2; returns when another process has taken over, or why none did; nil: ignored
	Healthy func() error                    // asked before each WATCHDOG=1; nil: always healthy
	Signals <-chan os.Signal                // nil: the process's own
	Getenv  func(string) string             // nil: os.Getenv
	Exit    func(code int)                  // at the second signal; nil: os.Exit

	parts  []Part
	notify *notifier
}

// Add puts a part after those that are there already. Not to be called once Run is.
func (p *Process) Add(part Part) { p.parts = append(p.parts, part) }

// Run starts all parts, reports readiness, and returns when all have stopped: nil after a stop that was asked for by
// a signal or by ctx, otherwise the error of the part that failed.
func (p *Process) Run(ctx context.Context) error {
	signals, release := p.signals()
	defer release()
	p.notify = newNotifier(p.getenv("NOTIFY_SOCKET"))
	watch := newWatcher(p, signals)
	defer watch.end()

	started, err := p.start(ctx)
	if err != nil {
		return errors.Join(err, p.close(started))
	}
	r := newRunning(started)
	watch.ready(ctx)
	p.Log.Info("started", "parts", len(started))

	cause := watch.untilStop(ctx, r.failed)
	watch.stopping()
	if err := r.finish(p.grace(), p.Log); err != nil {
		return errors.Join(cause, err) // a part still runs: closing the store under it would be worse than leaving it
	}
	err = errors.Join(cause, p.close(started))
	p.Log.Info("stopped")
	return err
}

func (p *Process) start(ctx context.Context) (started []Part, err error) {
	for _, part := range p.parts {
		if part.Start != nil {
			if err := part.Start(ctx); err != nil {
				return started, fmt.Errorf("%s: %w", part.Name, err)
			}
		}
		started = append(started, part)
	}
	return started, nil
}

func (p *Process) close(started []Part) error {
	var errs []error
	for i := len(started) - 1; i >= 0; i-- {
		part := started[i]
		if part.Close == nil {
			continue
		}
		if err := part.Close(); err != nil {
			errs = append(errs, fmt.Errorf("closing %s: %w", part.Name, err))
		}
	}
	return errors.Join(errs...)
}

func (p *Process) grace() time.Duration {
	if p.Grace > 0 {
		return p.Grace
	}
	return DefaultGrace
}

func (p *Process) getenv(key string) string {
	if p.Getenv != nil {
		return p.Getenv(key)
	}
	return os.Getenv(key)
}

func (p *Process) exit(code int) {
	if p.Exit != nil {
		p.Exit(code)
		return
	}
	os.Exit(code)
}
