// SPDX-License-Identifier: MIT

package daemon

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// rlimit is getrlimit and setrlimit of RLIMIT_NOFILE, a field for tests.
type rlimit struct {
	get, set func(*unix.Rlimit) error
}

func systemLimit() rlimit {
	return rlimit{
		get: func(l *unix.Rlimit) error { return unix.Getrlimit(unix.RLIMIT_NOFILE, l) },
		set: func(l *unix.Rlimit) error { return unix.Setrlimit(unix.RLIMIT_NOFILE, l) },
	}
}

// RaiseFileLimit lifts the soft limit of open files to the hard one and returns what holds now. The cap on connections
// derives from it: a server that runs out of descriptors can neither accept nor write its queue. The number is right
// even when the error is not nil.
func RaiseFileLimit() (uint64, error) { return systemLimit().raise() }

func (r rlimit) raise() (uint64, error) {
	var l unix.Rlimit
	if err := r.get(&l); err != nil {
		return 0, fmt.Errorf("limit of open files: %w", err)
	}
	was := l.Cur
	if was >= l.Max {
		return was, nil
	}
	l.Cur = l.Max
	if err := r.set(&l); err != nil {
		return was, fmt.Errorf("raising the limit of open files from %d to %d: %w", was, l.Max, err)
	}
	return l.Cur, nil
}
