// SPDX-License-Identifier: MIT

// Package reply holds every SMTP reply that a stranger may read (RFC 5321 4.2, enhanced codes RFC 3463).
//
// Lower packages return one of the named replies, with a private cause: reply.UnknownUser.Because(err). The frame of the
// SMTP services finds it again with For and sends its public part only; the cause goes to the log. An error that holds no
// reply is 451 4.3.0: what we did not foresee is tried again and shows nothing of our insides.
package reply

import (
	"errors"
	"fmt"
)

// Reply is one SMTP reply. The zero Reply is "none yet".
type Reply struct {
	Code     int    // 200-559
	Enhanced string // RFC 3463, "5.1.1"; "" if the reply has none (220, 354)
	Text     string // public, one line, printable ASCII; a remote server's words may have "\n" between lines
	Cause    error  // private: for the log, never sent
}

// Because returns the reply with a private cause.
func (r Reply) Because(cause error) Reply { r.Cause = cause; return r }

// With returns the reply with its text formatted anew. Arguments must be ours or already sanitised.
func (r Reply) With(format string, args ...any) Reply {
	r.Text = fmt.Sprintf(format, args...)
	return r
}

// Error is the reply as the log has it, the cause included.
func (r Reply) Error() string {
	s := r.String()
	if r.Cause != nil {
		s += " (" + r.Cause.Error() + ")"
	}
	return s
}

// Unwrap gives errors.Is and errors.As the cause.
func (r Reply) Unwrap() error { return r.Cause }

// String is the reply as the wire has it, without CRLF: "550 5.1.1 ...".
func (r Reply) String() string {
	if r.Enhanced == "" {
		return fmt.Sprintf("%d %s", r.Code, r.Text)
	}
	return fmt.Sprintf("%d %s %s", r.Code, r.Enhanced, r.Text)
}

// Temporary reports a 4yz reply, Permanent a 5yz one.
func (r Reply) Temporary() bool { return r.Code/100 == 4 }

// Permanent reports a 5yz reply.
func (r Reply) Permanent() bool { return r.Code/100 == 5 }

// For returns the reply in err's chain, or LocalError because of err. err must not be nil.
func For(err error) Reply {
	var r Reply
	if errors.As(err, &r) && r.Code != 0 {
		return r
	}
	return LocalError.Because(err)
}
