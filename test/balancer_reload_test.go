// SPDX-License-Identifier: MIT

package test

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"posthouse/internal/maillab"
)

// TestReloadsUnderLoad reads another file twenty times while clients come and sessions talk: servers go and come, weights and the method
// change. Nobody notices, also those whose server is not in the file any more.
func TestReloadsUnderLoad(t *testing.T) {
	t.Parallel()
	a, b, c := backends3(t)
	l := &traffic{listen: door(t), servers: []*maillab.Backend{a, b, c}, stop: make(chan struct{})}
	files := []string{
		service("s", l.listen, []string{at(a, ""), at(b, ""), at(c, "backup")}, "session_log: false"),
		service("s", l.listen, []string{at(b, "weight=3"), at(c, "")}, "session_log: false", "method: least_conn"),
		service("s", l.listen, []string{at(c, ""), at(a, "max_fails=3")}, "session_log: false", "method: hash", "health_check: {protocol: tcp, interval: 200ms}"),
	}
	lb := startBalancer(t, "", files[0])
	for range 4 {
		l.workers.Go(l.short)
	}
	for range 30 {
		l.workers.Go(l.long)
	}
	t.Cleanup(l.end)
	maillab.Wait(t, maillab.Patience, "load", func() bool { return l.served.Load() > 50 && l.open.Load() == 30 })
	for i := range 20 {
		lb.write(t, "", files[(i+1)%3])
		reloads, served := strings.Count(lb.Log(), `"reloaded"`), l.served.Load()
		lb.Signal(syscall.SIGHUP)
		maillab.Wait(t, maillab.Patience, "reload", func() bool {
			return strings.Count(lb.Log(), `"reloaded"`) > reloads && l.served.Load() > served+20
		})
	}
	l.end()
	t.Logf("%d short connections, sessions of %d octets", l.served.Load(), l.talked.Load())
	for _, f := range l.faults {
		t.Error(f)
	}
}

// TestNothingIsLeftBehind has clients that leave while the balancer connects, that leave without a word, that half-close and stay, and
// servers that are gone: in the end no session, connection or descriptor is left, and nothing spins meanwhile.
func TestNothingIsLeftBehind(t *testing.T) {
	t.Parallel()
	hidden, gone, silent := maillab.NewBackend(t, "hidden", maillab.BackendOptions{}), maillab.NewBackend(t, "gone", maillab.BackendOptions{}),
		maillab.NewBackend(t, "silent", maillab.BackendOptions{Silent: true, Serve: func(c *maillab.BackendConn) {
			io.Copy(io.Discard, c.R) // and stays, though its client has said its last
			time.Sleep(4 * time.Second)
		}})
	hidden.Be(t, maillab.BlackHole)
	gone.Be(t, maillab.Refuses)
	doors := []string{door(t), door(t), door(t)}
	lb := startBalancer(t, "", service("hidden", doors[0], []string{at(hidden, "")}, "connect_timeout: 3s")+
		service("gone", doors[1], []string{at(gone, "")})+service("silent", doors[2], []string{at(silent, "")}))
	lb.counts(t) // the first look opens what a look needs
	files := descriptors(t, lb.Pid())
	for range 50 {
		for _, address := range doors {
			dialFrom(t, address, "").Close()
		}
		c := dialFrom(t, doors[2], "")
		c.Conn.(*net.TCPConn).CloseWrite()
	}
	maillab.Wait(t, maillab.Patience, "half-closed sessions", func() bool { return silent.Sessions() >= 50 })
	before := ticks(t, lb.Pid())
	time.Sleep(2 * time.Second) // of idleness, measured
	if used := ticks(t, lb.Pid()) - before; used > 40 {
		t.Errorf("%d half-closed sessions that do nothing cost %d ticks of processor time in 2 s", silent.Sessions(), used)
	}
	maillab.Wait(t, maillab.Patience, "end of all sessions", func() bool {
		sessions, connections := lb.counts(t)
		return sessions == 0 && connections == 0
	})
	maillab.Wait(t, maillab.Patience, "descriptors back", func() bool { return descriptors(t, lb.Pid()) <= files })
}

// counts are the sessions of all services, and the connections of all servers, as status says.
func (b *balanced) counts(t *testing.T) (sessions, connections int) {
	t.Helper()
	for line := range strings.Lines(b.command(t, "balancer", "status", "--json").out) {
		var s struct {
			Sessions int
			Servers  []struct{ Connections int }
		}
		if err := json.Unmarshal([]byte(line), &s); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		sessions += s.Sessions
		for _, one := range s.Servers {
			connections += one.Connections
		}
	}
	return sessions, connections
}

// ticks is the processor time that a process used, in hundredths of a second (proc_pid_stat(5), fields 14 and 15).
func ticks(t *testing.T, pid int) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), ") ")
	var user, system int
	fields := strings.Fields(rest)
	fmt.Sscan(fields[11]+" "+fields[12], &user, &system)
	return user + system
}
