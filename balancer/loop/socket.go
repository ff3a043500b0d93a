// SPDX-License-Identifier: MIT

//go:build linux

package loop

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The calls below never block, since every descriptor is non-blocking from its creation. They go to the kernel without
// telling Go's scheduler, which otherwise takes the loop's processor away in the longer ones (a connect over loopback
// carries the whole handshake) and gives it back later.

func closeFD(fd int32) { unix.RawSyscall(unix.SYS_CLOSE, uintptr(fd), 0, 0) }

func receive(fd int32, b []byte) (int, unix.Errno) {
	n, _, err := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), 0, 0, 0)
	return int(n), err
}

func send(fd int32, b []byte) (int, unix.Errno) {
	n, _, err := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), unix.MSG_NOSIGNAL, 0, 0)
	return int(n), err
}

func splice(from, to int32, n int) (int, unix.Errno) {
	const flags = unix.SPLICE_F_NONBLOCK | unix.SPLICE_F_MOVE
	got, _, err := unix.RawSyscall6(unix.SYS_SPLICE, uintptr(from), 0, uintptr(to), 0, uintptr(n), flags)
	return int(got), err
}

func shutdownWrite(fd int32) { unix.RawSyscall(unix.SYS_SHUTDOWN, uintptr(fd), unix.SHUT_WR, 0) }

func accept(fd int32, from *unix.RawSockaddrAny) (int32, unix.Errno) {
	size := uint32(unix.SizeofSockaddrAny)
	n, _, err := unix.RawSyscall6(unix.SYS_ACCEPT4, uintptr(fd), uintptr(unsafe.Pointer(from)), uintptr(unsafe.Pointer(&size)),
		unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0, 0)
	return int32(n), err
}

