// SPDX-License-Identifier: MIT

package maillab

import (
	"encoding/binary"
	"io"
	"net"
	"strings"
	"testing"
)

// Filter is a milter that says yes to everything, and at the end of a message what it was told to say. Answers are packets of the
// protocol: a code and its data.
type Filter struct {
	At    map[byte]string // in place of "continue", by command
	Heard chan byte       // the commands; nil: nobody listens

	end      []string
	listener net.Listener
}

// NewFilter makes one that says these packets at the end of a message, "accept" behind them unless the last one decides. At and Heard
// are to be set before anybody connects.
func NewFilter(t testing.TB, end ...string) *Filter {
	t.Helper()
	f := &Filter{At: map[byte]string{}, end: end, listener: Listen(t)}
	t.Cleanup(f.Close)
	go func() {
		for {
			conn, err := f.listener.Accept()
			if err != nil {
				return
			}
			go f.serve(conn)
		}
	}()
	return f
}

// Port is where it listens, at 127.0.0.1.
func (f *Filter) Port() int { return f.listener.Addr().(*net.TCPAddr).Port }

// Close lets nobody in any more.
func (f *Filter) Close() { _ = f.listener.Close() }

func (f *Filter) serve(conn net.Conn) {
	defer conn.Close()
	for {
		var head [5]byte // length, command
		if _, err := io.ReadFull(conn, head[:]); err != nil {
			return
		}
		if _, err := io.CopyN(io.Discard, conn, int64(binary.BigEndian.Uint32(head[:]))-1); err != nil {
			return
		}
		if f.Heard != nil {
			f.Heard <- head[4]
		}
		if head[4] == 'Q' {
			return
		}
		for _, packet := range f.answers(head[4]) {
			if _, err := conn.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(packet))), packet...)); err != nil {
				return
			}
		}
	}
}

// answers are the packets that answer a command.
func (f *Filter) answers(command byte) []string {
	switch command {
	case 'O': // version 6, all actions, all events
		return []string{"O\x00\x00\x00\x06\x00\x00\x01\xff\x00\x00\x00\x00"}
	case 'D', 'A', 'K':
		return nil
	case 'E':
		if len(f.end) > 0 && strings.ContainsRune("aryd", rune(f.end[len(f.end)-1][0])) {
			return f.end
		}
		return append(f.end[:len(f.end):len(f.end)], "a")
	}
	if answer, ok := f.At[command]; ok {
		return []string{answer}
	}
	return []string{"c"}
}
