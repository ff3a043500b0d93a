// SPDX-License-Identifier: MIT

package config

import (
	"io/fs"
	"strings"
	"testing"
)

func TestExposed(t *testing.T) {
	t.Parallel()
	for mode, exposed := range map[fs.FileMode]bool{
		0o400: false, 0o600: false, 0o640: false, 0o660: false, 0o711: false, 0o644: true, 0o602: true, 0o604: true,
	} {
		got := Exposed("/secret", mode)
		if (got != "") != exposed || exposed && !strings.Contains(got, "/secret: ") {
			t.Errorf("%04o: %q", mode, got)
		}
	}
}