func socket(family int) (int32, unix.Errno) {
	n, _, err := unix.RawSyscall(unix.SYS_SOCKET, uintptr(family), unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	return int32(n), err
}

func connect(fd int32, to *unix.RawSockaddrAny, size int) unix.Errno {
	_, _, err := unix.RawSyscall(unix.SYS_CONNECT, uintptr(fd), uintptr(unsafe.Pointer(to)), uintptr(size))
	return err
}

func epollControl(ep, op, fd int, ev *unix.EpollEvent) unix.Errno {
	_, _, err := unix.RawSyscall6(unix.SYS_EPOLL_CTL, uintptr(ep), uintptr(op), uintptr(fd), uintptr(unsafe.Pointer(ev)), 0, 0)
	return err
}

func setOption(fd int32, level, name, value int) unix.Errno {
	v := int32(value)
	_, _, err := unix.RawSyscall6(unix.SYS_SETSOCKOPT, uintptr(fd), uintptr(level), uintptr(name), uintptr(unsafe.Pointer(&v)), 4, 0)
	return err
}

// localAddr is the address a client asked for.
func localAddr(fd int32, a *unix.RawSockaddrAny) netip.AddrPort {
	size := uint32(unix.SizeofSockaddrAny)
	if _, _, err := unix.RawSyscall(unix.SYS_GETSOCKNAME, uintptr(fd), uintptr(unsafe.Pointer(a)), uintptr(unsafe.Pointer(&size))); err != 0 {
		return netip.AddrPort{}
	}
	return addrOf(a)
}

// addrOf is zero for a unix socket.
func addrOf(a *unix.RawSockaddrAny) netip.AddrPort {
	switch a.Addr.Family {
	case unix.AF_INET:
		in := (*unix.RawSockaddrInet4)(unsafe.Pointer(a))
		return netip.AddrPortFrom(netip.AddrFrom4(in.Addr), networkPort(in.Port))
	case unix.AF_INET6:
		in := (*unix.RawSockaddrInet6)(unsafe.Pointer(a))
		ip := netip.AddrFrom16(in.Addr).Unmap()
		if in.Scope_id != 0 && ip.Is6() {
			ip = ip.WithZone(strconv.Itoa(int(in.Scope_id)))
		}
		return netip.AddrPortFrom(ip, networkPort(in.Port))
	}
	return netip.AddrPort{}
}

// networkPort turns a port from or to the byte order of the network.
func networkPort(p uint16) uint16 {
	var b [2]byte
	binary.NativeEndian.PutUint16(b[:], p)
	return binary.BigEndian.Uint16(b[:])
}

// sockaddr writes t's address into a and gives its size and family.
func sockaddr(t *Target, a *unix.RawSockaddrAny) (size, family int, err error) {
	ip := t.Addr.Addr().Unmap()
	switch {
	case t.Path != "":
		return unixAddr(t.Path, a)
	case ip.Is4():
		*(*unix.RawSockaddrInet4)(unsafe.Pointer(a)) = unix.RawSockaddrInet4{Family: unix.AF_INET, Port: networkPort(t.Addr.Port()), Addr: ip.As4()}
		return unix.SizeofSockaddrInet4, unix.AF_INET, nil
	case ip.Is6():
		zone, err := zoneID(ip.Zone())
		*(*unix.RawSockaddrInet6)(unsafe.Pointer(a)) = unix.RawSockaddrInet6{Family: unix.AF_INET6, Port: networkPort(t.Addr.Port()), Addr: ip.As16(), Scope_id: zone}
		return unix.SizeofSockaddrInet6, unix.AF_INET6, err
	}
	return 0, 0, fmt.Errorf("connect: the server has neither an address nor a path")
}

// unixAddr takes a leading @ for the abstract name space, as Go does.
func unixAddr(path string, a *unix.RawSockaddrAny) (size, family int, err error) {
	to := (*unix.RawSockaddrUnix)(unsafe.Pointer(a))
	*to = unix.RawSockaddrUnix{Family: unix.AF_UNIX}
	if len(path) >= len(to.Path) {
		return 0, 0, fmt.Errorf("connect to unix:%s: a path has at most %d bytes", path, len(to.Path)-1)
	}
	for i := range len(path) {
		to.Path[i] = int8(path[i])
	}
	size = 2 + len(path) + 1
	if path[0] == '@' {
		to.Path[0] = 0
		size--
	}
	return size, unix.AF_UNIX, nil
}

// zoneID is the number of an interface. Only link-local addresses have one.
func zoneID(zone string) (uint32, error) {
	if zone == "" {
		return 0, nil
	}
	if n, err := strconv.ParseUint(zone, 10, 32); err == nil {
		return uint32(n), nil
	}
	i, err := net.InterfaceByName(zone)
	if err != nil {
		return 0, fmt.Errorf("connect: zone %s: %w", zone, err)
	}
	return uint32(i.Index), nil
}

// tune sets what a Front asks for. A connection inherits all of it from its listening socket.
func (f *Front) tune(fd int32) error {
	if err := setOption(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1); err != 0 {
		return os.NewSyscallError("set TCP_NODELAY", err)
	}
	if f.UserTimeout > 0 {
		if err := setOption(fd, unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(max(f.UserTimeout/time.Millisecond, 1))); err != 0 {
			return os.NewSyscallError("set TCP_USER_TIMEOUT", err)
		}
	}
	if f.KeepAlive <= 0 {
		return nil
	}
	idle := int(max(f.KeepAlive/time.Second, 1))
	for _, o := range [...]struct{ level, name, value int }{
		{unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, idle},
		{unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, idle},
		{unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1},
	} {
		if err := setOption(fd, o.level, o.name, o.value); err != 0 {
			return os.NewSyscallError("set keep-alive", err)
		}
	}
	return nil
}

// untune takes back from a listening socket what another Front asked for and f does not. What both ask for stays all the while:
// clients come meanwhile.
func (f *Front) untune(fd int32) {
	if f.UserTimeout <= 0 {
		setOption(fd, unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, 0)
	}
	if f.KeepAlive <= 0 {
		setOption(fd, unix.SOL_SOCKET, unix.SO_KEEPALIVE, 0)
	}
}

// abort makes the close of fd a reset, unless bytes are still on their way to the peer: these a reset would throw away.
func abort(fd int32) {
	if n, err := unix.IoctlGetInt(int(fd), unix.SIOCOUTQ); err != nil || n != 0 {
		return
	}
	_ = unix.SetsockoptLinger(int(fd), unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
}
