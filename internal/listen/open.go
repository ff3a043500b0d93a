// SPDX-License-Identifier: MIT

package listen

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"syscall"
)

// Open returns the socket that systemd holds under the listener's name, or opens its address. Errors name the address.
func Open(ctx context.Context, c Config) (net.Listener, error) {
	if fd, ok := inherited(os.Getpid(), os.Getenv, c.Name); ok {
		return adopt(fd, c.Name)
	}
	network, address := c.Address.Dial()
	if network == "unix" {
		if err := removeStale(address); err != nil {
			return nil, err
		}
	}
	if network == "tcp" {
		network = family(c.Address.Host)
	}
	// Keep-alive probes would cost five system calls a connection; every read here has a deadline instead.
	lc := net.ListenConfig{KeepAlive: -1}
	lc.SetMultipathTCP(false)
	l, err := lc.Listen(ctx, network, address)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("cannot listen on %s: another process has that port: %w", c.Address, err)
	}
	if errors.Is(err, fs.ErrPermission) {
		return nil, fmt.Errorf("cannot listen on %s: ports below 1024 need CAP_NET_BIND_SERVICE or socket activation: %w", c.Address, err)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot listen on %s: %w", c.Address, err)
	}
	return l, nil
}

// family keeps [::] to IPv6 and 0.0.0.0 to IPv4; net would take both for the first.
func family(host string) string {
	switch ip := net.ParseIP(host); {
	case ip == nil:
		return "tcp"
	case ip.To4() != nil:
		return "tcp4"
	}
	return "tcp6"
}

// removeStale takes away the socket that a process left which nobody answers for any more.
func removeStale(path string) error {
	info, err := os.Lstat(path)
	if err != nil || info.Mode()&os.ModeSocket == 0 {
		return nil // Listen says what is wrong
	}
	if conn, err := net.Dial("unix", path); err == nil {
		_ = conn.Close()
		return fmt.Errorf("cannot listen on unix:%s: another process answers there", path)
	}
	if err := os.Remove(path); err != nil {
		return fmt.Errorf("remove the socket of a process that has ended: %w", err)
	}
	return nil
}
