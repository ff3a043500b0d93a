// SPDX-License-Identifier: MIT

package pebbledb

import (
	"encoding/binary"
	"net/netip"
	"time"

	"posthouse/mail"
	"posthouse/queue"
)

// recordVersion is the first octet of every record, so that one kind can change without touching the others.
const recordVersion = 1

// Flags of an envelope.
const (
	flagEightBit = 1 << iota
	flagUTF8
	flagRequireTLS
	flagUnauthenticated
	flagEarly
)

// appendEnvelope is everything a later hop or an operator may ask about the message.
func appendEnvelope(b []byte, e *mail.Envelope) []byte {
	b = append(b, recordVersion, envelopeFlags(e))
	b = appendPath(b, e.From)
	b = appendTime(b, e.Arrived)
	b = binary.AppendVarint(b, e.Size)
	b = appendString(b, e.Ret)
	b = appendString(b, e.EnvID)
	b = appendString(b, e.Hold)
	b = appendClient(b, &e.Client)
	b = binary.AppendUvarint(b, uint64(len(e.Recipients)))
	for i := range e.Recipients {
		b = appendRecipient(b, &e.Recipients[i])
	}
	return b
}

func envelopeFlags(e *mail.Envelope) (f byte) {
	f = flag(f, flagEightBit, e.EightBit)
	f = flag(f, flagUTF8, e.UTF8)
	f = flag(f, flagRequireTLS, e.RequireTLS)
	f = flag(f, flagUnauthenticated, e.Unauthenticated)
	return flag(f, flagEarly, e.Client.Early)
}

func flag(f, bit byte, on bool) byte {
	if on {
		return f | bit
	}
	return f
}

func appendClient(b []byte, c *mail.Client) []byte {
	b = appendAddr(b, c.Addr)
	b = appendAddr(b, c.Server)
	b = appendString(b, c.Name)
	b = appendString(b, c.HELO)
	b = appendString(b, c.Protocol)
	b = appendString(b, c.TLS)
	return appendString(b, c.Login)
}

// Flags of a recipient. Most have neither an alias behind them nor a sender of their own.
const (
	flagGiven = 1 << iota
	flagSender
)

func appendRecipient(b []byte, r *mail.Recipient) []byte {
	given := r.Given != r.To
	b = append(b, flag(flag(0, flagGiven, given), flagSender, r.Sender != nil), byte(r.Notify))
	b = appendPath(b, r.To)
	if given {
		b = appendPath(b, r.Given)
	}
	if r.Sender != nil {
		b = appendPath(b, *r.Sender)
	}
	return appendString(b, r.ORcpt)
}

// Flags of a row.
const (
	flagHeld = 1 << iota
	flagDelayed
	flagLast
	flagDSN
	flagHopDead
)

// appendRow begins with what the index needs (parseRowIndex).
func appendRow(b []byte, r *queue.Row) []byte {
	last := r.Last.Status != mail.Unknown || r.Last.Reply.Code != 0 || r.Last.Reply.Cause != nil || r.Last.Remote != ""
	f := flag(flag(flag(0, flagHeld, r.Held), flagDelayed, r.Delayed), flagLast, last)
	f = flag(flag(f, flagDSN, r.Last.DSN), flagHopDead, r.Last.HopDead)
	b = append(b, recordVersion, f)
	b = appendString(b, r.Destination)
	b = appendTime(b, r.Due)
	b = binary.AppendUvarint(b, uint64(max(r.Attempts, 0)))
	if last {
		b = appendResult(b, &r.Last)
	}
	return b
}

func appendResult(b []byte, r *mail.Result) []byte {
	b = append(b, byte(r.Status))
	b = binary.AppendUvarint(b, uint64(max(r.Reply.Code, 0)))
	b = appendString(b, r.Reply.Enhanced)
	b = appendString(b, r.Reply.Text)
	cause := ""
	if r.Reply.Cause != nil {
		cause = r.Reply.Cause.Error()
	}
	b = appendString(b, cause)
	b = appendString(b, r.Remote)
	return appendString(b, r.TLS)
}

func appendString(b []byte, s string) []byte {
	b = binary.AppendUvarint(b, uint64(len(s)))
	return append(b, s...)
}

// appendPath keeps the parts apart: a local part may hold anything once unquoted.
func appendPath(b []byte, p mail.Path) []byte {
	return appendString(appendString(b, p.Local()), p.Domain())
}

// appendTime is nanoseconds since 1970, 0 for the zero Time.
func appendTime(b []byte, t time.Time) []byte {
	if t.IsZero() {
		return append(b, 0)
	}
	return binary.AppendVarint(b, t.UnixNano())
}

// appendAddr is a length and netip's own form.
func appendAddr(b []byte, a netip.AddrPort) []byte {
	if !a.IsValid() {
		return append(b, 0)
	}
	at := len(b)
	b = append(b, 0)
	b, _ = a.AppendBinary(b) // never fails
	b[at] = byte(len(b) - at - 1)
	return b
}
