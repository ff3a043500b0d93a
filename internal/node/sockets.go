// SPDX-License-Identifier: MIT

package node

import (
	"context"
	"fmt"
	"net"

	"posthouse/balancer/handover"
	"posthouse/internal/admin"
	"posthouse/internal/listen"
)

// sockets are the listening sockets of a process that may be handed over: each is opened here, or taken over from the process
// before, under the name that it has there.
type sockets struct {
	from  *handover.Predecessor // nil: there is none
	all   []handover.Listener
	files []*admin.Private
}

// open takes a socket over, or else opens it. Keep is for a unix socket whose file is not ours to remove.
func (s *sockets) open(name string, keep bool, open func() (net.Listener, error)) (net.Listener, error) {
	l, ok := s.taken(name)
	if !ok {
		socket, err := open()
		if err != nil {
			return nil, err
		}
		l = handover.Listener{Name: name, Socket: socket, Unlink: !keep}
	}
	s.all = append(s.all, l)
	return l.Socket, nil
}

func (s *sockets) taken(name string) (handover.Listener, bool) {
	if s.from == nil {
		return handover.Listener{}, false
	}
	return s.from.Take(name) // unlike others its file stays, as long as another process may go on with it
}

// door is a listener of the cluster file.
func (s *sockets) door(ctx context.Context, c listen.Config) (net.Listener, error) {
	return s.open("listen "+c.Address.String(), listen.Inherited(c.Name), func() (net.Listener, error) { return listen.Open(ctx, c) })
}

// adminPort is the HTTP side's.
func (s *sockets) adminPort(address string) (net.Listener, error) {
	return s.open("admin "+address, false, func() (net.Listener, error) { return admin.Listen(address) })
}

// private is a socket of our own user at path.
func (s *sockets) private(network, path string) (*admin.Private, error) {
	name := network + " " + path
	l, ok := s.taken(name)
	var p *admin.Private
	var err error
	if ok {
		unix, is := l.Socket.(*net.UnixListener)
		if !is {
			return nil, fmt.Errorf("what the process before had at %s is no unix socket", path)
		}
		p, err = admin.InheritPrivate(unix, path)
	} else {
		p, err = admin.ListenPrivate(network, path)
	}
	if err != nil {
		return nil, err
	}
	s.all = append(s.all, handover.Listener{Name: name, Socket: p.UnixListener})
	s.files = append(s.files, p)
	return p, nil
}

// own has the files of sockets go with them: the process before is none any more.
func (s *sockets) own() {
	for _, l := range s.all {
		if unix, ok := l.Socket.(*net.UnixListener); ok {
			unix.SetUnlinkOnClose(l.Unlink)
		}
	}
	for _, p := range s.files {
		p.Own()
	}
}

// leave has the files of sockets stay when they are closed here: another process listens there.
func (s *sockets) leave() {
	for _, l := range s.all {
		if unix, ok := l.Socket.(*net.UnixListener); ok {
			unix.SetUnlinkOnClose(false)
		}
	}
	for _, p := range s.files {
		p.Leave()
	}
}
