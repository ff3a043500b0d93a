// SPDX-License-Identifier: MIT

package daemon

import (
	"fmt"
	"net"
	"os"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// notifier is the client side of sd_notify(3): one datagram a message on the socket the manager named.
type notifier struct {
	socket string
	silent atomic.Bool // another process speaks for the service
}

func newNotifier(socket string) *notifier { return &notifier{socket: socket} }

// HandOver tells the service manager that the process pid is the service from now on, and nothing more after that: what
// becomes of this one is no concern of the manager. The other process speaks to it only when this has returned; before, it
// would not be heard. With our own pid it takes that back. To be called while Run runs. It feeds the watchdog for the other
// process too, whose own turn comes only half an interval later: the last one here may be as old as that.
func (p *Process) HandOver(pid int) error {
	p.notify.silent.Store(false)
	err := p.notify.send(fmt.Sprintf("MAINPID=%d\nWATCHDOG=1", pid))
	p.notify.silent.Store(pid != os.Getpid())
	return err
}

// send does nothing without a manager. "@" at the start of the name is an abstract socket, which net understands.
func (n *notifier) send(state string) error {
	if n.socket == "" || n.silent.Load() {
		return nil
	}
	c, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: n.socket, Net: "unixgram"})
	if err != nil {
		return fmt.Errorf("sd_notify: %w", err)
	}
	defer c.Close()
	if err := c.SetWriteDeadline(time.Now().Add(time.Second)); err != nil {
		return fmt.Errorf("sd_notify: %w", err)
	}
	if _, err := c.Write([]byte(state)); err != nil {
		return fmt.Errorf("sd_notify: %w", err)
	}
	return nil
}

// monotonic is CLOCK_MONOTONIC, by which the manager tells this reload's READY=1 from an earlier one.
func monotonic() time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		return 0
	}
	return time.Duration(ts.Nano())
}
