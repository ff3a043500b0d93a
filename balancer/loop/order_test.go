// SPDX-License-Identifier: MIT

//go:build linux

package loop

import (
	"net"
	"testing"
	"time"
)

// Who sees the end of a session finds that its visit was told before: the place that it had is free for whoever comes next.
func TestDoneComesBeforeTheEnd(t *testing.T) {
	t.Parallel()
	l := newLab(t, Options{}, Front{})
	for range 300 {
		client, server := l.pair(t)
		_ = client.(*net.TCPConn).SetLinger(0)
		client.Close()
		_ = server.SetReadDeadline(time.Now().Add(10 * time.Second))
		if _, err := server.Read(make([]byte, 1)); err == nil {
			t.Fatal("the server reads something")
		}
		l.mu.Lock()
		open := l.open
		l.mu.Unlock()
		if open != 0 {
			t.Fatal("the server saw the end before the visit was told")
		}
	}
}
