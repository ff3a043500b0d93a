// SPDX-License-Identifier: MIT

//go:build linux

package loop

import (
	"net"
	"os"
	"os/exec"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestDescriptors runs in a process of its own, whose descriptors nobody else opens: with few of them accepting pauses and
// goes on, and in the end as many are open as before.
func TestDescriptors(t *testing.T) {
	if os.Getenv("LOOP_DESCRIPTORS") == "" {
		t.Parallel()
		c := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestDescriptors$", "-test.timeout=60s")
		c.Env = append(os.Environ(), "LOOP_DESCRIPTORS=1")
		if out, err := c.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return
	}
	backend, door := tcpListener(t), tcpListener(t)
	before := descriptors(t)
	l := bareLab(t, Options{MaxSessions: 1000})
	l.backend = backend
	l.serve(t, door, Front{})
	var r unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &r); err != nil {
		t.Fatal(err)
	}
	r.Cur = uint64(before) + 170 // 32 talk at a time: two ends here, two in the engine, and pipes
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &r); err != nil {
		t.Fatal(err)
	}
	exchange(t, func() (net.Conn, error) { return net.Dial("tcp", l.address) }, backend, 200)
	waitFor(t, func() bool { return l.Stats().Sessions == 0 })
	l.shutdown(t)
	for end := time.Now().Add(10 * time.Second); descriptors(t) > before; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d descriptors, before %d", descriptors(t), before)
		}
	}
}

func descriptors(t *testing.T) int {
	t.Helper()
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(all)
}
