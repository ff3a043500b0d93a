// SPDX-License-Identifier: MIT

package daemon

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

func noEnv(string) string { return "" }

// diary notes what happened, in order.
type diary struct {
	mu    sync.Mutex
	lines []string
}

func (d *diary) note(s string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lines = append(d.lines, s)
}

func (d *diary) part(name string) Part {
	return Part{
		Name:  name,
		Start: func(context.Context) error { d.note("start " + name); return nil },
		Run: func(stop, hard context.Context) error {
			<-stop.Done()
			return nil
		},
		Close: func() error { d.note("close " + name); return nil },
	}
}

func TestPartsStartInOrderAndCloseInReverse(t *testing.T) {
	t.Parallel()
	for name, stop := range map[string]func(chan<- os.Signal, context.CancelFunc){
		"signal":  func(c chan<- os.Signal, _ context.CancelFunc) { c <- syscall.SIGTERM },
		"context": func(_ chan<- os.Signal, cancel context.CancelFunc) { cancel() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var d diary
				signals := make(chan os.Signal)
				p := &Process{Log: quiet(), Signals: signals, Getenv: noEnv}
				for _, name := range []string{"store", "deliveries", "listeners"} {
					p.Add(d.part(name))
				}
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				result := make(chan error)
				go func() { result <- p.Run(ctx) }()
				synctest.Wait()
				stop(signals, cancel)
				if err := <-result; err != nil {
					t.Fatal(err)
				}
				want := []string{"start store", "start deliveries", "start listeners",
					"close listeners", "close deliveries", "close store"}
				if !slices.Equal(d.lines, want) {
					t.Errorf("got %q, want %q", d.lines, want)
				}
			})
		})
	}
}

func TestFailedStartClosesWhatStarted(t *testing.T) {
	t.Parallel()
	var d diary
	p := &Process{Log: quiet(), Signals: make(chan os.Signal), Getenv: noEnv}
	p.Add(d.part("store"))
	p.Add(Part{Name: "listeners", Start: func(context.Context) error { return errors.New("port in use") }})
	err := p.Run(t.Context())
	if err == nil || err.Error() != "listeners: port in use" {
		t.Fatalf("got %v", err)
	}
	if want := []string{"start store", "close store"}; !slices.Equal(d.lines, want) {
		t.Errorf("got %q, want %q", d.lines, want)
	}
}

func TestFailureOfAPartStopsTheOthers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var d diary
		fatal := errors.New("disk gone")
		p := &Process{Log: quiet(), Signals: make(chan os.Signal), Getenv: noEnv}
		p.Add(d.part("store"))
		p.Add(Part{Name: "deliveries", Run: func(stop, _ context.Context) error {
			time.Sleep(time.Second)
			return fatal
		}})
		if err := p.Run(t.Context()); !errors.Is(err, fatal) {
			t.Fatalf("got %v", err)
		}
		if !slices.Contains(d.lines, "close store") {
			t.Errorf("store not closed: %q", d.lines)
		}
	})
}

func TestGraceThenHard(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		signals := make(chan os.Signal, 1)
		p := &Process{Log: quiet(), Signals: signals, Getenv: noEnv, Grace: 7 * time.Second}
		var soft, cut time.Duration
		p.Add(Part{Name: "deliveries", Run: func(stop, hard context.Context) error {
			<-stop.Done()
			began := time.Now()
			<-hard.Done()
			cut = time.Since(began)
			return nil
		}})
		p.Add(Part{Name: "sessions", Run: func(stop, hard context.Context) error {
			began := time.Now()
			<-stop.Done()
			soft = time.Since(began)
			return nil
		}})
		signals <- syscall.SIGINT
		if err := p.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		if soft != 0 || cut != 7*time.Second {
			t.Errorf("stopped after %v, cut off after %v", soft, cut)
		}
	})
}

func TestPartThatHangsLeavesTheStoreAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var d diary
		signals := make(chan os.Signal, 1)
		p := &Process{Log: quiet(), Signals: signals, Getenv: noEnv}
		release := make(chan struct{})
		p.Add(d.part("store"))
		p.Add(Part{Name: "deliveries", Run: func(stop, hard context.Context) error { <-release; return nil }})
		signals <- syscall.SIGTERM
		err := p.Run(t.Context())
		close(release)
		if err == nil || err.Error() != "did not stop: deliveries" {
			t.Fatalf("got %v", err)
		}
		if slices.Contains(d.lines, "close store") {
			t.Error("store closed under a part that still runs")
		}
	})
}

func TestSecondSignalEndsAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		signals := make(chan os.Signal, 2)
		codes := make(chan int, 1)
		p := &Process{Log: quiet(), Signals: signals, Getenv: noEnv, Exit: func(code int) { codes <- code }}
		p.Add(Part{Name: "deliveries", Run: func(_, hard context.Context) error { <-hard.Done(); return nil }})
		began := time.Now()
		signals <- syscall.SIGTERM
		signals <- syscall.SIGTERM
		result := make(chan error)
		go func() { result <- p.Run(t.Context()) }()
		if code := <-codes; code != 1 || time.Since(began) != 0 {
			t.Errorf("exit %d after %v", code, time.Since(began))
		}
		<-result
	})
}

func TestReloadOnSIGHUPAndRefusedReload(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	signals := make(chan os.Signal)
	reloads := make(chan error, 2)
	reloads <- nil
	reloads <- errors.New("posthouse.yaml:3:1: unknown key")
	called := make(chan struct{})
	p := &Process{Log: slog.New(slog.NewTextHandler(&log, nil)), Signals: signals, Getenv: noEnv,
		Reload: func(context.Context) error { defer func() { called <- struct{}{} }(); return <-reloads }}
	p.Add(Part{Name: "x", Run: func(stop, _ context.Context) error { <-stop.Done(); return nil }})
	result := make(chan error)
	go func() { result <- p.Run(t.Context()) }()
	signals <- syscall.SIGHUP
	<-called
	signals <- syscall.SIGHUP
	<-called
	signals <- syscall.SIGTERM
	if err := <-result; err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"msg=reloaded", "the old configuration stays in force", "unknown key"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("log lacks %q:\n%s", want, log.String())
		}
	}
}

// A failed upgrade leaves the process as it was; a stop ends one that is under way.
func TestUpgradeOnSIGUSR2(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	signals := make(chan os.Signal)
	calls := make(chan string)
	first := true
	p := &Process{Log: slog.New(slog.NewTextHandler(&log, nil)), Signals: signals, Getenv: noEnv,
		Upgrade: func(ctx context.Context) error {
			if first {
				first = false
				calls <- "refused"
				return errors.New("the new binary ended: exit status 1")
			}
			calls <- "begun"
			<-ctx.Done()
			return ctx.Err()
		}}
	p.Add(Part{Name: "x", Run: func(stop, _ context.Context) error { <-stop.Done(); return nil }})
	result := make(chan error)
	go func() { result <- p.Run(t.Context()) }()
	for _, want := range []string{"refused", "begun"} {
		signals <- syscall.SIGUSR2
		if got := <-calls; got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	signals <- syscall.SIGTERM
	if err := <-result; err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"upgrade failed, this process goes on", "exit status 1", "context canceled"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("log lacks %q:\n%s", want, log.String())
		}
	}
}
