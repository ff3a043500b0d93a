// SPDX-License-Identifier: MIT

package daemon

import (
	"context"
	"os"
	"os/signal"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// signals is the channel to listen on, and what gives it back.
func (p *Process) signals() (<-chan os.Signal, func()) {
	if p.Signals != nil {
		return p.Signals, func() {}
	}
	c := make(chan os.Signal, 4)
	signal.Notify(c, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGUSR2)
	return c, func() { signal.Stop(c) }
}

// watcher listens to signals and talks to the service manager, side by side with the parts.
type watcher struct {
	p    *Process
	hup  chan struct{} // one reload may wait while another runs
	usr2 chan struct{} // likewise an upgrade
	stop chan struct{} // closed at the first signal
	over chan struct{} // closed when Run returns
	wg   sync.WaitGroup
}

func newWatcher(p *Process, signals <-chan os.Signal) *watcher {
	w := &watcher{p: p, hup: make(chan struct{}, 1), usr2: make(chan struct{}, 1), stop: make(chan struct{}), over: make(chan struct{})}
	w.wg.Go(func() { w.signals(signals) })
	return w
}

func (w *watcher) end() {
	close(w.over)
	w.wg.Wait()
}

// signals runs from before the first part starts to the very end, so that a second signal always works.
func (w *watcher) signals(in <-chan os.Signal) {
	stopping := false
	for {
		select {
		case s := <-in:
			switch {
			case s == syscall.SIGHUP:
				ask(w.hup)
			case s == syscall.SIGUSR2:
				ask(w.usr2)
			case stopping:
				w.p.Log.Warn("second signal, ending at once", "signal", s)
				w.p.exit(1)
				return
			default:
				stopping = true
				w.p.Log.Info("stopping", "signal", s)
				close(w.stop)
			}
		case <-w.over:
			return
		}
	}
}

func ask(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default: // one is waiting already, and will read what is there then
	}
}

// ready tells the manager, and starts what belongs to a process that is up: reloads, upgrades and the watchdog.
func (w *watcher) ready(ctx context.Context) {
	w.tell("READY=1")
	w.wg.Go(func() { w.reloads(ctx) })
	if d := w.watchdogInterval(); d > 0 {
		w.wg.Go(func() { w.watchdog(d / 2) })
	}
}

// untilStop returns nil when a stop was asked for, else the failure that forces one.
func (w *watcher) untilStop(ctx context.Context, failed <-chan error) error {
	select {
	case <-w.stop:
		return nil
	case <-ctx.Done():
		return nil
	case err := <-failed:
		w.p.Log.Error("failed, stopping", "error", err)
		return err
	}
}

func (w *watcher) stopping() { w.tell("STOPPING=1") }

func (w *watcher) reloads(ctx context.Context) {
	for {
		select {
		case <-w.hup:
			w.reload(ctx)
		case <-w.usr2:
			w.upgrade(ctx)
		case <-w.over:
			return
		}
	}
}

// reload always ends with READY=1: a configuration that was refused leaves a service that works.
func (w *watcher) reload(ctx context.Context) {
	if w.p.Reload == nil {
		return
	}
	w.tell("RELOADING=1\nMONOTONIC_USEC=" + strconv.FormatInt(monotonic().Microseconds(), 10))
	defer w.tell("READY=1")
	if err := w.p.Reload(ctx); err != nil {
		w.p.Log.Error("reload refused, the old configuration stays in force", "error", err)
		return
	}
	w.p.Log.Info("reloaded")
}

// upgrade takes as long as it takes; it ends early with the process.
func (w *watcher) upgrade(ctx context.Context) {
	if w.p.Upgrade == nil {
		w.p.Log.Warn("SIGUSR2 ignored: this process cannot hand over its work")
		return
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-w.stop:
		case <-w.over:
		case <-ctx.Done():
		}
		cancel()
	}()
	if err := w.p.Upgrade(ctx); err != nil {
		w.p.Log.Error("upgrade failed, this process goes on", "error", err)
		return
	}
	w.p.Log.Info("upgraded, another process has taken over")
}

// watchdogInterval is what the manager asked of this very process, else 0.
func (w *watcher) watchdogInterval() time.Duration {
	usec, err := strconv.ParseInt(w.p.getenv("WATCHDOG_USEC"), 10, 64)
	if err != nil || usec <= 0 {
		return 0
	}
	if pid := w.p.getenv("WATCHDOG_PID"); pid != "" && pid != strconv.Itoa(os.Getpid()) {
		return 0
	}
	return time.Duration(usec) * time.Microsecond
}

// watchdog goes on while the process stops: the grace may be longer than the interval.
func (w *watcher) watchdog(every time.Duration) {
	t := time.NewTicker(every)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			w.beat()
		case <-w.over:
			return
		}
	}
}

func (w *watcher) beat() {
	if w.p.Healthy != nil {
		if err := w.p.Healthy(); err != nil {
			w.p.Log.Error("unhealthy, the watchdog is not fed", "error", err)
			return
		}
	}
	w.tell("WATCHDOG=1")
}

func (w *watcher) tell(state string) {
	if err := w.p.notify.send(state); err != nil {
		w.p.Log.Warn("service manager not told", "state", state, "error", err)
	}
}
