// SPDX-License-Identifier: MIT

package admin

import (
	"errors"
	"net"
	"syscall"
	"time"
)

// acceptPause is how long a socket waits for a descriptor before it asks again.
const acceptPause = 50 * time.Millisecond

// patient accepts as soon as it can: that the process, or the machine, has no descriptor or memory left just now is no reason to
// end a service. Its clients wait.
type patient struct{ *net.UnixListener }

func (p patient) Accept() (net.Conn, error) {
	c, err := patiently(p.AcceptUnix)
	if err != nil {
		return nil, err
	}
	return c, nil
}

// AcceptUnix is that of a socket, which waits for a descriptor if need be.
func (p *Private) AcceptUnix() (*net.UnixConn, error) { return patiently(p.UnixListener.AcceptUnix) }

func patiently[T any](accept func() (T, error)) (T, error) {
	for {
		c, err := accept()
		if !passing(err) {
			return c, err
		}
		time.Sleep(acceptPause) // nothing tells when a descriptor is free again
	}
}

// passing reports an error that another try may not have.
func passing(err error) bool {
	for _, e := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.ECONNABORTED} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}
