// SPDX-License-Identifier: MIT

//go:build !linux

package maillab

// tcpEstablished is the only state that is known here.
const tcpEstablished = 1

func tcpState(int) (int, error) { return tcpEstablished, nil }
