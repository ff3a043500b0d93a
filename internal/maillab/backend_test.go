// SPDX-License-Identifier: MIT

package maillab

import (
	"bufio"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// attempt is what a client of a backend sees first.
func attempt(b *Backend) (net.Conn, string) {
	c, err := net.DialTimeout("tcp", b.Addr(), 300*time.Millisecond)
	if err == nil {
		c.SetDeadline(time.Now().Add(300 * time.Millisecond))
		var line string
		if line, err = bufio.NewReader(c).ReadString('\n'); err == nil {
			return c, strings.TrimSpace(line)
		}
		c.Close()
	}
	var over net.Error
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return nil, "refused"
	case errors.Is(err, syscall.ECONNRESET):
		return nil, "reset"
	case errors.As(err, &over) && over.Timeout():
		return nil, "silence, " + err.(*net.OpError).Op
	}
	return nil, err.Error()
}

func TestBackendFails(t *testing.T) {
	t.Parallel()
	b := NewBackend(t, "a", BackendOptions{})
	for _, step := range []struct {
		fault Fault
		want  string
	}{
		{Works, "a"}, {Refuses, "refused"}, {Works, "a"}, {Stalls, "silence, read"}, {Resets, "reset"}, {BlackHole, "silence, dial"},
		{Works, "a"}, {BlackHole, "silence, dial"}, {Refuses, "refused"}, {BlackHole, "silence, dial"}, {Stalls, "silence, read"}, {Works, "a"},
	} {
		b.Be(t, step.fault)
		c, got := attempt(b)
		if got != step.want {
			t.Errorf("%v: %s, want %s", step.fault, got, step.want)
		}
		if c != nil {
			c.Close()
		}
	}
	if n := len(b.Visits()); n != 7 {
		t.Errorf("%d visits, want 7: %v", n, b.Visits())
	}
}

// What becomes of sessions that are there when a backend fails.
func TestBackendSessions(t *testing.T) {
	t.Parallel()
	b := NewBackend(t, "a", BackendOptions{})
	c, _ := attempt(b)
	defer c.Close()
	c.SetDeadline(time.Now().Add(Patience))
	for _, f := range []Fault{Refuses, BlackHole, Stalls} {
		b.Be(t, f)
		if _, err := io.WriteString(c, "hello"); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(c, make([]byte, 5)); err != nil {
			t.Errorf("%v: %v", f, err)
		}
	}
	b.Kill(t)
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("after the kill: %v", err)
	}
	b.Be(t, Works)
	if _, got := attempt(b); got != "a" {
		t.Errorf("it does not come back: %s", got)
	}
}

func TestBackendResetsAfter(t *testing.T) {
	t.Parallel()
	b := NewBackend(t, "a", BackendOptions{})
	b.ResetAfter(t, 3)
	c, err := net.Dial("tcp", b.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	io.WriteString(c, "ab")
	c.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("after two: %v", err)
	}
	io.WriteString(c, "c")
	c.SetReadDeadline(time.Now().Add(Patience))
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("after three: %v", err)
	}
}

func TestBackendKnowsTheClient(t *testing.T) {
	t.Parallel()
	for header, want := range map[string]string{
		"PROXY TCP4 192.0.2.1 192.0.2.25 4000 25\r\n":     "192.0.2.1:4000",
		"PROXY TCP6 2001:db8::1 2001:db8::25 4000 25\r\n": "[2001:db8::1]:4000",
		"PROXY UNKNOWN\r\n":                               "invalid AddrPort",
		signature + "\x21\x11\x00\x10\xc0\x00\x02\x01\xc0\x00\x02\x19\x0f\xa0\x00\x19\x04\x00\x01x": "192.0.2.1:4000",
		signature + "\x20\x00\x00\x00": "invalid AddrPort",
	} {
		b := NewBackend(t, "a", BackendOptions{Proxy: true})
		c, err := net.Dial("tcp", b.Addr())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		io.WriteString(c, header)
		if v := b.WaitVisits(t, 1)[0]; v.Client.String() != want || v.Header != header {
			t.Errorf("%q: %v of %q", header, v.Client, v.Header)
		}
	}
}
