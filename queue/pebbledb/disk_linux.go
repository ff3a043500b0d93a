// SPDX-License-Identifier: MIT

package pebbledb

import (
	"math"
	"syscall"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// diskUsage asks the kernel, inodes included, if fs is the machine's.
func diskUsage(fs vfs.FS) func(string) (Usage, error) {
	if fs != vfs.Default {
		return plainUsage(fs)
	}
	return func(dir string) (Usage, error) {
		var st syscall.Statfs_t
		if err := syscall.Statfs(dir, &st); err != nil {
			return Usage{}, err
		}
		inodes := int64(min(st.Ffree, math.MaxInt64))
		if st.Files == 0 {
			inodes = -1 // btrfs and others make them as they are needed
		}
		return Usage{Bytes: int64(st.Bavail) * st.Bsize, Inodes: inodes}, nil
	}
}
