// SPDX-License-Identifier: MIT

package dovecot

import "syscall"

// attributes let Dovecot end with us, however we end, and keep a terminal's Ctrl-C from reaching it before us.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}
