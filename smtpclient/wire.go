// SPDX-License-Identifier: MIT

package smtpclient

import (
	"bufio"
	"context"
	"errors"
	"net"
	"strings"
	"time"

	"posthouse/reply"
)

// wire is the connection with its bounds. Commands gather in out until flush, so that a pipeline is one write.
type wire struct {
	raw  net.Conn // what the context closes: closing TLS would wait for the peer
	conn net.Conn // raw, or TLS over it
	in   *bufio.Reader
	out  []byte
	show func(line string) // nil: nobody looks on
}

func newWire(conn net.Conn, show func(line string)) wire {
	return wire{raw: conn, conn: conn, in: bufio.NewReaderSize(conn, 4096), show: show}
}

// watch closes the connection when ctx ends, until the function it returns is called.
func (w *wire) watch(ctx context.Context) func() bool {
	return context.AfterFunc(ctx, func() { w.raw.Close() })
}

// flush sends the gathered commands.
func (w *wire) flush(limit time.Duration) error {
	if len(w.out) == 0 {
		return nil
	}
	w.showLines(w.out)
	err := w.write(w.out, limit)
	w.out = w.out[:0]
	return err
}

func (w *wire) write(p []byte, limit time.Duration) error {
	if err := w.conn.SetWriteDeadline(time.Now().Add(limit)); err != nil {
		return err
	}
	_, err := w.conn.Write(p)
	return err
}

// reply reads one reply, which has to be complete within limit. Each line of its text goes to each, if there is one.
func (w *wire) reply(limit time.Duration, each func(line []byte)) (reply.Reply, error) {
	if err := w.conn.SetReadDeadline(time.Now().Add(limit)); err != nil {
		return reply.Reply{}, err
	}
	r, err := readReply(w.in, each)
	if err == nil && w.show != nil {
		for line := range strings.SplitSeq(r.String(), "\n") {
			w.show("S: " + line)
		}
	}
	return r, err
}

// showLines shows commands to whoever looks on, without what AUTH keeps secret.
func (w *wire) showLines(out []byte) {
	if w.show == nil {
		return
	}
	for line := range strings.SplitSeq(strings.TrimSuffix(string(out), "\r\n"), "\r\n") {
		if strings.HasPrefix(line, "AUTH PLAIN ") {
			line = "AUTH PLAIN ..."
		}
		w.show("C: " + line)
	}
}

// ask sends a command line and reads its reply.
func (w *wire) ask(command string, limit time.Duration, each func(line []byte)) (reply.Reply, error) {
	w.out = append(append(w.out, command...), "\r\n"...)
	if err := w.flush(limit); err != nil {
		return reply.Reply{}, err
	}
	return w.reply(limit, each)
}

// failure is the reply that stands for an error of the connection.
func failure(ctx context.Context, doing string, err error) reply.Reply {
	var timeout net.Error
	switch {
	case ctx.Err() != nil:
		return reply.ConnectionLost.With("Attempt was cut off while %s", doing).Because(ctx.Err())
	case errors.Is(err, errProtocol):
		return reply.ProtocolError.Because(err)
	case errors.As(err, &timeout) && timeout.Timeout():
		return reply.ConnectionLost.With("Timed out while %s", doing).Because(err)
	}
	return reply.ConnectionLost.With("Connection lost while %s", doing).Because(err)
}
