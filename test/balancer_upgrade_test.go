// SPDX-License-Identifier: MIT

package test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"posthouse/internal/maillab"
)

// replaced is a balancer whose binary, a copy of its own, is exchanged while it runs. It logs into a file, which outlives the process
// that the test has started.
type replaced struct {
	*balanced
}

func startReplaced(t *testing.T, services string) *replaced {
	t.Helper()
	r := &replaced{&balanced{dir: room(t), admin: maillab.Local(maillab.FreePort(t))}}
	r.install(t, "")
	r.write(t, "", services)
	r.Process = r.launch(t)
	waitReady(t, r.Process, r.admin)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("log of the balancer:\n%s", r.text(t))
		}
	})
	return r
}

// install puts a new program in the place of the old one, as a package manager does: this one, or a script.
func (r *replaced) install(t *testing.T, script string) {
	t.Helper()
	text := script
	if script == "" {
		text = readFile(t, filepath.Dir(binary), filepath.Base(binary))
	}
	writeFile(t, r.dir, "posthouse.new", text, 0o755)
	if err := os.Rename(filepath.Join(r.dir, "posthouse.new"), r.program()); err != nil {
		t.Fatal(err)
	}
}

func (r *replaced) program() string { return filepath.Join(r.dir, "posthouse") }

// launch starts it from a shell.
func (r *replaced) launch(t *testing.T, more ...string) *maillab.Process {
	t.Helper()
	args := append([]string{"-c", `exec "$0" "$@" 2>>balancer.log`, r.program(), "balancer", "--config", filepath.Join(r.dir, "posthouse.yaml")}, more...)
	return maillab.Start(t, r.dir, "/bin/sh", args...)
}

func (r *replaced) text(t *testing.T) string {
	t.Helper()
	return readFile(t, r.dir, "balancer.log")
}

// waitText waits until the log has a text so many times.
func (r *replaced) waitText(t *testing.T, text string, times int) {
	t.Helper()
	maillab.Wait(t, maillab.Patience, "log line with "+text, func() bool { return strings.Count(r.text(t), text) >= times })
}

// processes are those that run the program.
func (r *replaced) processes(t *testing.T) (pids []int) {
	t.Helper()
	all, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range all {
		line, _ := os.ReadFile(name) // it may be gone
		if program, _, _ := bytes.Cut(line, []byte{0}); string(program) == r.program() {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(name)))
			pids = append(pids, pid)
		}
	}
	return pids
}

// running is the one process that there is, once there is one alone.
func (r *replaced) running(t *testing.T) (pid int) {
	t.Helper()
	maillab.Wait(t, 2*maillab.Patience, "one process to be left", func() bool {
		pids := r.processes(t)
		if len(pids) == 1 {
			pid = pids[0]
		}
		return len(pids) == 1
	})
	return pid
}

// signal sends one to the process that runs.
func (r *replaced) signal(t *testing.T, s syscall.Signal) (pid int) {
	t.Helper()
	pid = r.running(t)
	if err := syscall.Kill(pid, s); err != nil {
		t.Fatal(err)
	}
	return pid
}

// upgrade exchanges the binary and waits until another process alone runs it.
func (r *replaced) upgrade(t *testing.T) {
	t.Helper()
	done := strings.Count(r.text(t), `"took over"`)
	r.install(t, "")
	old := r.signal(t, syscall.SIGUSR2)
	r.waitText(t, `"took over"`, done+1)
	if r.running(t) == old {
		t.Fatal("the old process runs, and no other")
	}
}

const (
	upgrades     = 5
	longSessions = 500
)

// TestUpgrade exchanges the binary of the balancer five times under load. No short connection fails, no long session is cut, none
// loses a byte, no scrape of the admin page is refused, and of the old processes none is left.
func TestUpgrade(t *testing.T) {
	t.Parallel()
	backend := maillab.NewBackend(t, "a", maillab.BackendOptions{})
	l := &upgraded{listen: door(t), stop: make(chan struct{})}
	r := startReplaced(t, service("s", l.listen, []string{at(backend, "")}, "session_log: false"))
	for range 6 {
		l.workers.Go(l.short)
	}
	for i := range longSessions {
		l.workers.Go(func() { l.long(i) })
	}
	l.workers.Go(func() { l.scrape("http://" + r.admin + "/readyz") })
	t.Cleanup(l.end)
	maillab.Wait(t, 2*maillab.Patience, "load", func() bool { return l.open.Load() == longSessions })
	for range upgrades {
		served, scraped := l.served.Load(), l.scraped.Load()
		maillab.Wait(t, maillab.Patience, "more load", func() bool { return l.served.Load() > served+50 && l.scraped.Load() > scraped })
		r.upgrade(t)
	}
	l.end()
	if got := l.open.Load(); got != 0 {
		t.Errorf("%d sessions never ended", got)
	}
	for _, fault := range l.faults[:min(10, len(l.faults))] {
		t.Error(fault)
	}
	text := r.text(t)
	if n := strings.Count(text, `"took over"`); n != upgrades {
		t.Errorf("%d upgrades", n)
	}
	for _, word := range []string{`"level":"WARN"`, `"level":"ERROR"`} {
		if strings.Contains(text, word) {
			t.Errorf("%s in the log", word)
		}
	}
	t.Logf("%d upgrades, %d short connections, %d sessions with %d MiB, %d scrapes, %d faults", upgrades, l.served.Load(), longSessions,
		l.octets.Load()>>20, l.scraped.Load(), len(l.faults))
}

