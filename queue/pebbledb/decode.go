// SPDX-License-Identifier: MIT

package pebbledb

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"posthouse/mail"
	"posthouse/queue"
	"posthouse/reply"
)

// errDamaged is in the chain of every complaint about a record.
var errDamaged = queue.ErrDamaged

// record is read from the front. The first fault sticks, so that a caller asks for it once, at the end; what is read
// after it is zero. Strings are parts of one string: a record costs one copy.
type record struct {
	rest string
	err  error
}

// openRecord checks the version.
func openRecord(value []byte) *record {
	r := &record{rest: string(value)}
	if v := r.octet(); v != recordVersion {
		r.fail(fmt.Sprintf("version %d", v))
	}
	return r
}

func (r *record) fail(what string) {
	if r.err == nil {
		r.err = fmt.Errorf("%w: %s", errDamaged, what)
	}
	r.rest = ""
}

// close complains of octets that nobody asked for.
func (r *record) close() error {
	if r.rest != "" {
		r.fail("octets left over")
	}
	return r.err
}

func (r *record) take(n uint64) string {
	if n > uint64(len(r.rest)) {
		r.fail("too short")
		return ""
	}
	s := r.rest[:n]
	r.rest = r.rest[n:]
	return s
}

func (r *record) octet() byte {
	if s := r.take(1); s != "" {
		return s[0]
	}
	return 0
}

func (r *record) uvarint() uint64 {
	v, n := binary.Uvarint([]byte(r.rest[:min(len(r.rest), binary.MaxVarintLen64)]))
	if n <= 0 {
		r.fail("number")
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

func (r *record) varint() int64 {
	u := r.uvarint()
	return int64(u>>1) ^ -int64(u&1)
}

func (r *record) str() string { return r.take(r.uvarint()) }

func (r *record) time() time.Time {
	n := r.varint()
	if n == 0 {
		return time.Time{}
	}
	return time.Unix(0, n).UTC()
}

func (r *record) addr() (a netip.AddrPort) {
	s := r.take(uint64(r.octet()))
	if s == "" {
		return a
	}
	if err := a.UnmarshalBinary([]byte(s)); err != nil {
		r.fail("address")
	}
	return a
}

// path trusts nothing: what does not parse today would not be sendable either.
func (r *record) path() mail.Path {
	local, domain := r.str(), r.str()
	if local == "" && domain == "" {
		return mail.Path{}
	}
	p, err := makePath(local, domain)
	if err != nil {
		r.fail(err.Error())
	}
	return p
}

// makePath also takes <postmaster>, the one path without a domain (RFC 5321 4.5.1).
func makePath(local, domain string) (mail.Path, error) {
	if domain == "" {
		return mail.ParsePath("<"+local+">", false)
	}
	return mail.MakePath(local, domain)
}

func parseEnvelope(id mail.ID, value []byte) (*mail.Envelope, error) {
	r := openRecord(value)
	f := r.octet()
	e := &mail.Envelope{
		ID: id, EightBit: f&flagEightBit != 0, UTF8: f&flagUTF8 != 0, RequireTLS: f&flagRequireTLS != 0,
		Unauthenticated: f&flagUnauthenticated != 0,
	}
	e.From = r.path()
	e.Arrived = r.time()
	e.Size = r.varint()
	e.Ret, e.EnvID, e.Hold = r.str(), r.str(), r.str()
	e.Client = r.client()
	e.Client.Early = f&flagEarly != 0
	e.Recipients = r.recipients()
	if err := r.close(); err != nil {
		return nil, fmt.Errorf("envelope of %s: %w", id, err)
	}
	return e, nil
}

func (r *record) client() (c mail.Client) {
	c.Addr, c.Server = r.addr(), r.addr()
	c.Name, c.HELO, c.Protocol, c.TLS, c.Login = r.str(), r.str(), r.str(), r.str(), r.str()
	return c
}

// recipients believes the count only as far as there are octets for it: each takes five at least.
func (r *record) recipients() []mail.Recipient {
	n := r.uvarint()
	if n > uint64(len(r.rest))/5 {
		r.fail("count of recipients")
		return nil
	}
	list := make([]mail.Recipient, n)
	for i := range list {
		r.recipient(&list[i])
	}
	return list
}

func (r *record) recipient(to *mail.Recipient) {
	f := r.octet()
	to.Notify = mail.Notify(r.octet())
	to.To = r.path()
	to.Given = to.To
	if f&flagGiven != 0 {
		to.Given = r.path()
	}
	if f&flagSender != 0 {
		sender := r.path()
		to.Sender = &sender
	}
	to.ORcpt = r.str()
}

func parseRow(id mail.ID, n int, value []byte) (queue.Row, error) {
	r := openRecord(value)
	f := r.octet()
	row := queue.Row{ID: id, N: n, Held: f&flagHeld != 0, Delayed: f&flagDelayed != 0}
	row.Destination = r.str()
	row.Due = r.time()
	row.Attempts = int(r.uvarint())
	if f&flagLast != 0 {
		row.Last = r.result()
	}
	row.Last.DSN, row.Last.HopDead = f&flagDSN != 0, f&flagHopDead != 0
	if err := r.close(); err != nil {
		return queue.Row{}, fmt.Errorf("recipient %d of %s: %w", n, id, err)
	}
	return row, nil
}

func (r *record) result() (res mail.Result) {
	res.Status = mail.Status(r.octet())
	res.Reply = reply.Reply{Code: int(r.uvarint()), Enhanced: r.str(), Text: r.str()}
	if cause := r.str(); cause != "" {
		res.Reply.Cause = errors.New(cause)
	}
	res.Remote, res.TLS = r.str(), r.str()
	return res
}
