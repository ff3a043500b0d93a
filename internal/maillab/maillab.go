// SPDX-License-Identifier: MIT

// Package maillab is what tests share: SMTP and LMTP peers that do as they are told, also the wrong thing; a throw-away
// CA; free ports; and a runner for the built binary that keeps its log and can kill it. Only tests import it.
//
// Everything is bounded: whatever waits here gives up and fails the test with what it saw. All sockets are on loopback,
// and end with the test.
package maillab

import (
	"net"
	"os"
	"testing"
	"time"
)

// Patience is how long a test waits for what should come at once; a loaded machine gets the benefit of the doubt.
const Patience = 20 * time.Second

// Wait polls until done, and fails the test after the time given.
func Wait(t testing.TB, limit time.Duration, what string, done func() bool) {
	t.Helper()
	end := time.Now().Add(limit)
	for !done() {
		if time.Now().After(end) {
			t.Fatalf("after %v still no %s", limit, what)
		}
		time.Sleep(5 * time.Millisecond) // what is waited for stands outside this process: a poll is all there is
	}
}

// WaitPort waits until something listens on a TCP address.
func WaitPort(t testing.TB, address string) {
	t.Helper()
	Wait(t, Patience, "listener on "+address, func() bool {
		c, err := net.DialTimeout("tcp", address, time.Second)
		if err != nil {
			return false
		}
		c.Close()
		return true
	})
}

// Room is a folder for one test that others than root may enter, with a short path since sockets live in it. It is kept when the test
// fails, and the log says how to run it again.
func Room(t testing.TB, prefix, command string) string {
	t.Helper()
	dir, err := os.MkdirTemp("", prefix)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("files kept in %s; again: %s -run '^%s$'", dir, command, t.Name())
			return
		}
		os.RemoveAll(dir)
	})
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}