// upgraded is what clients do meanwhile.
type upgraded struct {
	listen  string
	stop    chan struct{}
	ending  sync.Once
	workers sync.WaitGroup

	served, open, octets, scraped atomic.Int64

	mu     sync.Mutex
	faults []string
}

func (l *upgraded) end() {
	l.ending.Do(func() { close(l.stop) })
	l.workers.Wait()
}

// rest waits, or says that the load ends.
func (l *upgraded) rest(d time.Duration) bool {
	select {
	case <-l.stop:
		return false
	case <-time.After(d):
		return true
	}
}

func (l *upgraded) fault(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.faults = append(l.faults, time.Now().Format("05.000 ")+fmt.Sprintf(format, args...))
}

// connect waits for the server's name.
func (l *upgraded) connect() (net.Conn, *bufio.Reader, error) {
	c, err := net.DialTimeout("tcp", l.listen, maillab.Patience)
	if err != nil {
		return nil, nil, err
	}
	_ = c.SetDeadline(time.Now().Add(2 * time.Minute))
	r := bufio.NewReader(c)
	if name, err := r.ReadString('\n'); err != nil || name != "a\n" {
		c.Close()
		return nil, nil, fmt.Errorf("greeting %q: %w", name, err)
	}
	return c, r, nil
}

// short is one connection after another.
func (l *upgraded) short() {
	for l.rest(time.Millisecond) {
		c, r, err := l.connect()
		if err == nil {
			err = echoOf(c, r, []byte("hello"))
			c.Close()
		}
		if err != nil {
			l.fault("short connection: %v", err)
			continue
		}
		l.served.Add(1)
	}
}

// long is a session that talks all the time, every fiftieth in large pieces, and ends in good order with the load.
func (l *upgraded) long(n int) {
	c, r, err := l.connect()
	if err != nil {
		l.fault("session %d: %v", n, err)
		return
	}
	defer c.Close()
	l.open.Add(1)
	defer l.open.Add(-1)
	piece := make([]byte, 100)
	if n%50 == 0 {
		piece = make([]byte, 200_000)
	}
	for l.rest(time.Duration(200+rand.IntN(400)) * time.Millisecond) {
		scramble(piece)
		if err := echoOf(c, r, piece); err != nil {
			l.fault("session %d: %v", n, err)
			return
		}
		l.octets.Add(int64(len(piece)))
	}
	_ = c.(*net.TCPConn).CloseWrite()
	if rest, err := io.ReadAll(r); len(rest) > 0 || err != nil {
		l.fault("session %d: %d bytes too many at its end, %v", n, len(rest), err)
	}
}

func scramble(b []byte) {
	seed := rand.Uint64()
	for i := range b {
		seed = seed*6364136223846793005 + 1442695040888963407
		b[i] = byte(seed >> 56)
	}
}

// echoOf sends something and wants it back, byte for byte.
func echoOf(c net.Conn, r io.Reader, text []byte) error {
	sent := make(chan error, 1)
	go func() {
		_, err := c.Write(text)
		sent <- err
	}()
	got := make([]byte, len(text))
	n, err := io.ReadFull(r, got)
	if err != nil {
		return fmt.Errorf("after %d of %d bytes: %w", n, len(text), err)
	}
	if !bytes.Equal(got, text) {
		return fmt.Errorf("other bytes came back")
	}
	return <-sent
}

// scrape asks the admin page, each time by a connection of its own.
func (l *upgraded) scrape(url string) {
	client := http.Client{Timeout: maillab.Patience, Transport: &http.Transport{DisableKeepAlives: true}}
	for l.rest(5 * time.Millisecond) {
		res, err := client.Get(url)
		if err != nil {
			l.fault("scrape: %v", err)
			continue
		}
		_ = res.Body.Close()
		if res.StatusCode != http.StatusOK {
			l.fault("scrape: %s", res.Status)
		}
		l.scraped.Add(1)
	}
}

