// SPDX-License-Identifier: MIT

//go:build linux

package loop

import (
	"bytes"
	"io"
	"net"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// An urgent byte is lost, as with every proxy; what is before and behind it is not, also in the middle of splicing, which stops
// in front of it as if there were nothing more.
func TestUrgent(t *testing.T) {
	t.Parallel()
	l := newLab(t, Options{}, Front{})
	piece := bytes.Repeat([]byte("0123456789abcdef"), 32<<10)
	for range 10 {
		client, server := l.pair(t)
		var wg sync.WaitGroup
		wg.Go(func() {
			for i := range 8 {
				if _, err := client.Write(piece); err != nil {
					t.Error(err)
					return
				}
				if i == 4 {
					urgent(t, client)
				}
			}
			_ = client.(*net.TCPConn).CloseWrite()
		})
		heard, err := io.ReadAll(server)
		wg.Wait()
		if want := bytes.Repeat(piece, 8); err != nil || !bytes.Equal(heard, want) {
			t.Errorf("%d bytes of %d, %v", len(heard), len(want), err)
		}
	}
}

// urgent sends a byte out of band.
func urgent(t *testing.T, c net.Conn) {
	t.Helper()
	raw, err := c.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	err = raw.Write(func(fd uintptr) bool { return unix.Send(int(fd), []byte("!"), unix.MSG_OOB) != unix.EAGAIN })
	if err != nil {
		t.Error(err)
	}
}
