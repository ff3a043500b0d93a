// SPDX-License-Identifier: MIT

package milter

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

const (
	maxPacket = 1 << 20       // octets of a packet that a filter sends or gets, its code included
	maxChunk  = 65535         // octets of a body in one packet
	maxAnswer = 2 * maxPacket // octets that a filter may say in one stage, replaced bodies aside
)

var (
	errTooMuch  = errors.New("the filter says too much")
	errGarbage  = errors.New("the filter does not speak the milter protocol")
	errTooLarge = errors.New("more than a milter packet holds")
)

// wire is a connection to a filter whose every wait is bounded twice: silence by patience, the stage as a whole by limit.
// go-milter alone starts its clock anew with each packet, so that a filter that says "progress" would never come to an end.
// What is written goes out with the next read or flush: a whole header in a few segments, not in one for each field.
type wire struct {
	net.Conn
	out      *bufio.Writer
	patience time.Duration
	limit    time.Time
	left     int64 // octets that may still be read in this stage
}

func newWire(c net.Conn) *wire { return &wire{Conn: c, out: bufio.NewWriter(c)} }

// stage begins a step that may take so long in all, and so long without a word.
func (w *wire) stage(patience, total time.Duration) {
	w.patience, w.limit, w.left = patience, time.Now().Add(total), maxAnswer
	_ = w.Conn.SetDeadline(w.next())
}

func (w *wire) next() time.Time {
	if t := time.Now().Add(w.patience); t.Before(w.limit) {
		return t
	}
	return w.limit
}

// SetReadDeadline and SetWriteDeadline are what go-milter calls around each packet. Whatever it asks for, it gets ours.
func (w *wire) SetReadDeadline(time.Time) error { return w.Conn.SetReadDeadline(w.next()) }

// SetWriteDeadline is as SetReadDeadline.
func (w *wire) SetWriteDeadline(time.Time) error { return w.Conn.SetWriteDeadline(w.next()) }

func (w *wire) Write(p []byte) (int, error) { return w.out.Write(p) }

func (w *wire) Read(p []byte) (int, error) {
	if err := w.out.Flush(); err != nil {
		return 0, err
	}
	if w.left <= 0 {
		return 0, errTooMuch
	}
	n, err := w.Conn.Read(p[:min(int64(len(p)), w.left)])
	w.left -= int64(n)
	return n, err
}

func (w *wire) flush() error { return w.out.Flush() }

// send writes a packet that go-milter has no call for.
func (w *wire) send(code byte) error {
	_, err := w.Write([]byte{0, 0, 0, 1, code})
	return err
}

// packet is what a filter said.
type packet struct {
	code byte
	data []byte
}

// receive reads a packet that go-milter would not understand, or would hoard.
func (w *wire) receive() (packet, error) {
	_ = w.SetReadDeadline(time.Time{})
	var head [4]byte
	if _, err := io.ReadFull(w, head[:]); err != nil {
		return packet{}, err
	}
	n := binary.BigEndian.Uint32(head[:])
	if n == 0 || n > maxPacket {
		return packet{}, fmt.Errorf("%w: a packet of %d octets", errGarbage, n)
	}
	data := make([]byte, n)
	if _, err := io.ReadFull(w, data); err != nil {
		return packet{}, err
	}
	return packet{data[0], data[1:]}, nil
}