// A new program that crashes, or a cluster file that is wrong by now, leaves the old process as it was: its sessions, its listeners
// and its commands. When it is mended the next upgrade goes through.
func TestUpgradeThatFails(t *testing.T) {
	t.Parallel()
	backend := maillab.NewBackend(t, "a", maillab.BackendOptions{})
	listen, taken := door(t), tcpAt(t)
	good := service("s", listen, []string{at(backend, "")})
	r := startReplaced(t, good)
	old := r.running(t)
	session := serves(t, listen, "", "a")
	for i, c := range []struct{ script, services, why string }{
		{"#!/bin/sh\nexit 3\n", good, "exit status 3"},
		{"no program", good, "exec format error"},
		{"", strings.Replace(good, "upstream", "upsteam", 1), "exit status 1"},
		{"", good + service("t", taken, []string{at(backend, "")}), "exit status 1"},
	} {
		r.install(t, c.script)
		r.write(t, "", c.services)
		r.signal(t, syscall.SIGUSR2)
		r.waitText(t, "upgrade failed, this process goes on", i+1)
		if !strings.Contains(r.text(t), c.why) {
			t.Errorf("no %q in the log", c.why)
		}
		if pid := r.running(t); pid != old {
			t.Fatalf("process %d runs", pid)
		}
		session.says(t, "still here")
		serves(t, listen, "", "a").Close()
		if got := r.command(t, "balancer", "status"); c.services == good && (got.code != 0 || !contains(got.out, " session")) {
			t.Errorf("status: %s%s", got.out, got.err)
		}
	}
	r.write(t, "", good)
	r.upgrade(t)
	session.says(t, "and on")
}

// tcpAt is an address that is taken.
func tcpAt(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l.Addr().String()
}

// An upgrade takes the listeners that the file has by then: one is gone, one is new, one goes on. The sessions of a service that is
// gone go on too. What was drained stays so, and a client whose server does not answer yet gets another one, from either process.
func TestUpgradeToAnotherFile(t *testing.T) {
	t.Parallel()
	a, b := maillab.NewBackend(t, "a", maillab.BackendOptions{}), maillab.NewBackend(t, "b", maillab.BackendOptions{})
	stays, goes, comes := door(t), door(t), door(t)
	both := []string{at(a, ""), at(b, "backup")}
	r := startReplaced(t, service("stays", stays, both, "connect_timeout: 2s")+service("goes", goes, both))
	orphan, kept := serves(t, goes, "", "a"), serves(t, stays, "", "a")
	a.Be(t, maillab.BlackHole)
	connecting := dialFrom(t, stays, "")
	maillab.Wait(t, maillab.Patience, "a try", func() bool { return contains(r.command(t, "balancer", "status", "stays").out, "2 sessions") })
	r.write(t, "", service("stays", stays, both, "connect_timeout: 2s")+service("comes", comes, both, "connect_timeout: 2s"))
	r.install(t, "")
	r.signal(t, syscall.SIGUSR2)
	if name, err := connecting.line(); name != "b" || err != nil {
		t.Errorf("who was connecting got %q, %v", name, err)
	}
	r.waitText(t, `"took over"`, 1)
	a.Be(t, maillab.Works)
	if got := r.command(t, "balancer", "drain", a.Addr()); got.code != 0 {
		t.Error(got.err)
	}
	for name, c := range map[string]*caller{"orphan": orphan, "kept": kept, "connecting": connecting} {
		c.says(t, name)
	}
	serves(t, comes, "", "b").Close()
	if c, err := net.Dial("tcp", goes); err == nil {
		c.Close()
		t.Error("the listener that is gone from the file is open")
	}
	r.upgrade(t)
	orphan.says(t, "once more")
	serves(t, stays, "", "b").Close()
}

