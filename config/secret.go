// SPDX-License-Identifier: MIT

package config

import (
	"fmt"
	"io/fs"
)

// Exposed warns of a file with a secret that every user of the machine may read or write; "" if it is kept from them.
func Exposed(path string, mode fs.FileMode) string {
	if mode.Perm()&0o006 == 0 {
		return ""
	}
	return fmt.Sprintf("%s: everyone on this machine may read or write this secret (mode %04o); chmod 600 or 640", path, mode.Perm())
}
