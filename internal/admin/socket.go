// SPDX-License-Identifier: MIT

package admin

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"sync/atomic"
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

// Private is a listening unix socket that our own user alone may connect to (0600). Its file goes with it, unless another
// process listens there by now.
type Private struct {
	*net.UnixListener
	path string
	made os.FileInfo // the file as we made it, so that removing ours never removes a successor's
	left atomic.Bool
}

// ListenPrivate opens one; network is unix or unixpacket. The socket is made in a directory of our own (0700), gets its rights
// there and is renamed into place: at no moment can another user connect, whatever the umask, and umask is not touched, which
// is the whole process's.
func ListenPrivate(network, path string) (*Private, error) {
	if n := max(len(path), len(filepath.Dir(path))+longestTemp); n > maxSocketPath {
		return nil, fmt.Errorf("path is %d bytes too long for a socket: choose a shorter data_dir", n-maxSocketPath)
	}
	if err := freeOrStale(network, path); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(filepath.Dir(path), ".")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	temp := filepath.Join(dir, "s")
	l, err := net.ListenUnix(network, &net.UnixAddr{Name: temp, Net: network})
	if err != nil {
		return nil, err
	}
	l.SetUnlinkOnClose(false) // it knows the old name only
	made, err := place(temp, path)
	if err != nil {
		l.Close()
		return nil, err
	}
	return &Private{UnixListener: l, path: path, made: made}, nil
}

// InheritPrivate is one that another process has opened at path. Its file stays when it is closed, until Own.
func InheritPrivate(l *net.UnixListener, path string) (*Private, error) {
	l.SetUnlinkOnClose(false)
	made, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	p := &Private{UnixListener: l, path: path, made: made}
	p.Leave()
	return p, nil
}

// Leave has the file stay: another process listens there.
func (p *Private) Leave() { p.left.Store(true) }

// Own has the file go with the socket: no other process listens there any more.
func (p *Private) Own() { p.left.Store(false) }

// Close closes the socket and removes its file.
func (p *Private) Close() error {
	now, err := os.Lstat(p.path)
	if err == nil && !p.left.Load() && os.SameFile(now, p.made) {
		_ = os.Remove(p.path) // a leftover is recognised as stale at the next start
	}
	return p.UnixListener.Close()
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
func freeOrStale(network, path string) error {
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
	conn, err := net.DialTimeout(network, path, time.Second)
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