// From a shell an upgrade is a second process with --take-over. Without the word it does not start, and with it nothing else.
func TestTakeOverFromAShell(t *testing.T) {
	t.Parallel()
	backend := maillab.NewBackend(t, "a", maillab.BackendOptions{})
	listen := door(t)
	r := startReplaced(t, service("s", listen, []string{at(backend, "")}))
	session := serves(t, listen, "", "a")
	if err := r.launch(t).Wait(maillab.Patience); err == nil || !strings.Contains(r.text(t), "--take-over") {
		t.Errorf("a second process: %v", err)
	}
	next := r.launch(t, "--take-over")
	r.waitText(t, `"took over"`, 1)
	if err := r.Wait(2 * maillab.Patience); err != nil {
		t.Errorf("the first process ended with %v", err)
	}
	session.says(t, "hello")
	session.Close()
	if err := next.Stop(); err != nil {
		t.Error(err)
	}
	files, err := os.ReadDir(filepath.Join(r.dir, "state/balancer"))
	if err != nil {
		t.Fatal(err)
	}
	if slices.ContainsFunc(files, func(f os.DirEntry) bool { return strings.HasSuffix(f.Name(), ".sock") }) {
		t.Errorf("sockets left: %v", files)
	}
	if err := r.launch(t, "--take-over").Wait(maillab.Patience); err == nil || !strings.Contains(r.text(t), "no running process to take over from") {
		t.Errorf("with nobody to take over from: %v", err)
	}
}

// A stop in the middle of an upgrade ends both processes, whatever they are doing just then.
func TestStopDuringUpgrade(t *testing.T) {
	t.Parallel()
	backend := maillab.NewBackend(t, "a", maillab.BackendOptions{})
	listen := door(t)
	services := service("s", listen, []string{at(backend, "")})
	r := startReplaced(t, services)
	for i := range 8 {
		if i > 0 {
			r.Process = r.launch(t)
			waitReady(t, r.Process, r.admin)
		}
		pid := r.signal(t, syscall.SIGUSR2)
		pause(t, time.Duration(i)*10*time.Millisecond)
		if err := syscall.Kill(-pid, syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		maillab.Wait(t, 2*maillab.Patience, "all processes to end", func() bool { return len(r.processes(t)) == 0 })
	}
}

// A stop gives sessions their grace, and takes no new ones meanwhile; a second signal ends it at once.
func TestStopOfTheBalancer(t *testing.T) {
	t.Parallel()
	backend := maillab.NewBackend(t, "a", maillab.BackendOptions{})
	listen := door(t)
	b := startBalancer(t, "", service("s", listen, []string{at(backend, "")}))
	short, long := serves(t, listen, "", "a"), serves(t, listen, "", "a")
	b.Signal(syscall.SIGTERM)
	maillab.Wait(t, maillab.Patience, "the listener to close", func() bool {
		c, err := net.Dial("tcp", listen)
		if err == nil {
			c.Close()
		}
		return err != nil
	})
	for _, c := range []*caller{short, long} {
		c.says(t, "still served")
	}
	short.Close()
	long.says(t, "and on")
	b.Signal(syscall.SIGTERM)
	if err := b.Wait(maillab.Patience); err == nil {
		t.Error("a process that cuts sessions ends as if all were well")
	}
	long.closed(t)
}

// The service manager hears of each process when it becomes the service, from the one before, and of no stop.
func TestUpgradeTellsTheManager(t *testing.T) {
	t.Parallel()
	backend := maillab.NewBackend(t, "a", maillab.BackendOptions{})
	r := &replaced{&balanced{dir: room(t), admin: maillab.Local(maillab.FreePort(t))}}
	manager, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(r.dir, "notify"), Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer manager.Close()
	r.install(t, "")
	r.write(t, "", service("s", door(t), []string{at(backend, "")}))
	maillab.Start(t, r.dir, "/bin/sh", "-c", `NOTIFY_SOCKET="$PWD/notify" WATCHDOG_USEC=200000 WATCHDOG_PID=$$ exec "$0" "$@" 2>>balancer.log`,
		r.program(), "balancer", "--config", filepath.Join(r.dir, "posthouse.yaml"))
	told(t, manager, "READY=1")
	for range 2 {
		r.upgrade(t)
		told(t, manager, fmt.Sprintf("MAINPID=%d\nWATCHDOG=1", r.running(t)))
		told(t, manager, "READY=1")
		if word := next(t, manager); word != "WATCHDOG=1" {
			t.Errorf("%q, and the new process has to feed the watchdog", word)
		}
	}
}

// next is what the manager hears.
func next(t *testing.T, manager *net.UnixConn) string {
	t.Helper()
	_ = manager.SetReadDeadline(time.Now().Add(maillab.Patience))
	b := make([]byte, 200)
	n, err := manager.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	return string(b[:n])
}

// told wants this to be the next word but for those for the watchdog.
func told(t *testing.T, manager *net.UnixConn, want string) {
	t.Helper()
	word := next(t, manager)
	for word == "WATCHDOG=1" {
		word = next(t, manager)
	}
	if word != want {
		t.Fatalf("the manager was told %q, want %q", word, want)
	}
}
