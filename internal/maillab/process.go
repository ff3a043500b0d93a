// SPDX-License-Identifier: MIT

package maillab

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Process is a program under test. It is killed when the test ends, and its log is shown when the test failed.
type Process struct {
	t    testing.TB
	cmd  *exec.Cmd
	log  *log
	done chan struct{} // closed when it has ended
	err  error         // of Wait, once done is closed
}

// Start starts a program in a process group of its own, in dir if that is not empty.
func Start(t testing.TB, dir, program string, args ...string) *Process {
	t.Helper()
	p := &Process{t: t, cmd: exec.Command(program, args...), log: &log{}, done: make(chan struct{})}
	p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr = dir, p.log, p.log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	p.cmd.WaitDelay = time.Second // a grandchild that holds the pipe open does not hold the test
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	t.Cleanup(p.cleanup)
	return p
}

func (p *Process) cleanup() {
	p.Kill()
	if p.t.Failed() {
		p.t.Logf("log of %s:\n%s", strings.Join(p.cmd.Args, " "), p.log.tail(16<<10))
	}
}

// Pid is the process id.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Log is what the program wrote so far.
func (p *Process) Log() string { return p.log.String() }

// WaitLog waits until the program has written text. It fails the test at once if the program ends before.
func (p *Process) WaitLog(text string) {
	p.t.Helper()
	Wait(p.t, Patience, "log line with "+text, func() bool {
		if p.log.contains(text) {
			return true
		}
		if p.Ended() && !p.log.contains(text) {
			p.t.Fatalf("%s ended (%v) before it said %q", p.cmd.Path, p.err, text)
		}
		return false
	})
}

// Ended reports whether the program has ended by itself or was ended.
func (p *Process) Ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// Signal sends a signal to the program alone.
func (p *Process) Signal(s os.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.t.Fatal(err)
	}
}

// Kill ends the program and its children by SIGKILL and waits for the end.
func (p *Process) Kill() {
	syscall.Kill(-p.Pid(), syscall.SIGKILL)
	<-p.done
}

// Stop asks the program to end (SIGTERM) and returns how it ended.
func (p *Process) Stop() error {
	p.t.Helper()
	p.Signal(syscall.SIGTERM)
	return p.Wait(2 * Patience)
}

// Wait returns how the program ended.
func (p *Process) Wait(limit time.Duration) error {
	p.t.Helper()
	select {
	case <-p.done:
	case <-time.After(limit):
		p.t.Fatalf("%s did not end within %v", p.cmd.Path, limit)
	}
	return p.err
}

// Run runs a program to its end and returns what it wrote to its standard output and standard error together.
func Run(t testing.TB, dir, program string, args ...string) (string, error) {
	t.Helper()
	p := Start(t, dir, program, args...)
	err := p.Wait(3 * Patience)
	return p.Log(), err
}

// log collects output; it may be read while the program writes.
type log struct {
	mu   sync.Mutex
	data bytes.Buffer
}

func (l *log) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.data.Write(b)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.data.String()
}

func (l *log) contains(text string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return bytes.Contains(l.data.Bytes(), []byte(text))
}

// tail is the last n bytes.
func (l *log) tail(n int) string {
	s := l.String()
	if len(s) <= n {
		return s
	}
	return "[...]" + s[len(s)-n:]
}

// Logged reports a line of a log with all words.
func Logged(log string, words ...string) bool {
	for line := range strings.Lines(log) {
		all := true
		for _, w := range words {
			all = all && strings.Contains(line, w)
		}
		if all {
			return true
		}
	}
	return false
}
