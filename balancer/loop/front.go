// SPDX-License-Identifier: MIT

// Package loop carries TCP sessions between clients and servers: it accepts, asks a Visit which server to try, and moves
// bytes both ways until both sides have said their last. It knows nothing of upstream groups, access lists or PROXY
// headers; those are behind the functions of a Front.
//
// Sessions live in a few event loops on epoll(7), over raw non-blocking descriptors; there is no goroutine per connection.
// A session stays in the loop that accepted it. An idle session costs two descriptors and under one KiB.
//
// Small pieces are copied through one buffer per loop. A direction that fills this buffer twice running moves its bytes
// with splice(2) through a pipe from a pool and gives the pipe back when it runs empty. What a slow receiver does not take
// is bounded by what the pipe or that buffer holds; then reading stops, and TCP tells the sender.
//
// Half-close is kept: the end of one side becomes shutdown(SHUT_WR) on the other once all bytes before it are delivered. A
// reset of one side becomes a reset of the other.
package loop

import (
	"log/slog"
	"net/netip"
	"time"
)

// Options of an Engine. The zero value works.
type Options struct {
	Loops       int // 0: one for two processors; the kernel and the servers want the others
	MaxSessions int // accepting pauses at so many, and clients wait in the backlog; 0: from RLIMIT_NOFILE, two descriptors each
	MaxPipes    int // for splice(2), two descriptors each; 0: a share of RLIMIT_NOFILE; below 0: none. Without a free one a direction copies
	Log         *slog.Logger
}

// Front is what a Door leads to. It is not changed once given.
type Front struct {
	Name string // of the service, for the log and for a Transfer

	// Header finds the end of a PROXY header in the first bytes of a client: n > 0 says that b[:n] is the header, 0 and
	// nil that more is needed. An error, or more than MaxHeader bytes without an end, closes the client. Nil: no header is
	// expected.
	Header  func(b []byte) (n int, err error)
	Trusted func(peer netip.Addr) bool // false: closed before a byte is read. Nil: all are trusted

	HeaderTimeout  time.Duration // from accept to the whole header; 0: no limit
	ConnectTimeout time.Duration // of one try; 0: the kernel's
	IdleTimeout    time.Duration // without a byte either way, as NGINX's proxy_timeout; 0: no limit
	UserTimeout    time.Duration // TCP_USER_TIMEOUT of both sockets; 0: the system's
	KeepAlive      time.Duration // idle time before keep-alive probes and between them, both sockets; 0: none

	Open func(Arrival) Visit // called in a loop: must not block. Nil: the client is closed without a byte
}

// MaxHeader is the most that is kept of a client whose PROXY header is not whole yet, in bytes.
const MaxHeader = 4096

// Arrival is a client that was accepted and, where one is expected, has sent its PROXY header.
type Arrival struct {
	Peer, Local netip.AddrPort // unmapped; zero for a unix socket
	Header      []byte         // valid during the call
}

// Visit is the balancer's side of one session. Its methods are called by one loop, one at a time, and must not block. A
// panic in one of them ends that session and no other.
type Visit interface {
	// Next names the server to try: first with nil, then with why the last one failed. False: there is none left, and the
	// client is closed.
	Next(after error) (Target, bool)
	// Connected says that the target of the last Next took the connection.
	Connected()
	// Done is called exactly once, last.
	Done(Result)
}

// Target is a server: an address, or the path of a unix socket.
type Target struct {
	Addr     netip.AddrPort
	Path     string
	Preamble []byte // written first: a PROXY header. Nil: none
}

// Result is how a session went.
type Result struct {
	FromClient, FromServer int64 // bytes, without the client's PROXY header and without a Preamble
	Duration               time.Duration
	ConnectTime            time.Duration // from the first Next to Connected; 0: never connected
	Reason                 Reason
	Err                    error // what the kernel said, where it said something
}

// Reason is why a session ended.
type Reason uint8

// The ends of a session. Of two sides that closed in good order, the first one counts.
const (
	ClientClosed  Reason = iota + 1
	ServerClosed         // the server said its last byte first
	ClientReset          // or its connection was lost
	ServerReset          // or its connection was lost
	IdleTimeout          // no byte either way
	NoServer             // Next had none left
	HeaderBad            // no PROXY header, or from a peer that is not trusted
	HeaderTimeout        // the PROXY header did not come
	ClientLeft           // before a server was there
	Stopped              // by Shutdown
	HandedOver           // to another process
	Failed               // an error on our side, such as no memory, or a panic of the Visit
)

var reasons = [...]string{"unknown", "client closed", "server closed", "client reset", "server reset", "idle time-out", "no server",
	"bad PROXY header", "PROXY header time-out", "client left", "stopped", "handed over", "failed"}

// String is the reason in words, for a log.
func (r Reason) String() string {
	if int(r) >= len(reasons) {
		return reasons[0]
	}
	return reasons[r]
}

// Stats is what an Engine counts.
type Stats struct {
	Sessions    int   // from accept to Done
	Established int   // of these, with a server
	Pipes       int   // in use
	Pending     int64 // bytes held outside pipes for receivers that do not take them
	Paused      bool  // accepting waits for room
	Accepted    int64 // clients, since the start
	Spliced     int64 // bytes moved through pipes, since the start
}

// Transfer is one established session on its way to another process. Client and Server are raw non-blocking descriptors: an
// os.File would hand them to Go's own poller, or make them blocking for both processes.
type Transfer struct {
	Front                  string // its Name
	Client, Server         int
	ToServer, ToClient     []byte // taken from one side and not yet written to the other; at most MaxPending each
	ClientEOF, ServerEOF   bool   // that side has said its last byte
	ClientLost, ServerLost bool   // and not in good order: what became of it has to become of the other side, too
	FromClient, FromServer int64  // bytes taken so far
	Began                  time.Time
	ConnectTime            time.Duration
	Visit                  Visit // set by Surrender only
}

// MaxPending bounds ToServer and ToClient, in bytes.
const MaxPending = 1<<20 + 64<<10
