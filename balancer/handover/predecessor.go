// SPDX-License-Identifier: MIT

package handover

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"time"
)

// Predecessor is the process that has been running, as the one that takes over sees it. Make it with Dial.
type Predecessor struct {
	PID       int
	link      *link
	listeners []Listener // not taken yet
}

// ErrNone means that no process listens at the path.
var ErrNone = errors.New("no running process to take over from")

// Dial asks the process that listens at path for its listeners. It waits in line for one that is handing over already, for
// as long as ctx allows.
func Dial(ctx context.Context, path string) (*Predecessor, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, "unixpacket", path)
	switch {
	case errors.Is(err, os.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return nil, fmt.Errorf("%w: %w", ErrNone, err)
	case err != nil:
		return nil, err
	}
	p := &Predecessor{link: newLink(c.(*net.UnixConn))}
	release := context.AfterFunc(ctx, func() { _ = p.link.conn.CloseRead() })
	defer release()
	if err := p.meet(ctx); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

func (p *Predecessor) meet(ctx context.Context) (err error) {
	if _, err = peer(p.link.conn); err != nil {
		return err
	}
	if err := p.link.tell(hello, greeting{Version}); err != nil {
		return err
	}
	deadline, _ := ctx.Deadline() // none: as long as ctx
	for len(p.listeners) <= maxListeners {
		more, err := p.listener(deadline)
		if err != nil {
			return fmt.Errorf("listeners of the running process: %w", errors.Join(err, ctx.Err()))
		}
		if !more {
			return nil
		}
	}
	return fmt.Errorf("the running process has more than %d listeners", maxListeners)
}

// listener takes one; false: there are no more.
func (p *Predecessor) listener(deadline time.Time) (more bool, err error) {
	got, err := p.link.receive(deadline)
	if err != nil {
		return false, err
	}
	defer got.close()
	if got.kind == end {
		var g giver
		err := got.decode(end, &g)
		p.PID = g.PID
		return false, err
	}
	var a announced
	if err := got.decode(listener, &a); err != nil {
		return false, err
	}
	if len(got.fds) != 1 {
		return false, fmt.Errorf("listener %.100q came with %d descriptors", a.Name, len(got.fds))
	}
	f := os.NewFile(uintptr(got.fds[0]), a.Name)
	got.fds = nil
	defer f.Close()
	l, err := net.FileListener(f)
	if err != nil {
		return false, fmt.Errorf("listener %.100q: %w", a.Name, err)
	}
	p.listeners = append(p.listeners, Listener{a.Name, l, a.Unlink})
	return true, nil
}

// Take is a listener of that name, which is the caller's from now on; false: there is none (any more).
func (p *Predecessor) Take(name string) (Listener, bool) {
	for i, l := range p.listeners {
		if l.Name == name {
			p.listeners = append(p.listeners[:i], p.listeners[i+1:]...)
			return l, true
		}
	}
	return Listener{}, false
}

// Ready says that this process can do the work, closes the listeners that were not taken, and waits for the word to go on.
// Returned is how the servers stand; alone says that the predecessor has died meanwhile, so that this process is the service
// whatever it knows. With an error the predecessor goes on, and this process must not.
func (p *Predecessor) Ready(ctx context.Context, deadline time.Time) (how Standing, alone bool, err error) {
	release := context.AfterFunc(ctx, func() { _ = p.link.conn.CloseRead() })
	defer release()
	if err := p.link.tell(ready, nil); err != nil && !died(err) {
		return how, false, err
	}
	got, err := p.link.receive(deadline)
	switch {
	case ctx.Err() != nil:
		return how, false, ctx.Err()
	case died(err):
		return how, true, p.closeListeners()
	case err != nil:
		return how, false, fmt.Errorf("process %d does not say that this one may go on: %w", p.PID, err)
	}
	defer got.close()
	if err := got.decode(goOn, &how); err != nil {
		return how, false, err
	}
	return how, false, p.closeListeners()
}

// died reports a peer that hung up without a word.
func died(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// Sessions takes all that come, until the predecessor has no more, has died, has been silent for too long, or ctx ends. An
// error of adopt is the session's end and no other's; the error returned says why not all of them came.
func (p *Predecessor) Sessions(ctx context.Context, silence time.Duration, adopt func(Session) error) (taken int, err error) {
	release := context.AfterFunc(ctx, func() { _ = p.link.conn.CloseRead() })
	defer release()
	var lost []error
	for {
		got, err := p.link.receive(time.Now().Add(silence))
		if err != nil {
			return taken, errors.Join(append(lost, fmt.Errorf("process %d gives no sessions any more: %w", p.PID, err))...)
		}
		if got.kind == end {
			got.close()
			return taken, errors.Join(lost...)
		}
		s, err := p.session(got)
		if errors.Is(err, errLeftThere) {
			continue
		}
		if err != nil {
			return taken, errors.Join(append(lost, err)...)
		}
		if err := adopt(s); err != nil {
			lost = append(lost, err)
			continue
		}
		taken++
	}
}

// errLeftThere is a session for which there is no room here.
var errLeftThere = errors.New("session refused")

// session reads the rest of one and acknowledges it. An ack that cannot be sent leaves the session where it was.
func (p *Predecessor) session(got *packet) (s Session, err error) {
	defer func() {
		if err != nil {
			got.close()
		}
	}()
	var r record
	if err := got.decode(session, &r); err != nil {
		return s, err
	}
	if err := r.check(); err != nil {
		return s, err
	}
	cut := got.cut || len(got.fds) != 2
	pending, err := p.pending(r.ToServer + r.ToClient)
	if err != nil {
		return s, err
	}
	if cut {
		p.link.refuse(errors.New("no descriptors left for this session"))
		return s, errLeftThere
	}
	if err := p.link.tell(ack, nil); err != nil {
		return s, fmt.Errorf("acknowledging a session: %w", err)
	}
	return r.session(pending, got.fds), nil
}

// pending reads n bytes of data.
func (p *Predecessor) pending(n int) ([]byte, error) {
	var b []byte
	for len(b) < n {
		got, err := p.link.receive(time.Now().Add(patience))
		if err != nil {
			return nil, fmt.Errorf("data of a session: %w", err)
		}
		got.close()
		if got.kind != data || len(got.body) == 0 || len(b)+len(got.body) > n {
			return nil, fmt.Errorf("packet %q of %d bytes where %d bytes of data were left", got.kind, len(got.body), n-len(b))
		}
		b = append(b, got.body...)
	}
	return b, nil
}

// Refuse says why this process will not take over, and hangs up.
func (p *Predecessor) Refuse(reason error) {
	p.link.refuse(reason)
	_ = p.Close()
}

// Close hangs up and closes what was not taken.
func (p *Predecessor) Close() error { return errors.Join(p.closeListeners(), p.link.close()) }

func (p *Predecessor) closeListeners() error {
	var errs []error
	for _, l := range p.listeners {
		errs = append(errs, l.Socket.Close())
	}
	p.listeners = nil
	return errors.Join(errs...)
}
