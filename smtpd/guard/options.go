// SPDX-License-Identifier: MIT

package guard

import (
	"crypto/tls"
	"net"
	"time"

	"posthouse/reply"
)

// Options are shared by all connections of a listener and not changed after the first.
type Options struct {
	Hostname string // our name: banner and first line of the EHLO reply
	Node     string // the machine behind it, in parentheses; "" not said

	TLS        *tls.Config // nil: STARTTLS is not offered
	Implicit   bool        // TLS from the first byte (RFC 8314 3)
	RequireTLS bool        // nothing but EHLO, NOOP, RSET, QUIT and STARTTLS in the clear

	Line     int   // octets of a command line with its CRLF [2048]
	AuthLine int   // octets of a line of an AUTH exchange, RFC 4954 4 [12288]
	Drain    int64 // octets of refused text that are still read to its end [50 MiB]

	Errors     int // errors before 421 [20]
	AuthErrors int // refused AUTHs before 421 [5]
	Junk       int // NOOP, RSET and VRFY between two messages before each counts as an error [100]

	Command   time.Duration // for a whole command line, and for us to write replies [5m]
	Handshake time.Duration // PROXY header and TLS handshake, each [30s]
	Data      time.Duration // between two blocks of text, and head start for Rate [3m]
	Rate      int           // octets a second that text must average after that [500]

	slack time.Duration // by which a deadline may be early
}

// Complete sets what is zero to its default.
func (o *Options) Complete() {
	setDefault(&o.Line, 2048)
	setDefault(&o.AuthLine, 12288)
	setDefault(&o.Drain, 50<<20)
	setDefault(&o.Errors, 20)
	setDefault(&o.AuthErrors, 5)
	setDefault(&o.Junk, 100)
	setDefault(&o.Command, 5*time.Minute)
	setDefault(&o.Handshake, 30*time.Second)
	setDefault(&o.Data, 3*time.Minute)
	setDefault(&o.Rate, 500)
	o.slack = min(o.Command, o.Data) / 16
}

// node is what follows our name.
func (o *Options) node() string {
	if o.Node == "" {
		return ""
	}
	return " (" + o.Node + ")"
}

func setDefault[T comparable](v *T, def T) {
	var zero T
	if *v == zero {
		*v = def
	}
}

// Owner is who the connection belongs to: the frame. All methods are called from the connection's own goroutine.
type Owner interface {
	// Announce reads what a proxy says before the first byte of its client, and returns the connection to go on with.
	// An error closes without a word.
	Announce(net.Conn) (net.Conn, error)
	// Connect judges the client before the banner. An error is the reply that refuses it; the connection closes.
	Connect() error
	// Keywords are the lines of the EHLO reply after our name.
	Keywords() []string
	// Note tells of an end or a breach of rules; cause may be nil.
	Note(what Event, cause error)
	// Closed is the last call, and comes once.
	Closed()
}

// Event is something worth a log line and a counter.
type Event string

// The events, which are also values of a metric's label.
const (
	EventTimeout     Event = "timeout"
	EventLost        Event = "lost_connection"
	EventProxy       Event = "proxy_header"
	EventRefused     Event = "refused"
	EventHandshake   Event = "tls_handshake"
	EventInjection   Event = "starttls_injection"
	EventBareNewline Event = "bare_newline"
	EventLongLine    Event = "long_line"
	EventForbidden   Event = "forbidden_command"
	EventErrors      Event = "too_many_errors"
	EventTooMuch     Event = "too_much_text"
	EventTooSlow     Event = "too_slow"
	EventStopped     Event = "stopped"
	EventPanic       Event = "panic"
)

// Policy of stray CR and LF in text.
type Policy uint8

// Reject answers 550 after the text and closes. Normalize makes a bare LF a CRLF and a bare CR a space; neither ends the text.
const (
	Reject Policy = iota
	Normalize
)

// closing reports whether the connection ends with this reply (RFC 5321 3.8).
func closing(r reply.Reply) bool { return r.Code == 421 }
