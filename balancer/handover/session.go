// SPDX-License-Identifier: MIT

package handover

import (
	"errors"
	"fmt"
	"time"

	"posthouse/balancer"
	"posthouse/balancer/loop"
)

// Session is one that is on its way.
type Session struct {
	Transfer loop.Transfer
	Info     balancer.Info
}

// record is a session as it is sent, beside its descriptors; the data follows.
type record struct {
	Service     string        `json:"service"`
	Info        balancer.Info `json:"info"`
	ToServer    int           `json:"to_server,omitempty"` // bytes of data that follow
	ToClient    int           `json:"to_client,omitempty"`
	ClientEOF   bool          `json:"client_eof,omitempty"`
	ServerEOF   bool          `json:"server_eof,omitempty"`
	ClientLost  bool          `json:"client_lost,omitempty"`
	ServerLost  bool          `json:"server_lost,omitempty"`
	FromClient  int64         `json:"from_client"`
	FromServer  int64         `json:"from_server"`
	Began       time.Time     `json:"began"`
	ConnectTime time.Duration `json:"connect_time"`
}

func recordOf(s Session) record {
	t := s.Transfer
	return record{
		Service: t.Front, Info: s.Info, ToServer: len(t.ToServer), ToClient: len(t.ToClient), ClientEOF: t.ClientEOF, ServerEOF: t.ServerEOF,
		ClientLost: t.ClientLost, ServerLost: t.ServerLost, FromClient: t.FromClient, FromServer: t.FromServer, Began: t.Began, ConnectTime: t.ConnectTime,
	}
}

// check bounds what the numbers may ask for.
func (r *record) check() error {
	for _, n := range []int{r.ToServer, r.ToClient} {
		if n < 0 || n > loop.MaxPending {
			return fmt.Errorf("session with %d bytes on their way: at most %d", n, loop.MaxPending)
		}
	}
	if r.FromClient < 0 || r.FromServer < 0 || r.ConnectTime < 0 {
		return errors.New("session with a negative count")
	}
	return nil
}

func (r *record) session(pending []byte, fds []int) Session {
	return Session{Info: r.Info, Transfer: loop.Transfer{
		Front: r.Service, Client: fds[0], Server: fds[1], ToServer: pending[:r.ToServer:r.ToServer], ToClient: pending[r.ToServer:],
		ClientEOF: r.ClientEOF, ServerEOF: r.ServerEOF, ClientLost: r.ClientLost, ServerLost: r.ServerLost, FromClient: r.FromClient, FromServer: r.FromServer,
		Began: r.Began, ConnectTime: r.ConnectTime,
	}}
}
