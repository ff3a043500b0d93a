// SPDX-License-Identifier: MIT

package daemon

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"
)

// manager is the other end of sd_notify.
func manager(t *testing.T) (socket string, next func() string) {
	t.Helper()
	socket = filepath.Join(t.TempDir(), "n")
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return socket, func() string {
		buf := make([]byte, 1024)
		n, err := c.Read(buf)
		if err != nil {
			t.Error(err)
		}
		return string(buf[:n])
	}
}

func TestConversationWithTheServiceManager(t *testing.T) {
	t.Parallel()
	socket, next := manager(t)
	signals := make(chan os.Signal)
	p := &Process{Log: quiet(), Signals: signals,
		Getenv: func(key string) string { return map[string]string{"NOTIFY_SOCKET": socket}[key] },
		Reload: func(context.Context) error { return errors.New("refused") }}
	p.Add(Part{Name: "x", Run: func(stop, _ context.Context) error { <-stop.Done(); return nil }})
	result := make(chan error)
	go func() { result <- p.Run(t.Context()) }()

	expect := func(pattern string) {
		t.Helper()
		if got := next(); !regexp.MustCompile("^(?:" + pattern + ")$").MatchString(got) {
			t.Errorf("manager was told %q, want %s", got, pattern)
		}
	}
	expect("READY=1")
	signals <- syscall.SIGHUP
	expect(`RELOADING=1\nMONOTONIC_USEC=[1-9][0-9]*`)
	expect("READY=1")
	signals <- syscall.SIGTERM
	expect("STOPPING=1")
	if err := <-result; err != nil {
		t.Error(err)
	}
}

func TestWatchdogIsFedOnlyInHealth(t *testing.T) {
	t.Parallel()
	socket, next := manager(t)
	signals := make(chan os.Signal)
	var asked atomic.Int32
	p := &Process{Log: quiet(), Signals: signals,
		Getenv: func(key string) string {
			return map[string]string{"NOTIFY_SOCKET": socket, "WATCHDOG_USEC": "20000", "WATCHDOG_PID": strconv.Itoa(os.Getpid())}[key]
		},
		Healthy: func() error {
			if asked.Add(1) == 1 {
				return errors.New("store failed")
			}
			return nil
		}}
	p.Add(Part{Name: "x", Run: func(stop, _ context.Context) error { <-stop.Done(); return nil }})
	result := make(chan error)
	go func() { result <- p.Run(t.Context()) }()
	if got := next(); got != "READY=1" {
		t.Errorf("got %q", got)
	}
	if got := next(); got != "WATCHDOG=1" {
		t.Errorf("got %q", got)
	}
	if n := asked.Load(); n < 2 {
		t.Errorf("fed after %d questions: while unhealthy", n)
	}
	signals <- syscall.SIGTERM
	if err := <-result; err != nil {
		t.Error(err)
	}
}

func TestWatchdogOfAnotherProcessIsNotOurs(t *testing.T) {
	t.Parallel()
	for _, env := range []map[string]string{
		{},
		{"WATCHDOG_USEC": "x"},
		{"WATCHDOG_USEC": "-1"},
		{"WATCHDOG_USEC": "1000000", "WATCHDOG_PID": "1"},
	} {
		w := &watcher{p: &Process{Getenv: func(key string) string { return env[key] }}}
		if d := w.watchdogInterval(); d != 0 {
			t.Errorf("%v: %v", env, d)
		}
	}
}

func TestManagerThatIsGoneIsNoFailure(t *testing.T) {
	t.Parallel()
	if err := newNotifier(filepath.Join(t.TempDir(), "none")).send("READY=1"); err == nil {
		t.Error("no error for the log")
	}
	if err := newNotifier("").send("READY=1"); err != nil {
		t.Error(err)
	}
}

// A process that has handed over names the other one, and then says nothing more, not even that it stops.
func TestHandOverIsTheLastWord(t *testing.T) {
	t.Parallel()
	socket, next := manager(t)
	signals := make(chan os.Signal)
	p := &Process{Log: quiet(), Signals: signals, Getenv: func(key string) string { return map[string]string{"NOTIFY_SOCKET": socket}[key] }}
	handed := make(chan error)
	p.Upgrade = func(context.Context) error {
		err := p.HandOver(4711)
		handed <- err
		return err
	}
	p.Add(Part{Name: "x", Run: func(stop, _ context.Context) error { <-stop.Done(); return nil }})
	result := make(chan error)
	go func() { result <- p.Run(t.Context()) }()
	if got := next(); got != "READY=1" {
		t.Fatal(got)
	}
	signals <- syscall.SIGUSR2
	if err := <-handed; err != nil {
		t.Fatal(err)
	}
	if got := next(); got != "MAINPID=4711\nWATCHDOG=1" {
		t.Errorf("manager was told %q", got)
	}
	signals <- syscall.SIGTERM
	if err := <-result; err != nil {
		t.Error(err)
	}
	c, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write([]byte("last")); err != nil {
		t.Fatal(err)
	}
	if got := next(); got != "last" {
		t.Errorf("manager was told %q after the hand-over", got)
	}
}
