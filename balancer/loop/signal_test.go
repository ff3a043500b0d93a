// SPDX-License-Identifier: MIT

//go:build linux

package loop

import (
	"net"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestSignals has bulk pass while every thread gets one preemption signal after the other: they cut splices short.
func TestSignals(t *testing.T) {
	t.Parallel()
	l := newLab(t, Options{}, Front{IdleTimeout: 20 * time.Second})
	over := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			threads, _ := os.ReadDir("/proc/self/task")
			for _, th := range threads {
				id, _ := strconv.Atoi(th.Name())
				_ = unix.Tgkill(os.Getpid(), id, unix.SIGURG)
			}
			select {
			case <-over:
				return
			case <-time.After(50 * time.Microsecond):
			}
		}
	})
	exchange(t, func() (net.Conn, error) { return net.Dial("tcp", l.address) }, l.backend, 60)
	close(over)
	wg.Wait()
	for i := range 60 {
		if r := l.result(t, i); r.Reason != ClientClosed && r.Reason != ServerClosed {
			t.Errorf("%+v", r)
		}
	}
}
