// SPDX-License-Identifier: MIT

package dovecot

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// lockPatience is how long an earlier Dovecot of the same folder may take to end.
const lockPatience = 15 * time.Second

// lock takes the folder for one Dovecot, and waits until an earlier one is gone: after we were killed, its sockets are still
// there for a moment, and it removes them by name when it ends. The file is handed down to the master; its children, who
// have the ports open too, do not inherit it, so the port of IMAPS is tried as well.
func lock(ctx context.Context, o Options) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(o.Dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, lockPatience)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		err := errors.Join(syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB), free(o))
		if err == nil {
			return f, nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			f.Close()
			return nil, fmt.Errorf("no room for a private Dovecot in %s: %w", o.Dir, err)
		}
	}
}

// free reports whether the port of IMAPS can be had.
func free(o Options) error {
	l, err := net.Listen("tcp", net.JoinHostPort(o.Address, strconv.Itoa(o.Port)))
	if err != nil {
		return err
	}
	return l.Close()
}
