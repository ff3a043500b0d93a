// SPDX-License-Identifier: MIT

package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"sync"
	"time"

	"posthouse/internal/daemon"
	"posthouse/internal/listen"
	"posthouse/srs"
	"posthouse/srstable"
	"posthouse/table"
)

// SRSTables are the tables of PostSRSd for a Postfix of one's own. They need no cluster file and no state.
type SRSTables struct {
	SRS                         srs.Config
	Forward, Reverse, Socketmap listen.Config // a zero address: not offered
	AlwaysRewrite, Verbose      bool
	Idle                        time.Duration
	MaxConnections              int
	Log                         *slog.Logger
	Ready                       func([]Listener) // called once everything listens
	Signals                     <-chan os.Signal // nil: the process's own
}

// srsTables is SRSTables at work.
type srsTables struct {
	SRSTables
	rewriter *srs.Rewriter
	server   *srstable.Server
	doors    []srsDoor
}

type srsDoor struct {
	kind     srstable.Kind
	listener net.Listener
}

// Run answers until ctx ends or a signal comes. The secrets are read again when their file changes, and at SIGHUP.
func (t SRSTables) Run(ctx context.Context) error {
	if err := t.SRS.Check(); err != nil {
		return err
	}
	rewriter, err := srs.Open(t.SRS)
	if err != nil {
		return err
	}
	for _, w := range rewriter.Warnings() {
		t.Log.Warn("srs secrets", "complaint", w)
	}
	if _, err := daemon.RaiseFileLimit(); err != nil {
		t.Log.Warn("limit of open files not raised", "error", err)
	}
	running := &srsTables{SRSTables: t, rewriter: rewriter, server: srstable.New(srstable.Options{Rewriter: rewriter,
		AlwaysRewrite: t.AlwaysRewrite, Verbose: t.Verbose, Idle: t.Idle, MaxConnections: t.MaxConnections, Log: t.Log})}
	d := &daemon.Process{Log: t.Log, Reload: running.reload, Signals: t.Signals}
	d.Add(daemon.Part{Name: "srs tables", Start: running.open, Run: running.serve, Close: running.close})
	d.Add(daemon.Part{Name: "watcher", Run: running.watch})
	return d.Run(ctx)
}

// open opens the sockets.
func (t *srsTables) open(ctx context.Context) error {
	var listeners []Listener
	for kind, c := range map[srstable.Kind]listen.Config{
		srstable.Forward: t.Forward, srstable.Reverse: t.Reverse, srstable.Socketmap: t.Socketmap,
	} {
		if c.Address.IsZero() {
			continue
		}
		l, err := listen.Open(ctx, c)
		if err == nil {
			t.doors = append(t.doors, srsDoor{kind, l})
			err = letIn(l, c.Name)
		}
		if err != nil {
			return errors.Join(fmt.Errorf("table %s: %w", kind, err), t.close())
		}
		listeners = append(listeners, Listener{Service: string(kind), Address: doorName(l)})
	}
	if len(t.doors) == 0 {
		return errors.New("no table has an address")
	}
	if t.Ready != nil {
		t.Ready(listeners)
	}
	return nil
}

// letIn opens a socket in a folder to every user: Postfix is another one than we are. Who may reach it is the folder's say.
func letIn(l net.Listener, name string) error {
	if unix, ok := l.(*net.UnixListener); ok && !listen.Inherited(name) {
		return os.Chmod(unix.Addr().String(), 0o666)
	}
	return nil
}

func doorName(l net.Listener) string {
	if l.Addr().Network() == "unix" {
		return "unix:" + l.Addr().String()
	}
	return l.Addr().String()
}

// serve answers until stop ends.
func (t *srsTables) serve(stop, hard context.Context) error {
	var wg sync.WaitGroup
	failed := make(chan error, len(t.doors))
	for _, d := range t.doors {
		wg.Go(func() { failed <- t.server.Serve(d.listener, d.kind) })
	}
	var err error
	select {
	case <-stop.Done():
	case err = <-failed: // before it was stopped
	}
	_ = t.close()
	t.server.Stop(hard)
	wg.Wait()
	return err
}

// close closes the sockets, also twice.
func (t *srsTables) close() error {
	var errs []error
	for _, d := range t.doors {
		if err := d.listener.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// reload reads the secrets at SIGHUP.
func (t *srsTables) reload(context.Context) error {
	_, err := t.rewriter.Reload()
	return err
}

// watch reads them when their file changes.
func (t *srsTables) watch(stop, _ context.Context) error {
	w := table.NewWatcher(watchInterval, func(err error) {
		t.Log.Error("not taken over; the last good one stays in force", "error", err)
	})
	w.Add("srs secrets", t.rewriter.Paths(), func() error {
		changed, err := t.rewriter.Reload()
		if changed {
			t.Log.Info("srs secrets read again")
		}
		return err
	})
	w.Run(stop)
	return nil
}
