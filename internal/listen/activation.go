// SPDX-License-Identifier: MIT

package listen

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// firstFD is SD_LISTEN_FDS_START.
const firstFD = 3

// inherited finds a socket by its name in what sd_listen_fds(3) describes.
func inherited(pid int, env func(string) string, name string) (fd int, ok bool) {
	if name == "" || env("LISTEN_PID") != strconv.Itoa(pid) {
		return 0, false
	}
	n, err := strconv.Atoi(env("LISTEN_FDS"))
	if err != nil {
		return 0, false
	}
	for i, s := range strings.Split(env("LISTEN_FDNAMES"), ":") {
		if s == name && i < n {
			return firstFD + i, true
		}
	}
	return 0, false
}

// Inherited reports that systemd holds a socket of that name for this process. Its owner and mode are its unit's.
func Inherited(name string) bool {
	_, ok := inherited(os.Getpid(), os.Getenv, name)
	return ok
}

// adopt makes a listener of a copy; the descriptor itself stays, for whoever asks again.
func adopt(fd int, name string) (net.Listener, error) {
	syscall.CloseOnExec(fd)
	own, err := syscall.Dup(fd)
	if err != nil {
		return nil, fmt.Errorf("socket %q from systemd: %w", name, err)
	}
	f := os.NewFile(uintptr(own), name)
	defer f.Close()
	l, err := net.FileListener(f)
	if err != nil {
		return nil, fmt.Errorf("socket %q from systemd is not a listening one: %w", name, err)
	}
	return l, nil
}
