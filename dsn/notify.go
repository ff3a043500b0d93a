// SPDX-License-Identifier: MIT

package dsn

import "posthouse/mail"

// Asks reports whether a recipient wants to hear of a kind (RFC 3461 4.1).
func Asks(k Kind, n mail.Notify) bool {
	if n&mail.NotifyNever != 0 {
		return false
	}
	switch k {
	case Failure:
		return n == 0 || n&mail.NotifyFailure != 0
	case Delay:
		return n == 0 || n&mail.NotifyDelay != 0
	case Success:
		return n&mail.NotifySuccess != 0
	}
	return false
}

// OfResult is the kind of report that a final result calls for; false: none. A recipient relayed to a host that took NOTIFY
// over is that host's to report (RFC 3461 5.2.2).
func OfResult(r mail.Result) (Kind, bool) {
	switch r.Status {
	case mail.Failed:
		return Failure, true
	case mail.Delivered:
		return Success, true
	case mail.Relayed:
		return Success, !r.DSN
	}
	return 0, false
}

// asking is those who want to hear of kind.
func asking(k Kind, all []Recipient) []Recipient {
	var some []Recipient
	for _, r := range all {
		if k == Success && r.Result.Status == mail.Relayed && r.Result.DSN {
			continue
		}
		if Asks(k, r.Notify) {
			some = append(some, r)
		}
	}
	return some
}
