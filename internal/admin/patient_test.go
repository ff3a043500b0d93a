// SPDX-License-Identifier: MIT

package admin

import (
	"net"
	"os"
	"syscall"
	"testing"
)

// A process that has no descriptor left for a command goes on, and answers when it has one.
func TestAcceptWaitsForDescriptors(t *testing.T) {
	t.Parallel()
	answers := []error{syscall.EMFILE, syscall.ENFILE, nil, net.ErrClosed}
	accept := func() (int, error) {
		err := answers[0]
		answers = answers[1:]
		if err != nil && err != net.ErrClosed {
			err = &net.OpError{Op: "accept", Err: os.NewSyscallError("accept4", err)}
		}
		return len(answers), err
	}
	if n, err := patiently(accept); n != 1 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	if n, err := patiently(accept); n != 0 || err != net.ErrClosed {
		t.Errorf("%d, %v", n, err)
	}
}
