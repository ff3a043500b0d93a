// SPDX-License-Identifier: MIT

package admin

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// ErrInUse: another process answers at the socket.
var ErrInUse = errors.New("another process is using it")

// maxSocketPath is what fits sun_path, and longestTemp the temporary name, which must as well.
const (
	maxSocketPath = 107
	longestTemp   = len("/.4294967295/s")
)

// socketFile is the socket as we made it, so that removing ours never removes a successor's.
type socketFile struct {
	path string
	made os.FileInfo
}

// listenPrivate makes the socket in a directory of our own (0700), sets its rights there and renames it into place: at no
// moment can another user connect, whatever the umask, and umask is not touched, which is the whole process's.
func listenPrivate(path string) (net.Listener, *socketFile, error) {
	if n := max(len(path), len(filepath.Dir(path))+longestTemp); n > maxSocketPath {
		return nil, nil, fmt.Errorf("path is %d bytes too long for a socket: choose a shorter data_dir", n-maxSocketPath)
	}
	if err := freeOrStale(path); err != nil {
		return nil, nil, err
	}
	dir, err := os.MkdirTemp(filepath.Dir(path), ".")
	if err != nil {
		return nil, nil, err
	}
	defer os.RemoveAll(dir)
	temp := filepath.Join(dir, "s")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: temp, Net: "unix"})
	if err != nil {
		return nil, nil, err
	}
	l.SetUnlinkOnClose(false) // it knows the old name only
	made, err := place(temp, path)
	if err != nil {
		l.Close()
		return nil, nil, err
	}
	return l, &socketFile{path, made}, nil
}

func place(temp, path string) (os.FileInfo, error) {
	if err := os.Chmod(temp, 0o600); err != nil {
		return nil, err
	}
	if err := os.Rename(temp, path); err != nil {
		return nil, err
	}
	return os.Lstat(path)
}

// freeOrStale: nothing there, or a socket nobody listens to. Anything but a socket is not ours to replace.
func freeOrStale(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Mode().Type() != fs.ModeSocket {
		return errors.New("something that is no socket has this name")
	}
	conn, err := net.DialTimeout("unix", path, time.Second)
	if err == nil {
		conn.Close()
		return ErrInUse
	}
	if refused(err) {
		return nil
	}
	return fmt.Errorf("%w: %w", ErrInUse, err) // full backlog, no right to ask: somebody may be there
}

func refused(err error) bool { return errors.Is(err, syscall.ECONNREFUSED) }

func (s *socketFile) remove() {
	now, err := os.Lstat(s.path)
	if err == nil && os.SameFile(now, s.made) {
		_ = os.Remove(s.path) // a leftover is recognised as stale at the next start
	}
}
