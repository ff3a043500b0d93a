// SPDX-License-Identifier: MIT

package test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"posthouse/internal/maillab"
)

// TestActivation: the balancer takes the sockets that systemd holds by their names, whatever the file says of their addresses. An
// upgrade hands them on; and who comes while no process runs waits, and is served by the next.
func TestActivation(t *testing.T) {
	t.Parallel()
	a, b := maillab.NewBackend(t, "a", maillab.BackendOptions{}), maillab.NewBackend(t, "b", maillab.BackendOptions{})
	r := &replaced{&balanced{dir: room(t), admin: maillab.Local(maillab.FreePort(t))}}
	r.install(t, "")
	unused := door(t)
	named := func(name, address string, server *maillab.Backend) string {
		return fmt.Sprintf("  %s:\n    listen: [{address: %q, name: %s}]\n    upstream: [%q]\n", name, address, name, server.Addr())
	}
	r.write(t, "", named("imaps", unused, a))
	imaps, sieve := holds(t), holds(t)
	r.activate(t, "sieve:imaps", sieve, imaps)
	session := serves(t, imaps.at, "", "a")
	if c, err := net.Dial("tcp", unused); err == nil {
		c.Close()
		t.Errorf("it listens on %s too", unused)
	}
	r.waitText(t, `"started"`, 1)
	r.upgrade(t)
	serves(t, imaps.at, "", "a").Close()
	session.says(t, "over the upgrade")
	session.Close()
	r.signal(t, syscall.SIGTERM)
	maillab.Wait(t, maillab.Patience, "the stop", func() bool { return len(r.processes(t)) == 0 })
	early := dialFrom(t, imaps.at, "")
	r.write(t, "", named("imaps", unused, a)+named("sieve", door(t), b))
	r.activate(t, "sieve:imaps", sieve, imaps)
	early.SetDeadline(time.Now().Add(maillab.Patience))
	if name, err := early.line(); name != "a" {
		t.Errorf("who came while nothing ran is served by %q, %v", name, err)
	}
	serves(t, sieve.at, "", "b")
}

// socket is one that the test holds in systemd's place.
type socket struct {
	at   string
	file *os.File
}

func holds(t *testing.T) socket {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	f, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return socket{l.Addr().String(), f}
}

// activate starts the balancer with sockets, as sd_listen_fds(3) describes them.
func (r *replaced) activate(t *testing.T, names string, sockets ...socket) {
	t.Helper()
	c := exec.Command("/bin/sh", "-c", `LISTEN_PID=$$ exec "$0" "$@" 2>>balancer.log`,
		r.program(), "balancer", "--config", filepath.Join(r.dir, "posthouse.yaml"))
	c.Dir, c.SysProcAttr = r.dir, &syscall.SysProcAttr{Setpgid: true}
	c.Env = append(os.Environ(), "LISTEN_FDNAMES="+names, fmt.Sprintf("LISTEN_FDS=%d", len(sockets)))
	for _, s := range sockets {
		c.ExtraFiles = append(c.ExtraFiles, s.file)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = c.Wait() // its status is the log's matter
	}()
	t.Cleanup(func() {
		_ = syscall.Kill(-c.Process.Pid, syscall.SIGKILL)
		<-ended
		if t.Failed() {
			t.Logf("log of the balancer:\n%s", r.text(t))
		}
	})
}
