// SPDX-License-Identifier: MIT

package maillab

import "syscall"

// tcpEstablished is TCP_ESTABLISHED of the kernel.
const tcpEstablished = 1

// tcpState is the state of a TCP socket, the first octet of TCP_INFO (tcp(7)). A socket that is none is always established.
func tcpState(fd int) (int, error) {
	v, err := syscall.GetsockoptInt(fd, syscall.IPPROTO_TCP, syscall.TCP_INFO)
	if err != nil {
		return tcpEstablished, err
	}
	return v & 0xff, nil
}
