// SPDX-License-Identifier: MIT

//go:build linux

package loop

import (
	"io"
	"net"
	"testing"
)

// say writes and has it read at the other side.
func say(t *testing.T, from, to net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(from, text); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, len(text))
	if _, err := io.ReadFull(to, b); err != nil || string(b) != text {
		t.Fatalf("got %q, %v; want %q", b, err, text)
	}
}

func wantEOF(t *testing.T, c net.Conn) {
	t.Helper()
	if n, err := c.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		t.Fatalf("got %d bytes, %v; want the end", n, err)
	}
}

func TestHalfClose(t *testing.T) {
	t.Parallel()
	eachSide(t, ClientClosed, ServerClosed, func(t *testing.T, l *lab, a, b net.Conn, want Reason) {
		if err := a.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		wantEOF(t, b)
		say(t, b, a, "after the end of the other side")
		b.Close()
		wantEOF(t, a)
		if r := l.result(t, 0); r.Reason != want || r.FromClient+r.FromServer != 34 || r.Err != nil {
			t.Errorf("%+v", r)
		}
	})
}
