// SPDX-License-Identifier: MIT

package handover

import (
	"fmt"
	"net"
	"os"
	"syscall"
)

// peer asks the kernel who is at the other end, and wants our own user, or root.
func peer(c *net.UnixConn) (pid int, err error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return 0, err
	}
	var cred *syscall.Ucred
	var failed error
	if err := raw.Control(func(fd uintptr) {
		cred, failed = syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED)
	}); err != nil {
		return 0, err
	}
	if failed != nil {
		return 0, fmt.Errorf("SO_PEERCRED: %w", failed)
	}
	if cred.Uid != 0 && int(cred.Uid) != os.Geteuid() {
		return 0, fmt.Errorf("process %d runs as user %d, this one as %d: a balancer is taken over by its own user", cred.Pid, cred.Uid, os.Geteuid())
	}
	return int(cred.Pid), nil
}
