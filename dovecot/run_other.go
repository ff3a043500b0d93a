// SPDX-License-Identifier: MIT

//go:build !linux

package dovecot

import "syscall"

// attributes keep a terminal's Ctrl-C from reaching Dovecot before us.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
