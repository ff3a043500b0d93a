// SPDX-License-Identifier: MIT

package handover

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"syscall"
	"time"
)

// Version of the protocol. A process that speaks another one says no.
const Version = 1

// Bounds of the protocol.
const (
	maxPacket     = 64 << 10
	maxData       = 32 << 10 // in one packet
	maxListeners  = 1024
	maxDescriptor = 2 // in one packet
	patience      = 10 * time.Second
)

// kind is a packet's first byte.
type kind byte

const (
	hello    kind = 'H'
	listener kind = 'L' // with one descriptor
	end      kind = 'E' // of the listeners, and of the sessions
	ready    kind = 'R'
	goOn     kind = 'G'
	session  kind = 'S' // with two descriptors: the client's, the server's
	data     kind = 'D' // of the session before: first what waits for the server, then for the client
	ack      kind = 'A'
	no       kind = 'N'
)

// Greeting is the body of hello.
type greeting struct {
	Version int `json:"version"`
}

// refusal is the body of no.
type refusal struct {
	Reason string `json:"reason"`
}

// ErrRefused means that the other process said no. Its reason stands in the text.
var ErrRefused = errors.New("the other process refuses")

// packet is one that came.
type packet struct {
	kind kind
	body []byte
	fds  []int // the receiver's
	cut  bool  // descriptors did not fit: this process has no room for more
}

// close gives up the descriptors.
func (p *packet) close() {
	for _, fd := range p.fds {
		_ = syscall.Close(fd)
	}
	p.fds = nil
}

// decode reads the body. A refusal is an error whatever was expected.
func (p *packet) decode(want kind, v any) error {
	switch {
	case p.kind == no:
		var r refusal
		if err := json.Unmarshal(p.body, &r); err != nil {
			return fmt.Errorf("%w, for a reason that cannot be read: %w", ErrRefused, err)
		}
		return fmt.Errorf("%w: %.500q", ErrRefused, r.Reason)
	case p.kind != want:
		return fmt.Errorf("packet %q came where %q was expected", p.kind, want)
	case v == nil:
		return nil
	}
	if err := json.Unmarshal(p.body, v); err != nil {
		return fmt.Errorf("packet %q: %w", p.kind, err)
	}
	return nil
}

// link is the connection between the two.
type link struct {
	conn *net.UnixConn
	buf  []byte
}

func newLink(c *net.UnixConn) *link { return &link{c, make([]byte, maxPacket)} }

// tell sends a packet with a JSON body.
func (l *link) tell(k kind, v any, fds ...int) error {
	var body []byte
	if v != nil {
		var err error
		if body, err = json.Marshal(v); err != nil {
			return fmt.Errorf("packet %q: %w", k, err)
		}
	}
	return l.send(k, body, fds...)
}

func (l *link) send(k kind, body []byte, fds ...int) error {
	if len(body) >= maxPacket {
		return fmt.Errorf("packet %q of %d bytes is too long", k, len(body))
	}
	if err := l.conn.SetWriteDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	var oob []byte
	if len(fds) > 0 {
		oob = syscall.UnixRights(fds...)
	}
	_, _, err := l.conn.WriteMsgUnix(append([]byte{byte(k)}, body...), oob, nil)
	return err
}

// sendData sends what waits in a session, in pieces.
func (l *link) sendData(b []byte) error {
	for len(b) > 0 {
		n := min(len(b), maxData)
		if err := l.send(data, b[:n]); err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

// receive waits for a packet until the deadline. The body holds until the next call.
func (l *link) receive(deadline time.Time) (*packet, error) {
	if err := l.conn.SetReadDeadline(deadline); err != nil {
		return nil, err
	}
	oob := make([]byte, syscall.CmsgSpace(4*maxDescriptor))
	n, oobn, flags, _, err := l.conn.ReadMsgUnix(l.buf, oob)
	if errors.Is(err, syscall.ECONNRESET) { // it hung up on something unread; what it said before is still there, behind the error
		n, oobn, flags, _, err = l.conn.ReadMsgUnix(l.buf, oob)
	}
	if err != nil {
		return nil, err
	}
	p := &packet{kind: kind(l.buf[0]), body: l.buf[1:n], cut: flags&syscall.MSG_CTRUNC != 0}
	if p.fds, err = descriptors(oob[:oobn]); err != nil {
		return nil, err
	}
	if flags&syscall.MSG_TRUNC != 0 {
		p.close()
		return nil, fmt.Errorf("packet %q is longer than %d bytes", p.kind, maxPacket)
	}
	return p, nil
}

// descriptors are those of a control message; none that came is lost, whatever else is wrong.
func descriptors(oob []byte) (fds []int, err error) {
	messages, err := syscall.ParseSocketControlMessage(oob)
	if err != nil {
		return nil, fmt.Errorf("control message: %w", err)
	}
	for _, m := range messages {
		if m.Header.Level != syscall.SOL_SOCKET || m.Header.Type != syscall.SCM_RIGHTS {
			continue
		}
		got, err := syscall.ParseUnixRights(&m)
		if err != nil {
			return fds, fmt.Errorf("descriptors: %w", err)
		}
		fds = append(fds, got...)
	}
	return fds, nil
}

// refuse says no. The other side may be gone, which says the same.
func (l *link) refuse(reason error) {
	_ = l.tell(no, refusal{Reason: fmt.Sprintf("%.500s", reason.Error())})
}

func (l *link) close() error { return l.conn.Close() }
